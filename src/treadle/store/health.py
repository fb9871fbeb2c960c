"""What an operator wants to know of a data folder. Looks beside a running server."""

from pathlib import Path

import apsw
from msgspec import Struct

from treadle.store import keys, sqlite
from treadle.store.batch import Statement
from treadle.store.database import DatabaseUnavailable, DataFolderInUse
from treadle.store.keys import Key
from treadle.store.opening import open_database
from treadle.store.runs import ACTIVE


class Health(Struct, frozen=True, kw_only=True):
    """`synchronous` is SQLite's number, 2 for FULL. Of the active runs, `unheld` have work to do and no worker.

    `oldest_unheld_at` is in Unix seconds, null when none waits.
    """

    sqlite_version: str
    journal_mode: str
    synchronous: int
    size_bytes: int
    keys: list[Key]
    active: int
    overdue: int
    unheld: int
    oldest_unheld_at: int | None


def has_database(data_dir: Path) -> bool:
    return (data_dir / sqlite.FILE_NAME).is_file()


def is_served(data_dir: Path) -> bool:
    """Whether a `treadle serve` holds the data folder, which must exist."""
    try:
        sqlite.lock_folder(data_dir).release()
    except DataFolderInUse:
        return True
    return False


async def examine(data_dir: Path, *, now: int) -> Health:
    """Open the database of `data_dir`, look and close it. Raises DatabaseUnavailable, DatabaseTooNew."""
    try:
        database = open_database(data_dir, exclusive=False)
    except (apsw.Error, OSError) as error:
        raise DatabaseUnavailable(f"{data_dir / sqlite.FILE_NAME} cannot be opened: {error}") from error
    try:
        (version,), (journal_mode,), (synchronous,), (active, overdue, unheld, oldest) = [
            *await database.fetch_all(Statement("SELECT sqlite_version()", ())),
            *await database.fetch_all(Statement("PRAGMA journal_mode", ())),
            *await database.fetch_all(Statement("PRAGMA synchronous", ())),
            *await database.fetch_all(_active_runs(now)),
        ]
        return Health(
            sqlite_version=version,
            journal_mode=journal_mode,
            synchronous=synchronous,
            size_bytes=(data_dir / sqlite.FILE_NAME).stat().st_size,
            keys=await keys.list_all(database),
            active=active,
            overdue=overdue,
            unheld=unheld,
            oldest_unheld_at=oldest,
        )
    except (apsw.Error, DatabaseUnavailable) as error:
        raise DatabaseUnavailable(f"{data_dir / sqlite.FILE_NAME}: {error}") from error
    finally:
        await database.close()


def _active_runs(now: int) -> Statement:
    unheld = "lease_owner IS NULL AND status IN ('queued', 'in_progress', 'cancelling')"
    return Statement(
        f"SELECT count(*), count(*) FILTER (WHERE due_at <= $1), count(*) FILTER (WHERE {unheld}), "  # noqa: S608
        f"min(created_at) FILTER (WHERE {unheld}) FROM runs WHERE status IN {ACTIVE}",
        (now,),
    )
