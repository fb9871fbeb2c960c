"""The database as the rest of the store sees it, and the way to open one."""

from collections.abc import Callable
from pathlib import Path
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


def open_database(
    data_dir: Path, *, exclusive: bool = True, observe_commit: CommitObserver | None = None
) -> "Database":
    """Open the embedded database in `data_dir`, creating or migrating it. Must be called on a running event loop.

    `exclusive` takes the data folder's lock, as `serve` does; `keys` and `doctor` open the database beside a server.
    `observe_commit` is called with "before" and "after" around each COMMIT (in the writer's thread) and with
    "published" when its results and events are out (on the event loop); the crash suite kills the process there.
    Raises DataFolderInUse.
    """
    from treadle.store.sqlite import SqliteDatabase  # noqa: PLC0415 - a dialect's driver is loaded when it is used

    return SqliteDatabase(data_dir, exclusive=exclusive, observe_commit=observe_commit)
