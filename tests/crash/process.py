"""The server under test as its tester sees it: one database, one port, and as many lives as it takes."""

import asyncio
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx2

from tests.support.api import Api
from tests.support.server import KEY
from treadle import store
from treadle.store import Batch, Database

ROOT = Path(__file__).parents[2]
# What a client sees of a server that dies, or has died.
LOST = httpx2.TransportError
DEADLINE_SECONDS = 20.0

Autopsy = Callable[[str, Database], Awaitable[object]]


class MortalServer:
    """Use it as an async context manager. `api` talks to it through all its lives.

    `deaths` are the orders it died by, see `kill_at`. `autopsy`, when set, is called with such an order and the
    database, or a copy of it, after each death, before the next life changes it. `plans` are the orders of the next
    lives; in them the commits of the start count. Its clock is `ahead` by so many seconds, from its next life on.
    """

    def __init__(self, data_dir: Path, upstream_url: str, *options: str, database_url: str | None = None) -> None:
        self.data_dir, self._database_url = data_dir, database_url
        self.deaths: list[str] = []
        self.started_at = 0.0
        self.autopsy: Autopsy | None = None
        self._upstream_url, self._options = upstream_url, list(options)
        if database_url is not None:
            self._options += ["--database", database_url]
        self.ahead, self.plans = 0.0, list[str]()
        self._plan = "never"
        self._port = _Port()
        self._process: asyncio.subprocess.Process
        self._reviving = asyncio.Lock()
        self.api: Api

    async def __aenter__(self) -> Self:
        await self.start()
        self.api = Api(f"http://127.0.0.1:{self._port.number}", KEY)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.api.close()
        self._port.release()
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    @property
    def lives(self) -> int:
        return len(self.deaths) + 1

    @asynccontextmanager
    async def database(self) -> AsyncIterator[Database]:
        """Its database, also beside it."""
        async with _opened(self.data_dir, self._database_url) as database:
            yield database

    async def start(self) -> None:
        """Returns when it listens; if it dies before that, when its next life does."""
        while True:
            self.started_at = time.perf_counter()
            self._plan = self.plans.pop(0) if self.plans else "never"
            command = [str(self.data_dir), self._upstream_url, str(self._port.number), *self._options]
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "tests.crash.server", *command, "--ahead", str(self.ahead), "--kill", self._plan),
                cwd=ROOT,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            if await self._line():
                return
            await self.bury()

    async def kill_at(self, plan: str) -> int:
        """Order the server to die at "before:N", "after:N", "published:N" or "never"; N counts commits from here.

        Returns the number of commits under the order before this one.
        """
        self._plan = plan
        self._order(f"kill {plan}")
        return int(await self._line())

    def advance(self, seconds: float) -> None:
        """Move its clock now, and in the lives to come."""
        self.ahead += seconds
        self._order(f"advance {seconds}")

    async def kill(self) -> None:
        """kill -9, now."""
        self._plan = "now"
        self._process.kill()
        await self.bury()

    async def terminate(self) -> None:
        """SIGTERM, after which it must stop by itself."""
        self._process.terminate()
        async with asyncio.timeout(DEADLINE_SECONDS):
            # uvicorn takes the signal again once everything is shut down.
            assert await self._process.wait() == -signal.SIGTERM

    async def revive(self, life: int) -> None:
        """Start it again, after a client that began its request in `life` lost its connection."""
        async with self._reviving:
            if self.lives == life:
                await self.bury()
                await self.start()

    async def spare(self) -> None:
        """Withdraw the order to die. If that comes too late, the next life begins."""
        life = self.lives
        self._order("kill never")
        if not await self._line():
            await self.revive(life)

    async def tend(self) -> None:
        """Start it again if it has died."""
        if self._process.returncode is not None:
            await self.revive(self.lives)

    async def bury(self) -> None:
        """Wait until it has been killed, as it was ordered to be."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            assert await self._process.wait() == -signal.SIGKILL, "the server was not killed, it stopped"
        self.deaths.append(self._plan)
        if self._database_url is not None:
            async with self.database() as database:
                await self._examine(database)
                # The next life need not wait until the lease of this one is over; other tests do.
                batch = Batch()
                batch.write(store.workers.void_leases(), rows=None)
                await database.commit(batch)
        elif self.autopsy is not None:
            with tempfile.TemporaryDirectory() as copy:
                shutil.copytree(self.data_dir, copy, dirs_exist_ok=True)
                async with _opened(Path(copy), None) as database:
                    await self._examine(database)

    async def _examine(self, database: Database) -> None:
        if self.autopsy is not None:
            await self.autopsy(self._plan, database)

    def _order(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())

    async def _line(self) -> str:
        """What it says next; "" when it has died."""
        assert self._process.stdout is not None
        async with asyncio.timeout(DEADLINE_SECONDS):
            return (await self._process.stdout.readline()).decode()


@asynccontextmanager
async def _opened(data_dir: Path, url: str | None) -> AsyncIterator[Database]:
    database = await store.open_database(data_dir, url, exclusive=False)
    try:
        yield database
    finally:
        await database.close()


class _Port:
    """A free port that nobody else is given while its server is dead."""

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", 0))
        self.number: int = self._socket.getsockname()[1]
        if sys.platform != "linux":
            # Elsewhere a port that is bound cannot be listened on by another socket.
            self.release()

    def release(self) -> None:
        self._socket.close()
