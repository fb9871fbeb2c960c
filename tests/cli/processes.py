"""Long-running commands as processes of their own."""

import asyncio
import contextlib
import re
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.support.api import Api, Json

KEY = "sk-treadle-the-key-of-this-test-0123456789"


class Started:
    """A running command. `told` is what it has written to standard error so far; `url` is for whoever serves."""

    def __init__(self, process: asyncio.subprocess.Process, reader: asyncio.StreamReader) -> None:
        self.process, self._reader = process, reader
        self.told = ""
        self.url = ""

    async def until_it_says(self, pattern: str) -> re.Match[str]:
        """The match, once it has been written; fails when the process ends first."""
        async with asyncio.timeout(20):
            while not (found := re.search(pattern, self.told)):
                piece = await self._reader.read(65536)
                assert piece, f"it ended without saying {pattern!r}: {self.told}"
                self.told += piece.decode()
        return found

    async def stop(self, number: int = signal.SIGTERM) -> int:
        """Exit code."""
        self.process.send_signal(number)
        async with asyncio.timeout(20):
            while piece := await self._reader.read(65536):
                self.told += piece.decode()
            return await self.process.wait()

    async def ended(self) -> tuple[int, str]:
        """(exit code, what it said) of one that ends by itself, without a word on standard output."""
        async with asyncio.timeout(20):
            out, err = await self.process.communicate()
        assert out == b""
        assert self.process.returncode is not None
        return self.process.returncode, err.decode()


class Starter:
    """Starts commands in `folder`; `kill_all` in the end."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder, self._environment = folder, environment
        self._started: list[asyncio.subprocess.Process] = []

    async def start(self, *arguments: object) -> Started:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "treadle", *map(str, arguments)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self._environment,
            cwd=self._folder,
        )
        self._started.append(process)
        assert process.stderr is not None
        return Started(process, process.stderr)

    async def kill_all(self) -> None:
        for process in self._started:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def ask_for_a_run(api: Api) -> Json:
    assistant = await api.created("/assistants", {"model": "gpt-4o"})
    body = {"assistant_id": assistant["id"], "thread": {"messages": [{"role": "user", "content": "hi"}]}}
    return await api.created("/threads/runs", body)


async def finished(api: Api, run: Json) -> Json:
    """The run, once it is over or waits for us."""
    async with asyncio.timeout(30):
        while run["status"] in ("queued", "in_progress"):
            run = await api.found(f"/threads/{run['thread_id']}/runs/{run['id']}")
    return run
