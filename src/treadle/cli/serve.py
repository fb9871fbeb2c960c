"""`treadle serve`: the API and the worker in one process."""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path
from types import FrameType
from typing import Final

import click
import uvicorn

from treadle import app, settings
from treadle.cli import logs, options, starting, told
from treadle.http.application import Application
from treadle.http.protocol import BoundedHttp
from treadle.settings import Settings

# 5 s, uvicorn's own, closed the connections of clients that poll now and then.
KEEP_ALIVE_SECONDS: Final = 75
# After its runs have stopped, for a request to be answered. With them it is less than the 10 s that Docker grants.
SECONDS_TO_SAY_SO: Final = 2


@click.command("serve")
@click.option("--host", help="Address to listen on.  [TREADLE_HOST; 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port; 0 takes a free one.  [TREADLE_PORT; 8000]")
@options.DATA_DIR
@options.DATABASE
@options.UPSTREAM
@options.MODEL
@click.option("--no-worker", is_flag=True, help="Answer requests, but execute no runs.")
@options.CONFIG
@options.LOG_LEVEL
def command(
    host: str | None,
    port: int | None,
    data_dir: Path | None,
    database: str | None,
    upstream: str | None,
    model: str | None,
    no_worker: bool,
    config: Path | None,
    log_level: str | None,
) -> None:
    """Serve the Assistants API."""
    with told.in_one_line(*starting.TOLD):
        chosen = settings.read(
            os.environ,
            host=host,
            port=port,
            data_dir=data_dir,
            database=database,
            upstream=upstream,
            model=model,
            work=not no_worker,
            config=config,
            log_level=log_level,
        )
        logs.configure(chosen.log_level)
        run(chosen)


def run(chosen: Settings) -> None:
    """Serve until a signal stops us. Raises what `app.build` says."""
    application = app.build(chosen, show_key=_show_key if sys.stderr.isatty() else None)
    starting.tell_what_is_missing(chosen)
    server = Server(
        application,
        uvicorn.Config(
            application,
            host=chosen.host,
            port=chosen.port,
            loop="uvloop" if sys.platform != "win32" else "asyncio",
            http=BoundedHttp,
            ws="none",
            lifespan="on",
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=int(chosen.stop_seconds) + SECONDS_TO_SAY_SO,
        ),
    )
    try:
        server.run()
    except SystemExit:
        # uvicorn's way to say that it could not start; of what went wrong in our part we tell the reason.
        if application.failure is None:
            raise
    if application.failure is not None:
        raise application.failure


class Server(uvicorn.Server):
    """Says where it listens once it does. A signal to stop is obeyed and not raised again: that is a success."""

    def __init__(self, application: Application, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._application = application

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]  # narrower there
        await super().startup(sockets)  # type: ignore[arg-type]  # as above
        starting.spare_the_collector()
        for server in self.servers:
            for listening in server.sockets:
                address, port, *_ = listening.getsockname()
                shown = f"[{address}]" if ":" in address else address
                click.echo(f"Treadle serves http://{shown}:{port}/v1", err=True)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Runs and the requests that wait for them get the same seconds, not one after the other.
        stopping = asyncio.create_task(self._application.stop_work())
        await super().shutdown(sockets)
        if self.force_exit:
            stopping.cancel()
        else:
            await stopping

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True


def _show_key(key: str) -> None:
    click.echo(f"Your API key, shown this once: {key}", err=True)
