"""The database as the rest of the store sees it; `opening` chooses the dialect."""

from collections.abc import Callable
from typing import Any, Protocol

from treadle.store.batch import Batch, Statement

Row = tuple[Any, ...]
CommitObserver = Callable[[str], None]


class DatabaseUnavailable(Exception):
    """The database could not take the request now (disk full, I/O error, closed). Nothing of it was written."""


class DataFolderInUse(Exception):
    """Another `treadle serve` holds the data folder."""


class Database(Protocol):
    """One database. Reads see every commit whose `commit` has returned (RL-5)."""

    async def fetch_all(self, statement: Statement) -> list[Row]:
        """All rows of a SELECT."""

    async def fetch_one(self, statement: Statement) -> Row | None:
        """The first row of a SELECT, or None."""

    async def commit(self, batch: Batch) -> None:
        """Make `batch` durable, call its `then` functions, return. Raises the error of the first entry that missed."""

    async def close(self) -> None:
        """Finish the commits already asked for and let go of the files."""
