"""The command `treadle` as a process of its own."""

import asyncio
import os
import pty
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.cli.processes import KEY, Started, Starter
from tests.support.api import Api
from tests.support.postgres import Databases
from tests.support.told import ToldServer


class Done(NamedTuple):
    """How a process ended. On a terminal `err` is part of `out`."""

    code: int
    out: str
    err: str


Run = Callable[..., Awaitable[Done]]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """That of a user who has set nothing; add to it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TREADLE_", "OPENAI_"))}
    return {**kept, "HOME": str(tmp_path / "home"), "COLUMNS": "200"}


@pytest.fixture
def treadle(environment: dict[str, str], tmp_path: Path) -> Run:
    """`await treadle("call", "listModels")`, in an empty folder with pipes for standard input and outputs."""

    async def run(*arguments: str | Path, stdin: bytes = b"") -> Done:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "treadle", *map(str, arguments)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
            cwd=tmp_path,
        )
        out, err = await process.communicate(stdin)
        assert process.returncode is not None
        return Done(process.returncode, out.decode(), err.decode())

    return run


@pytest.fixture
def on_terminal(environment: dict[str, str], tmp_path: Path) -> Run:
    """As `treadle`, with a terminal for its outputs."""

    async def run(*arguments: str | Path) -> Done:
        ours, its = pty.openpty()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "treadle", *map(str, arguments)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=its,
            stderr=its,
            env={**environment, "TERM": "xterm-256color"},
            cwd=tmp_path,
        )
        os.close(its)
        reading = asyncio.create_task(asyncio.to_thread(_all_of, ours))
        code = await process.wait()
        return Done(code, (await reading).decode(), "")

    return run


def _all_of(terminal: int) -> bytes:
    pieces = []
    try:
        while piece := os.read(terminal, 65536):
            pieces.append(piece)
    except OSError:  # how Linux says that the other side has closed
        pass
    finally:
        os.close(terminal)
    return b"".join(pieces)


@pytest.fixture
def told() -> Iterator[ToldServer]:
    server = ToldServer()
    yield server
    server.stop()


@pytest.fixture
async def start(environment: dict[str, str], tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[Started]]]:
    """`await start("worker", "--database", url)`; all are killed in the end."""
    starter = Starter(tmp_path, environment)
    yield starter.start
    await starter.kill_all()


@pytest.fixture
def serve(
    start: Callable[..., Awaitable[Started]], environment: dict[str, str], tmp_path: Path
) -> Callable[..., Awaitable[Started]]:
    """`await serve("--upstream", url)`, on a free port and the data folder `data`, with KEY."""
    environment["TREADLE_API_KEY"] = KEY

    async def run(*arguments: object, wait: bool = True) -> Started:
        serving = await start("serve", "--data-dir", tmp_path / "data", "--port", 0, *arguments)
        if wait:
            serving.url = (await serving.until_it_says(r"Treadle serves (http://\S+)\n"))[1]
        return serving

    return run


@pytest.fixture
def postgres_empty(databases: Databases) -> Iterator[str]:
    """The URL of a fresh PostgreSQL database without tables."""
    with databases.database(migrated=False) as url:
        yield url


@pytest.fixture
async def client_of() -> AsyncIterator[Callable[..., Api]]:
    """`client_of(serving)`, a checking client."""
    clients: list[Api] = []

    def client(serving: Started, key: str = KEY) -> Api:
        clients.append(Api(serving.url.removesuffix("/v1"), key))
        return clients[-1]

    yield client
    for one in clients:
        await one.close()
