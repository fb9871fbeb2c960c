"""Numbered SQL files, applied in order, each in one transaction. `sqlite/` holds the embedded database's."""

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import apsw


class DatabaseTooNew(Exception):
    """The database was written by a later version of Treadle; this one does not know its tables."""


def apply(connection: apsw.Connection, path: Path, files: Sequence[tuple[str, str]] | None = None) -> list[str]:
    """Bring the database at `path` up to date; the names of the files applied. A copy is kept before any change.

    `files` are (name, SQL), those of this version by default.
    """
    files = available() if files is None else files
    connection.execute(
        "CREATE TABLE IF NOT EXISTS migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at INTEGER)"
    )
    applied = len(connection.execute("SELECT number FROM migrations").fetchall())
    if applied > len(files):
        raise DatabaseTooNew(
            f"{path} is at migration {applied}; this version of treadle knows {len(files)}. Upgrade treadle."
        )
    missing = files[applied:]
    if applied and missing:
        _keep_copy(connection, path.with_name(f"{path.name}.before-{missing[0][0]}"))
    for number, (name, sql) in enumerate(missing, applied + 1):
        with connection:
            connection.execute(sql)
            connection.execute("INSERT INTO migrations VALUES ($1, $2, unixepoch())", (number, name))
    return [name for name, _sql in missing]


def available() -> list[tuple[str, str]]:
    """(name, SQL) of every migration, in order; the n-th file's name begins with n in four digits."""
    folder = resources.files(__name__) / "sqlite"
    return sorted(
        (file.name, file.read_text(encoding="utf-8")) for file in folder.iterdir() if file.name.endswith(".sql")
    )


def _keep_copy(connection: apsw.Connection, copy: Path) -> None:
    """With what is still in the write-ahead log. A copy that an attempt before this one left is replaced."""
    copy.unlink(missing_ok=True)
    copy.touch(mode=0o600)
    connection.execute("VACUUM INTO $1", (str(copy),))
