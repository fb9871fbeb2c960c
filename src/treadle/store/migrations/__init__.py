"""Numbered SQL files, applied in order, each in one transaction; the same numbers in `sqlite/` and `postgres/`.

On PostgreSQL servers of two versions use one schema while they are replaced one by one. So a file begins with the
number of the migrations that a server must know to work on the schema after it: `-- works from: 1`. First expand (new
tables, indexes, columns with a default: the number stays), and contract only a release later (the number goes up).
"""

import re
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import apsw

if TYPE_CHECKING:
    import asyncpg

# Any number that nobody else locks: the bytes of "treadle".
_LOCK: Final = int.from_bytes(b"treadle")


class DatabaseTooNew(Exception):
    """The database was written by a later version of Treadle; this one does not know its tables."""


class DatabaseNotMigrated(Exception):
    """The PostgreSQL database has not the tables of this version yet."""


class _Schema(NamedTuple):
    """How many migrations a PostgreSQL database has, and how many a server must know to work on it."""

    applied: int
    works_from: int


def apply(connection: apsw.Connection, path: Path, files: Sequence[tuple[str, str]] | None = None) -> list[str]:
    """Bring the SQLite database at `path` up to date; the names of the files applied. A copy is kept before any change.

    `files` are (name, SQL), those of this version by default.
    """
    files = available("sqlite") if files is None else files
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


async def apply_postgres(
    connection: "asyncpg.Connection[Any]", files: Sequence[tuple[str, str]] | None = None
) -> list[str]:
    """Bring a PostgreSQL database up to date, beside servers that use it; the names of the files applied.

    One at a time: who comes second waits, and finds it done. `files` as in `apply`.
    """
    files = available("postgres") if files is None else files
    # The lock goes with the connection at the latest.
    await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
    await connection.execute(
        "CREATE TABLE IF NOT EXISTS migrations (number BIGINT PRIMARY KEY, name TEXT NOT NULL, "
        "applied_at BIGINT NOT NULL, works_from BIGINT NOT NULL)"
    )
    applied = (await _schema(connection)).applied
    missing = files[applied:]
    for number, (name, sql) in enumerate(missing, applied + 1):
        async with connection.transaction():
            await connection.execute(sql)
            await connection.execute(
                "INSERT INTO migrations VALUES ($1, $2, extract(epoch FROM now())::bigint, $3)",
                number,
                name,
                _works_from(name, sql),
            )
    await connection.execute("SELECT pg_advisory_unlock($1)", _LOCK)
    return [name for name, _sql in missing]


async def require_postgres(
    connection: "asyncpg.Connection[Any]", files: Sequence[tuple[str, str]] | None = None
) -> None:
    """Raises DatabaseNotMigrated or DatabaseTooNew unless a server that knows `files` works on the database."""
    known = len(available("postgres") if files is None else files)
    there = await connection.fetchval("SELECT to_regclass('migrations')")
    schema = await _schema(connection) if there else _Schema(0, 0)
    if schema.applied < known:
        raise DatabaseNotMigrated(
            f"The database is at migration {schema.applied}; this version of treadle needs {known}. "
            "Run `treadle migrate`."
        )
    if schema.works_from > known:
        raise DatabaseTooNew(
            f"The database is at migration {schema.applied}, which needs a treadle that knows {schema.works_from}; "
            f"this version knows {known}. Upgrade treadle."
        )


def available(dialect: str) -> list[tuple[str, str]]:
    """(name, SQL) of every migration, in order; the n-th file's name begins with n in four digits."""
    folder = resources.files(__name__) / dialect
    return sorted(
        (file.name, file.read_text(encoding="utf-8")) for file in folder.iterdir() if file.name.endswith(".sql")
    )


def _keep_copy(connection: apsw.Connection, copy: Path) -> None:
    """With what is still in the write-ahead log. A copy that an attempt before this one left is replaced."""
    copy.unlink(missing_ok=True)
    copy.touch(mode=0o600)
    connection.execute("VACUUM INTO $1", (str(copy),))


async def _schema(connection: "asyncpg.Connection[Any]") -> _Schema:
    row = await connection.fetchrow("SELECT count(*), coalesce(max(works_from), 0) FROM migrations")
    assert row is not None  # noqa: S101 - a count is always a row
    return _Schema(*row)


def _works_from(name: str, sql: str) -> int:
    found = re.match(r"-- works from: (\d+)\n", sql)
    if found is None:
        raise ValueError(f"{name} must begin with a line like '-- works from: 1'.")
    return int(found[1])
