"""The database as the rest of the store sees it; `opening` chooses the dialect."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from treadle.store.batch import Batch, Statement
from treadle.store.signals import Signals

Row = tuple[Any, ...]
CommitObserver = Callable[[str], None]


class DatabaseUnavailable(Exception):
    """The database could not take the request now (disk full, I/O error, closed, connection lost).

    Nothing of it was written, unless `unknown`: then the connection was lost while the commit was under way, and only
    the rows can tell (H-24).
    """

    def __init__(self, message: str, *, unknown: bool = False) -> None:
        super().__init__(message)
        self.unknown = unknown


class DataFolderInUse(Exception):
    """Another `treadle serve` holds the data folder."""


class Database(Protocol):
    """One database. Reads see every commit whose `commit` has returned (RL-5).

    `shared` says that several processes may use it: leases expire there, and `signals` carries word between them.
    Both dialects have the SQL function `treadle_now()`: the database's own clock, in Unix seconds with a fraction.
    """

    @property
    def shared(self) -> bool: ...

    @property
    def signals(self) -> Signals: ...

    async def fetch_all(self, statement: Statement) -> list[Row]:
        """All rows of a SELECT."""

    async def fetch_one(self, statement: Statement) -> Row | None:
        """The first row of a SELECT, or None."""

    async def fetch_written(self, statement: Statement) -> list[Row]:
        """Run one INSERT, UPDATE or DELETE with RETURNING; durable when it returns."""

    async def commit(self, batch: Batch) -> None:
        """Make `batch` durable, call its `then` functions, return. Raises the error of the first entry that missed.

        It goes on also when the caller is cancelled. Batches that name the same thread follow one another: they are
        published in the order of their commits. An empty batch waits until all begun before it are over.
        """

    async def close(self) -> None:
        """Finish the commits already asked for and let go of the files."""


async def together(database: Database, *reads: Coroutine[Any, Any, Any]) -> list[Any]:
    """The results of reads that do not depend on each other. Raises the error of the first of them that failed.

    At once where each is a round trip, one after another where it is a call. Any: what each of them returns.
    """
    if not database.shared:
        try:
            return [await read for read in reads]
        finally:
            for read in reads:
                read.close()
    results = await asyncio.gather(*reads, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results
