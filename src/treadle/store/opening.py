"""Opening a database: the one place that knows which dialect it is."""

from pathlib import Path

from treadle.store.database import CommitObserver, Database
from treadle.store.sqlite import SqliteDatabase


def open_database(data_dir: Path, *, exclusive: bool = True, observe_commit: CommitObserver | None = None) -> Database:
    """Open the embedded database in `data_dir`, creating or migrating it. Must be called on a running event loop.

    `exclusive` takes the data folder's lock, as `serve` does; `keys` and `doctor` open the database beside a server.
    `observe_commit` is called with "before" and "after" around each COMMIT (in the writer's thread) and with
    "published" when its results and events are out (on the event loop); the crash suite kills the process there.
    Raises DataFolderInUse, DatabaseTooNew, and DatabaseUnavailable for a file that cannot be used.
    """
    return SqliteDatabase(data_dir, exclusive=exclusive, observe_commit=observe_commit)
