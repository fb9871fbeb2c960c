"""What a power failure may not take: a commit is on the disk before anybody hears of it. A test cannot pull the plug,
so it reads the settings that SQLite documents to survive it."""

import apsw

from treadle import store
from treadle.store.sqlite import connect


async def test_a_commit_waits_for_the_disk_on_the_connection_that_writes(tmp_path):
    database = await store.open_database(tmp_path)

    settings = {name: _pragma(database._writer, name) for name in ("synchronous", "journal_mode")}

    await database.close()
    assert settings == {"synchronous": 2, "journal_mode": "wal"}  # 2 is FULL


def test_tools_that_write_beside_the_server_wait_for_the_disk_too(tmp_path):
    connection = connect(tmp_path / "treadle.db")

    assert _pragma(connection, "synchronous") == 2


def _pragma(connection: apsw.Connection, name: str) -> object:
    return next(connection.execute(f"PRAGMA {name}"))[0]
