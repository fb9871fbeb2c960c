"""Several real processes of Treadle on one PostgreSQL database, and what a test may do to them."""

import asyncio
import contextlib
import itertools
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from openai import AsyncOpenAI

from tests.support.api import Api, Json
from tests.support.server import KEY

DEADLINE_SECONDS = 20.0
LOOK_SECONDS = 0.01


class Member:
    """One process. `api` and `sdk` are clients of one that serves; `id` is what leases call one that only works."""

    api: Api
    sdk: AsyncOpenAI
    id: str

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self._process, self._log = process, log
        self._clients = contextlib.AsyncExitStack()

    @property
    def told(self) -> str:
        """What it has written to standard error so far."""
        return self._log.read_text()

    async def says(self, pattern: str) -> re.Match[str]:
        """The match, once it has written that; fails when it ends first."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while True:
                has_ended = self._process.returncode is not None
                if found := re.search(pattern, self.told):
                    return found
                assert not has_ended, f"{self.name} ended without saying {pattern!r}: {self.told}"
                await asyncio.sleep(LOOK_SECONDS)

    async def executes(self, run: Json) -> None:
        """Returns when it has brought a leg of the run to its end."""
        await self.says(_leg_of(run))

    def has_executed(self, run: Json) -> bool:
        """Whether it has said that it brought a leg of the run to its end."""
        return re.search(_leg_of(run), self.told) is not None

    async def kill(self) -> None:
        """As when its machine is lost."""
        self._process.kill()
        await self._process.wait()

    def pause(self) -> None:
        """It does nothing and answers nothing until `resume`; its connections stay open."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def ask_to_stop(self) -> None:
        self._process.terminate()

    async def stopped(self) -> int:
        """Its exit code, once it has stopped."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            return await self._process.wait()

    async def ready(self) -> None:
        """Returns when it serves, or works."""
        said = await self.says(r"Treadle serves (?P<url>http://\S+)/v1\n|Treadle worker (?P<id>\S+) works on ")
        if said["url"]:
            self.api = Api(said["url"], KEY)
            self._clients.push_async_callback(self.api.close)
            self.sdk = await self._clients.enter_async_context(
                AsyncOpenAI(base_url=f"{said['url']}/v1", api_key=KEY, max_retries=0)
            )
        else:
            self.id = said["id"]

    async def close(self) -> None:
        await self._clients.aclose()
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()  # a paused one, too
        await self._process.wait()


class Cluster:
    """Starts processes on the database at `url`; all are killed in the end. Their leases last `lease_seconds`."""

    def __init__(self, folder: Path, url: str, upstream_url: str, *, lease_seconds: float) -> None:
        self.url = url
        self.lease_seconds = lease_seconds
        self._folder, self._upstream_url = folder, upstream_url
        self._members: list[Member] = []
        self._numbers = itertools.count()

    async def serve(self, *, work: bool = True, max_runs: int = 1000, upstream_url: str | None = None) -> Member:
        """An API process, which executes runs, too, unless `work` is false."""
        arguments = ["serve", "--port", "0"] + ([] if work else ["--no-worker"])
        return await self._start(arguments, max_runs, upstream_url)

    async def worker(self, *, max_runs: int = 1000, upstream_url: str | None = None) -> Member:
        return await self._start(["worker"], max_runs, upstream_url)

    async def front_and_workers(self, count: int = 1) -> tuple[Member, list[Member]]:
        """An API process that executes nothing, and workers, which it knows from its start on."""
        workers = await asyncio.gather(*(self.worker() for _ in range(count)))
        return await self.serve(work=False), workers

    async def close(self) -> None:
        await asyncio.gather(*(member.close() for member in self._members))
        for member in self._members:
            # Pytest shows it if the test failed.
            print(f"--- {member.name}\n{member.told}")

    async def _start(self, arguments: Sequence[str], max_runs: int, upstream_url: str | None) -> Member:
        number = next(self._numbers)
        folder = self._folder / f"process-{number}"
        folder.mkdir()
        (folder / "treadle.toml").write_text(f"max_runs = {max_runs}\n")
        with (folder / "log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "treadle", *arguments),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=log,
                env=self._environment(folder, upstream_url or self._upstream_url),
                cwd=folder,
            )
        member = Member(f"{number} {' '.join(arguments)}", process, folder / "log")
        self._members.append(member)
        await member.ready()
        return member

    def _environment(self, folder: Path, upstream_url: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("TREADLE_", "OPENAI_"))}
        return {
            **kept,
            "TREADLE_API_KEY": KEY,
            "TREADLE_DATA_DIR": str(folder),
            "TREADLE_DATABASE": self.url,
            "TREADLE_LEASE_SECONDS": str(self.lease_seconds),
            "TREADLE_UPSTREAM_URL": upstream_url,
        }


class Valve:
    """Stands between a process and its model server; while it is shut, the process hears nothing of its answers."""

    def __init__(self, upstream_url: str) -> None:
        target = urlsplit(upstream_url)
        self._target = target.hostname, target.port
        self._is_open = asyncio.Event()
        self._is_open.set()
        self._last_word: bytes | None = None
        self._server: asyncio.Server

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    def shut(self) -> None:
        self._is_open.clear()

    def shut_after(self, word: str) -> None:
        """Shut as soon as the event with this word has passed."""
        self._last_word = word.encode()

    def open(self) -> None:
        self._is_open.set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Valve"]:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        try:
            yield self
        finally:
            self.open()
            self._server.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection(*self._target)
        await asyncio.gather(self._ask(reader, to_server), self._answer(from_server, writer))

    async def _ask(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError), contextlib.closing(target):
            while piece := await source.read(65536):
                target.write(piece)

    async def _answer(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError), contextlib.closing(target):
            while piece := await source.read(65536):
                await self._is_open.wait()
                if self._last_word is not None and (at := piece.find(self._last_word)) >= 0:
                    end = piece.index(b"\n\n", at) + 2
                    target.write(piece[:end])
                    piece = piece[end:]
                    self._last_word = None
                    self._is_open.clear()
                    await self._is_open.wait()
                target.write(piece)


@contextlib.contextmanager
def paused(member: Member) -> Iterator[None]:
    """It does nothing from here to the end of the block."""
    member.pause()
    try:
        yield
    finally:
        member.resume()


def _leg_of(run: Json) -> str:
    return rf'"leg ended".*{run["id"]}'
