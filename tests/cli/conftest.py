"""The command `treadle` as a process of its own."""

import asyncio
import os
import pty
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

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
