"""A real server in a process of its own that kills itself where it is told to.

`python -m tests.crash.server DATA_DIR UPSTREAM_URL PORT` says which port it listens on, then takes orders on its
standard input, one a line:

- `kill PHASE:N`, such as `before:3`: count commits from here, and die at the third one, before it, `after` it, or when
  its events are `published`. `kill never` only counts. It prints the number of commits under the order before.
  The first such order may be given as `--kill`: then the commits of the start count, too.
- `advance SECONDS`: move the clock ahead.

It ends at SIGTERM, and dies with whoever gives the orders.
"""

import argparse
import asyncio
import os
import signal
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import NoReturn

import uvicorn
import uvloop

from tests.support.clock import MovableClock
from tests.support.server import KEY
from treadle import app
from treadle.cli import logs
from treadle.settings import Settings
from treadle.upstream.models import UpstreamSettings

# From `published` on, so many rounds of the event loop until the readers' pieces are with the operating system.
ROUNDS_TO_THE_SOCKET = 20


class Executioner:
    """Counts commits by phase, and kills this process at the one it was told."""

    def __init__(self) -> None:
        self._phase, self._number = "never", 0
        self._counted: Counter[str] = Counter()
        self._is_doomed = False

    def order(self, plan: str) -> int:
        """Start counting anew. The number of commits so far; no answer when it is too late for another order."""
        if self._is_doomed:
            wait_for_death()
        counted, self._counted = self._counted, Counter()
        self._phase, _, number = plan.partition(":")
        self._number = int(number or 0)
        return counted["after"]

    def observe(self, phase: str) -> None:
        """The commit observer: see `store.open_database`."""
        self._counted[phase] += 1
        if (phase, self._counted[phase]) == (self._phase, self._number):
            self._is_doomed = True
            if phase == "published":
                _die_later(ROUNDS_TO_THE_SOCKET)
            else:
                die()
        elif phase == "before" and self._phase == "published" and self._counted[phase] > self._number:
            # The commit after the last one must not come between its events and our death.
            if threading.current_thread() is threading.main_thread():
                # On PostgreSQL this is the event loop, which cannot wait here.
                die()
            wait_for_death()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def wait_for_death() -> NoReturn:
    threading.Event().wait()
    raise AssertionError("nobody sets it")


def main() -> None:
    options = _parser().parse_args()
    logs.configure("warning")
    clock, executioner = MovableClock(), Executioner()
    clock.advance(options.ahead)
    executioner.order(options.kill)
    settings = Settings(
        port=options.port,
        data_dir=options.data_dir,
        database=options.database,
        # Renewing it is a commit, too: none may come between those that are counted.
        lease_seconds=3600.0,
        upstreams=(UpstreamSettings(name="scripted", base_url=options.upstream),),
        api_key=KEY,
        max_runs=options.max_runs,
        stop_seconds=options.stop_seconds,
    )
    application = app.build(settings, clock=clock, observe_commit=executioner.observe)
    server = Server(
        uvicorn.Config(
            application,
            host=settings.host,
            port=settings.port,
            http="httptools",
            ws="none",
            lifespan="on",
            access_log=False,
            log_config=None,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=1,
        )
    )
    threading.Thread(target=_take_orders, args=(executioner, clock), daemon=True).start()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(server.serve())
    if application.failure is not None:
        raise application.failure


class Server(uvicorn.Server):
    """Says on which port it listens once it does."""

    async def startup(self, sockets: list[object] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            print(self.servers[0].sockets[0].getsockname()[1], flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.crash.server", description=__doc__)
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("upstream", metavar="upstream_url")
    parser.add_argument("port", type=int, help="0 takes a free one")
    parser.add_argument("--database", metavar="URL")
    parser.add_argument("--ahead", type=float, default=0.0, metavar="SECONDS", help="how far the clock is ahead")
    parser.add_argument("--kill", default="never", metavar="PHASE:N")
    parser.add_argument("--max-runs", type=int, default=1000)
    parser.add_argument("--stop-seconds", type=float, default=0.2)
    return parser


def _take_orders(executioner: Executioner, clock: MovableClock) -> None:
    for line in sys.stdin:
        order, argument = line.split()
        match order:
            case "kill":
                print(executioner.order(argument), flush=True)
            case "advance":
                clock.advance(float(argument))
    die()


def _die_later(rounds: int) -> None:
    if rounds == 0:
        die()
    asyncio.get_running_loop().call_soon(_die_later, rounds - 1)


if __name__ == "__main__":
    main()
