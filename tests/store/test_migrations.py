"""How a database comes to the tables of this version."""

import apsw
import pytest

from treadle import store
from treadle.store import migrations
from treadle.store.migrations import DatabaseTooNew
from treadle.store.sqlite import connect

LATER = ("9001_later.sql", "ALTER TABLE projects ADD COLUMN colour TEXT; CREATE TABLE extras (id INTEGER PRIMARY KEY)")
BROKEN = ("9002_broken.sql", "CREATE TABLE halves (id INTEGER); INSERT INTO no_such_table VALUES (1)")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "treadle.db"


@pytest.fixture
def connection(path):
    opened = connect(path)
    migrations.apply(opened, path)
    opened.execute("INSERT INTO projects VALUES ('proj_1', 'default', 0)")
    yield opened
    opened.close()


def tables(connection: apsw.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}


def test_a_new_database_gets_every_migration_once_and_no_copy(path):
    connection = connect(path)

    first, second = migrations.apply(connection, path), migrations.apply(connection, path)

    assert first == [name for name, _sql in migrations.available("sqlite")]
    assert second == []
    assert list(path.parent.glob("*before*")) == []


def test_the_files_are_numbered_from_one_without_gaps():
    numbers = [int(name[:4]) for name, _sql in migrations.available("sqlite")]

    assert numbers == list(range(1, len(numbers) + 1))


def test_a_database_with_rows_is_copied_before_it_is_changed(connection, path):
    applied = migrations.apply(connection, path, [*migrations.available("sqlite"), LATER])

    copy = connect(path.with_name("treadle.db.before-9001_later.sql"))
    assert applied == ["9001_later.sql"]
    assert connection.execute("SELECT name, colour FROM projects").fetchall() == [("default", None)]
    # The row was in the write-ahead log only.
    assert copy.execute("SELECT * FROM projects").fetchall() == [("proj_1", "default", 0)]
    assert "extras" not in tables(copy)


def test_a_migration_that_fails_leaves_nothing_of_itself_and_can_be_tried_again(connection, path):
    with pytest.raises(apsw.SQLError, match="no_such_table"):
        migrations.apply(connection, path, [*migrations.available("sqlite"), LATER, BROKEN])

    mended = (BROKEN[0], "CREATE TABLE halves (id INTEGER)")
    assert "extras" in tables(connection)
    assert "halves" not in tables(connection)
    assert migrations.apply(connection, path, [*migrations.available("sqlite"), LATER, mended]) == ["9002_broken.sql"]


async def test_a_database_of_a_later_version_is_left_alone(connection, path):
    migrations.apply(connection, path, [*migrations.available("sqlite"), LATER])

    with pytest.raises(DatabaseTooNew, match="Upgrade treadle"):
        await store.open_database(path.parent)

    assert "extras" in tables(connection)
