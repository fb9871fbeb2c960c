"""Opening a data folder: who may read it, and the copy kept before its tables are changed."""

import asyncio
import os
import threading
from pathlib import Path

import apsw
import pytest

from treadle import store
from treadle.store import migrations, sqlite

FIRST = ("0001_first.sql", "CREATE TABLE notes (text TEXT); INSERT INTO notes VALUES ('old')")
SECOND = ("0002_second.sql", "UPDATE notes SET text = 'new'; CREATE TABLE more (text TEXT)")
BROKEN = ("0002_second.sql", "UPDATE notes SET text = 'new'; CREATE TABLE notes (text TEXT)")


def open_to_others(path: Path) -> bool:
    return path.stat().st_mode & 0o077 != 0


@pytest.fixture
def data_dir(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def database_url():
    return None


@pytest.fixture
def permissive_umask():
    before = os.umask(0)
    yield
    os.umask(before)


# Who may read it, and who may open it.


@pytest.mark.usefixtures("permissive_umask")
async def test_the_files_are_their_owners_only_also_in_a_folder_that_others_can_enter(tmp_path):
    database = await store.open_database(tmp_path)
    await store.keys.project_id(database, "default", now=0)

    files = {path.name for path in tmp_path.iterdir()}
    exposed = {path.name for path in tmp_path.iterdir() if open_to_others(path)}
    await database.close()

    assert {"treadle.db", "treadle.db-wal", "treadle.db-shm"} <= files
    assert not exposed


@pytest.mark.usefixtures("permissive_umask")
async def test_a_new_folder_is_its_owners_only(data_dir, database):
    assert not open_to_others(data_dir)


@pytest.mark.usefixtures("permissive_umask")
async def test_a_backup_is_its_owners_only_from_its_first_byte(database, data_dir, tmp_path):
    """A large copy takes minutes."""
    target, seen, done = tmp_path / "copy.db", set(), threading.Event()

    def watch():
        while not done.is_set():
            if target.exists():
                seen.add(open_to_others(target))

    watcher = threading.Thread(target=watch)
    watcher.start()
    await asyncio.to_thread(sqlite.back_up, data_dir / sqlite.FILE_NAME, target)
    done.set()
    watcher.join()

    assert seen == {False}


async def test_a_backup_replaces_nothing(database, data_dir, tmp_path):
    target = tmp_path / "copy.db"
    target.write_text("precious")

    with pytest.raises(FileExistsError):
        sqlite.back_up(data_dir / sqlite.FILE_NAME, target)

    assert target.read_text() == "precious"


def test_a_new_folder_can_be_opened_by_many_at_once(tmp_path):
    """As by a script that makes a key while the server starts."""
    failures = []

    async def open_and_close(data_dir):
        database = await store.open_database(data_dir, exclusive=False)
        await database.close()

    def take_part(data_dir, start):
        start.wait()
        try:
            asyncio.run(open_and_close(data_dir))
        except Exception as error:
            failures.append(error)

    for attempt in range(10):
        start = threading.Barrier(4)
        threads = [threading.Thread(target=take_part, args=(tmp_path / str(attempt), start)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert not failures


# The copy that is kept before its tables are changed.


@pytest.fixture
def path(tmp_path):
    return tmp_path / "treadle.db"


@pytest.fixture
def connection(path):
    connection = sqlite.connect(path)
    yield connection
    connection.close()


def notes(connection):
    return connection.execute("SELECT text FROM notes").fetchall()


def test_the_copy_before_a_migration_holds_all_also_while_somebody_reads(connection, path):
    """What a reader keeps from being moved out of the write-ahead log is in the copy, too."""
    migrations.apply(connection, path, [FIRST])
    reader = apsw.Connection(str(path))
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM notes").fetchall()
    connection.execute("INSERT INTO notes VALUES ('latest')")

    migrations.apply(connection, path, [FIRST, SECOND])
    reader.close()

    copy = path.with_name("treadle.db.before-0002_second.sql")
    assert notes(apsw.Connection(str(copy))) == [("old",), ("latest",)]
    assert not open_to_others(copy)


def test_a_copy_that_an_attempt_before_left_is_replaced(connection, path):
    migrations.apply(connection, path, [FIRST])
    with pytest.raises(apsw.SQLError):
        migrations.apply(connection, path, [FIRST, BROKEN])
    connection.execute("INSERT INTO notes VALUES ('later')")

    migrations.apply(connection, path, [FIRST, SECOND])

    copy = path.with_name("treadle.db.before-0002_second.sql")
    assert notes(apsw.Connection(str(copy))) == [("old",), ("later",)]
