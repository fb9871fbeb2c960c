"""What the disk, another process or a bug can do to the database. Contract: `store.database.Database`."""

import asyncio

import apsw
import pytest

from treadle import store
from treadle.store import Batch, DatabaseUnavailable, Statement

PROJECTS = Statement("SELECT name FROM projects ORDER BY name", ())


def adding(name, *, id=None):
    """A batch that adds a project."""
    batch = Batch()
    batch.write(
        Statement("INSERT INTO projects (id, name, created_at) VALUES ($1, $2, $3)", (id or f"proj_{name}", name, 0))
    )
    return batch


async def names(database):
    return [name for (name,) in await database.fetch_all(PROJECTS)]


@pytest.fixture
def data_dir(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def no_room(database):
    """Call it, and the database cannot grow; call what it returns, and it can again."""

    def fill():
        (pages,) = database._writer.execute("PRAGMA page_count").fetchone()
        database._writer.execute(f"PRAGMA max_page_count = {pages}").fetchall()
        return lambda: database._writer.execute("PRAGMA max_page_count = 4294967294").fetchall()

    return fill


async def test_a_full_disk_refuses_writes_answers_reads_and_passes(database, no_room):
    await database.commit(adding("before"))
    free = no_room()

    with pytest.raises(DatabaseUnavailable, match="full"):
        await database.commit(adding("x" * 100_000))
    assert await names(database) == ["before"]
    free()
    await database.commit(adding("later"))

    assert await names(database) == ["before", "later"]


async def test_nothing_of_a_batch_that_found_no_room_is_left_behind(database, no_room):
    no_room()
    batch = adding("small")
    batch.entries += adding("x" * 100_000).entries

    with pytest.raises(DatabaseUnavailable):
        await database.commit(batch)

    assert await names(database) == []


@pytest.mark.parametrize(
    ("batch", "error"),
    [
        (adding("again", id="proj_taken"), apsw.ConstraintError),
        (adding("\udcff"), UnicodeEncodeError),
        (adding("huge", id=2**64), OverflowError),
    ],
    ids=["constraint", "surrogate", "integer"],
)
async def test_a_statement_that_cannot_be_run_fails_its_own_batch_only(database, batch, error):
    await database.commit(adding("first", id="proj_taken"))

    outcomes = await asyncio.gather(
        *(database.commit(one) for one in (adding("beside"), batch, adding("behind"))), return_exceptions=True
    )

    assert [type(outcome) for outcome in outcomes] == [type(None), error, type(None)]
    assert await names(database) == ["behind", "beside", "first"]


async def test_a_database_that_is_closed_takes_and_gives_nothing(data_dir):
    database = store.open_database(data_dir)
    await database.close()

    with pytest.raises(DatabaseUnavailable):
        await database.commit(adding("late"))
    with pytest.raises(DatabaseUnavailable):
        await database.fetch_all(PROJECTS)
    with pytest.raises(DatabaseUnavailable):
        await database.fetch_one(PROJECTS)


async def test_a_wrong_statement_is_a_bug_and_no_trouble_of_the_database(database):
    with pytest.raises(apsw.SQLError):
        await database.fetch_all(Statement("SELECT nothing FROM nowhere", ()))


async def test_the_write_ahead_log_does_not_grow_with_what_is_written(database, data_dir):
    for n in range(100):
        await database.commit(adding(f"{n}" + "x" * 500_000))

    assert (data_dir / "treadle.db").stat().st_size > 50_000_000
    assert (data_dir / "treadle.db-wal").stat().st_size < 20_000_000


async def test_a_reader_that_stays_holds_nobody_up(database, data_dir):
    """A backup, or somebody who looks with another tool."""
    await database.commit(adding("before"))
    visitor = apsw.Connection(str(data_dir / "treadle.db"), flags=apsw.SQLITE_OPEN_READONLY)
    visitor.execute("BEGIN")
    seen = visitor.execute(PROJECTS.sql).fetchall()

    for n in range(200):
        await database.commit(adding(f"{n:03}"))

    assert len(await names(database)) == 201
    assert visitor.execute(PROJECTS.sql).fetchall() == seen
    visitor.close()
