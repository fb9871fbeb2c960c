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
def database_url():
    return None


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
    database = await store.open_database(data_dir)
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
