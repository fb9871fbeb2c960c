"""What servers under test keep their rows in: SQLite in the data folder, or a database on a PostgreSQL of our own.

That server is the one of the tests (`tools/postgres.py`), but as careful as in production: a commit waits for the disk.
`TREADLE_BENCH_DATABASE=postgresql://...` names another to use, with a role that may create databases.
"""

import contextlib
import itertools
import math
import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import asyncpg

from bench import data
from bench.support import processes
from bench.support.processes import Home
from tools.postgres import PostgresServer, open_folder
from treadle import store

VARIABLE: Final = "TREADLE_BENCH_DATABASE"
SQLITE, POSTGRES = "SQLite", "PostgreSQL"

# What must be on is on by default, and said here for the reader. The sizes that come by default are those of a small
# machine of long ago.
OPTIONS: Final = (
    "fsync=on",
    "full_page_writes=on",
    "synchronous_commit=on",
    "shared_buffers=1GB",
    "max_wal_size=4GB",
    "max_connections=200",
)

_numbers = itertools.count(1)


class Postgres:
    """A PostgreSQL server; `pid` is that of its first process, None when it is not ours."""

    def __init__(self, url: str, pid: int | None) -> None:
        self._url, self._pid = url, pid

    @contextlib.asynccontextmanager
    async def database(self) -> AsyncIterator[str]:
        """The URL of a new, migrated database, which is gone at the end of the block."""
        name = f"treadle_bench_{os.getpid()}_{next(_numbers)}"
        url = urlsplit(self._url)._replace(path=f"/{name}").geturl()
        await self._execute(f"CREATE DATABASE {name}")
        try:
            await store.migrate(url)
            yield url
        finally:
            await self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def cpu_seconds(self) -> float:
        """User and system time of all its processes so far; not a number when it is not ours."""
        if self._pid is None:
            return math.nan
        children = Path(f"/proc/{self._pid}/task/{self._pid}/children").read_text().split()
        return sum(map(processes.cpu_seconds, [self._pid, *map(int, children)]))

    async def _execute(self, sql: str) -> None:
        connection = await asyncpg.connect(self._url)
        try:
            await connection.execute(sql)
        finally:
            await connection.close()


@contextlib.asynccontextmanager
async def postgres() -> AsyncIterator[Postgres]:
    """A server to the end of the block, on the clients' core: Treadle has the other to itself."""
    if given := os.environ.get(VARIABLE):
        yield Postgres(given, None)
        return
    processes.pin_to_client_core()
    data.RESULTS.mkdir(exist_ok=True)
    with PostgresServer(OPTIONS, parent=open_folder(data.RESULTS)) as server:
        yield Postgres(server.url, server.pid)


@contextlib.asynccontextmanager
async def home(of: Postgres | None = None) -> AsyncIterator[Home]:
    """An empty data folder on the disk that holds the results; with `of`, an empty database there, too."""
    data.RESULTS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=data.RESULTS, prefix="scratch-") as folder:
        if of is None:
            yield Home(Path(folder))
        else:
            async with of.database() as url:
                yield Home(Path(folder), url)
