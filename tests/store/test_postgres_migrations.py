"""How a PostgreSQL database comes to the tables of this version while servers use it, and who may use it then."""

import asyncio

import asyncpg
import pytest

from treadle import store
from treadle.store import Statement, migrations
from treadle.store.migrations import DatabaseNotMigrated, DatabaseTooNew
from treadle.store.sqlite import connect

KNOWN = migrations.available("postgres")
NEXT = len(KNOWN) + 1
EXPANDING = (
    "9001_expand.sql",
    "-- works from: 1\nALTER TABLE projects ADD COLUMN colour TEXT; CREATE TABLE extras (id INT)",
)
CONTRACTING = ("9002_contract.sql", f"-- works from: {NEXT}\nALTER TABLE projects DROP COLUMN name")
BROKEN = ("9002_broken.sql", "-- works from: 1\nCREATE TABLE halves (id INT); INSERT INTO no_such_table VALUES (1)")


@pytest.fixture
def empty_url(databases):
    with databases.database(migrated=False) as url:
        yield url


@pytest.fixture
async def empty(empty_url):
    """A connection to an empty database."""
    connection = await asyncpg.connect(empty_url)
    yield connection
    await connection.close()


async def tables(connection):
    rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
    return {name for (name,) in rows}


def test_both_dialects_have_the_same_migrations():
    assert [name for name, _sql in KNOWN] == [name for name, _sql in migrations.available("sqlite")]


async def test_both_dialects_have_the_same_tables_and_columns(empty, tmp_path):
    await migrations.apply_postgres(empty)
    embedded = connect(tmp_path / "treadle.db")
    migrations.apply(embedded, tmp_path / "treadle.db")

    here = await empty.fetch(
        "SELECT table_name, column_name, is_nullable = 'NO' FROM information_schema.columns "
        "WHERE table_schema = current_schema()"
    )
    there = embedded.execute(
        'SELECT tables.name, columns.name, columns."notnull" OR columns.pk FROM sqlite_schema AS tables, '
        "pragma_table_info(tables.name) AS columns WHERE tables.type = 'table' AND tables.name NOT LIKE 'sqlite%'"
    )

    # What was applied is remembered in each one's own way.
    assert {tuple(row) for row in here if row[0] != "migrations"} == {
        (table, column, bool(required)) for table, column, required in there if table != "migrations"
    }


async def test_a_new_database_gets_every_migration_once(empty_url):
    assert await store.migrate(empty_url) == [name for name, _sql in KNOWN]
    assert await store.migrate(empty_url) == []


async def test_of_many_who_migrate_at_once_one_does_it(empty_url):
    outcomes = await asyncio.gather(*(store.migrate(empty_url) for _ in range(8)))

    assert sorted(map(len, outcomes)) == [0] * 7 + [len(KNOWN)]


async def test_a_migration_that_fails_leaves_nothing_of_itself_and_can_be_tried_again(empty_url, empty):
    connection = await asyncpg.connect(empty_url)
    with pytest.raises(asyncpg.UndefinedTableError):
        await migrations.apply_postgres(connection, [*KNOWN, EXPANDING, BROKEN])
    await connection.close()

    mended = (BROKEN[0], "-- works from: 1\nCREATE TABLE halves (id INT)")
    assert "extras" in await tables(empty)
    assert "halves" not in await tables(empty)
    assert await migrations.apply_postgres(empty, [*KNOWN, EXPANDING, mended]) == ["9002_broken.sql"]


async def test_a_server_does_not_start_before_the_migration(empty_url, empty, data_dir):
    with pytest.raises(DatabaseNotMigrated, match=r"at migration 0.*Run `treadle migrate`"):
        await store.open_database(data_dir, empty_url)
    await migrations.apply_postgres(empty, KNOWN[:1])
    with pytest.raises(DatabaseNotMigrated, match="at migration 1"):
        await store.open_database(data_dir, empty_url)

    assert "runs" in await tables(empty)
    assert await empty.fetchval("SELECT count(*) FROM migrations") == 1


async def test_the_server_before_works_on_while_the_schema_expands_and_not_when_it_contracts(
    empty_url, empty, data_dir
):
    await migrations.apply_postgres(empty)
    running = await store.open_database(data_dir, empty_url)

    await migrations.apply_postgres(empty, [*KNOWN, EXPANDING])
    await store.keys.create(running, "sk-1", name="first", project="default", now=0)
    await (await store.open_database(data_dir, empty_url)).close()
    await migrations.apply_postgres(empty, [*KNOWN, EXPANDING, CONTRACTING])

    with pytest.raises(DatabaseTooNew, match=f"needs a treadle that knows {NEXT}.*Upgrade treadle"):
        await store.open_database(data_dir, empty_url)
    assert await store.migrate(empty_url) == []
    await running.close()


async def test_reads_of_a_table_go_on_when_it_gets_a_column(empty_url, empty, data_dir):
    """A statement that was prepared before is prepared anew."""
    await migrations.apply_postgres(empty)
    running = await store.open_database(data_dir, empty_url)
    everything = Statement("SELECT * FROM projects", ())
    await store.keys.project_id(running, "default", now=0)
    (before,) = await running.fetch_all(everything)

    await migrations.apply_postgres(empty, [*KNOWN, EXPANDING])

    assert await running.fetch_all(everything) == [(*before, None)]
    assert await store.keys.project_id(running, "default", now=0) == before[0]
    await running.close()


async def test_a_file_says_with_which_servers_it_goes_together(empty):
    with pytest.raises(ValueError, match=r"9001_silent\.sql must begin with"):
        await migrations.apply_postgres(empty, [("9001_silent.sql", "CREATE TABLE silent (id INT)")])

    assert "silent" not in await tables(empty)
