"""Opening a database: the one place that knows which dialect it is."""

from pathlib import Path

from treadle.store.database import CommitObserver, Database
from treadle.store.sqlite import SqliteDatabase


async def open_database(
    data_dir: Path, url: str | None = None, *, exclusive: bool = True, observe_commit: CommitObserver | None = None
) -> Database:
    """Open the PostgreSQL database at `url`, or without one the embedded database in `data_dir`.

    The embedded one is made and migrated as need be; `exclusive` takes the data folder's lock, as `serve` does; `keys`
    and `doctor` open it beside a server. PostgreSQL is migrated by `migrate` only.
    `observe_commit` is called with "before" and "after" around each COMMIT (on SQLite in the writer's thread) and with
    "published" when its results and events are out (on the event loop); the crash suite kills the process there.
    Raises DataFolderInUse, DatabaseNotMigrated, DatabaseTooNew, and DatabaseUnavailable for what cannot be used.
    """
    if url is None:
        return SqliteDatabase(data_dir, exclusive=exclusive, observe_commit=observe_commit)
    # Only here: a twentieth of a second, for those who use it.
    from treadle.store.postgres import PostgresDatabase  # noqa: PLC0415

    database = PostgresDatabase(url, observe_commit=observe_commit)
    try:
        await database.require_schema()
    except BaseException:
        await database.close()
        raise
    return database


async def migrate(url: str) -> list[str]:
    """Bring the PostgreSQL database at `url` up to date, also while servers use it; the names of the files applied.

    Raises DatabaseUnavailable.
    """
    from treadle.store import postgres  # noqa: PLC0415

    return await postgres.migrate(url)
