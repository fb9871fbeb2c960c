"""How many rows each table of a server's database holds, read beside the running server."""

from pathlib import Path

import apsw
import asyncpg

from treadle.settings import Settings

# What the server writes for itself, with nobody asking.
_OWN = {"migrations", "workers", "sqlite_sequence"}


async def row_counts(settings: Settings) -> dict[str, int]:
    """Table -> rows, of all tables that hold what clients sent."""
    if settings.database is None:
        return _of_sqlite(settings.data_dir)
    return await _of_postgres(settings.database)


def _of_sqlite(data_dir: Path) -> dict[str, int]:
    database = apsw.Connection(str(data_dir / "treadle.db"), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return {table: next(database.execute(_count_of(table)))[0] for table in tables if table not in _OWN}
    finally:
        database.close()


async def _of_postgres(url: str) -> dict[str, int]:
    database = await asyncpg.connect(url)
    try:
        tables = await database.fetch("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
        return {table: await database.fetchval(_count_of(table)) for (table,) in tables if table not in _OWN}
    finally:
        await database.close()


def _count_of(table: str) -> str:
    return f'SELECT count(*) FROM "{table}"'
