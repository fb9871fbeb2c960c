"""How many rows each table of a data folder holds, read beside the running server."""

from pathlib import Path

import apsw

# What the server writes for itself, with nobody asking.
_OWN = {"migrations", "workers", "sqlite_sequence"}


def row_counts(data_dir: Path) -> dict[str, int]:
    """Table -> rows, of all tables that hold what clients sent."""
    database = apsw.Connection(str(data_dir / "treadle.db"), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return {
            table: next(database.execute(f'SELECT count(*) FROM "{table}"'))[0] for table in tables if table not in _OWN
        }
    finally:
        database.close()
