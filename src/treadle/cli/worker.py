"""`treadle worker`: executes runs of a database that several processes share, and answers no requests."""

import asyncio
import contextlib
import os
import signal
from pathlib import Path
from typing import Final

import click

from treadle import app, settings
from treadle.cli import logs, options, starting, told
from treadle.settings import Settings, SettingsError

NEEDS_A_URL: Final = (
    "A worker needs a database that it can share with a server: --database postgresql://USER:PASSWORD@HOST/NAME, or "
    "TREADLE_DATABASE. On the data folder's own database `treadle serve` is the worker."
)


@click.command("worker")
@options.DATABASE
@options.DATA_DIR
@options.UPSTREAM
@options.MODEL
@options.CONFIG
@options.LOG_LEVEL
def command(
    database: str | None,
    data_dir: Path | None,
    upstream: str | None,
    model: str | None,
    config: Path | None,
    log_level: str | None,
) -> None:
    """Execute the runs of a shared database, beside any number of servers and other workers.

    It listens on no port. SIGTERM and SIGINT stop it in good order: what it has not done goes on elsewhere.
    """
    with told.in_one_line(*starting.TOLD):
        chosen = settings.read(
            os.environ,
            data_dir=data_dir,
            database=database,
            upstream=upstream,
            model=model,
            config=config,
            log_level=log_level,
        )
        if chosen.database is None:
            raise SettingsError(NEEDS_A_URL)
        logs.configure(chosen.log_level)
        starting.tell_what_is_missing(chosen)
        with asyncio.Runner(loop_factory=starting.loop_factory()) as runner:
            runner.run(_work_until_stopped(chosen))


async def _work_until_stopped(chosen: Settings) -> None:
    """Raises what `app.work` says."""
    working = asyncio.create_task(app.work(chosen, ready=lambda worker_id: _ready(worker_id, chosen)))
    stopping = False

    def stop(number: signal.Signals) -> None:
        nonlocal stopping
        # Who presses Ctrl-C again does not wait for runs, as with serve; a second SIGTERM changes nothing.
        if not stopping or number == signal.SIGINT:
            working.cancel()
        stopping = True

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop, number)
    with contextlib.suppress(asyncio.CancelledError):
        await working


def _ready(worker_id: str, chosen: Settings) -> None:
    starting.spare_the_collector()
    click.echo(f"Treadle worker {worker_id} works on {chosen.masked_database}", err=True)
