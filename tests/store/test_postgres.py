"""What a PostgreSQL server, the network or another process can do to us. Contract: `store.database.Database`."""

import asyncio
from contextlib import asynccontextmanager

import asyncpg
import pytest

from tests.store.conftest import PROJECT
from tests.support.postgres import PostgresServer
from treadle import store
from treadle.contract.threads import Thread
from treadle.store import Batch, DatabaseUnavailable, Statement, pg_batches
from treadle.store.batch import Entry, Kind
from treadle.store.pg_batches import Functions
from treadle.store.pg_connections import MAX_CONNECTIONS, Connection, Pool, connect

COUNT = Statement("SELECT count(*) FROM threads", ())
OURS = "application_name = 'treadle' AND datname = current_database()"


def adding(*ids):
    batch = Batch()
    for id in ids:
        batch.write(store.threads.insert(Thread(id=id, created_at=1), PROJECT))
    return batch


def counting_up(*ids):
    batch = Batch()
    for id in ids:
        batch.write(Statement("UPDATE threads SET version = version + 1 WHERE id = $1", (id,)))
    return batch


async def versions(database):
    return dict(await database.fetch_all(Statement("SELECT id, version FROM threads", ())))


@pytest.fixture
def database_url(postgres):
    return postgres


@pytest.fixture
async def other(database_url):
    """A connection of somebody else."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def cut(database_url):
    """Cut all connections of ours, and return once they are gone; the number of them."""
    connection = await asyncpg.connect(database_url)

    async def cut_all():
        # Waits for the end of each, for up to ten seconds.
        return await connection.fetchval(
            f"SELECT count(*) FILTER (WHERE pg_terminate_backend(pid, 10000)) FROM pg_stat_activity WHERE {OURS}"
        )

    yield cut_all
    await connection.close()


@pytest.fixture
def wait_for_locks(database_url, until):
    """Return once so many of our connections wait for a lock."""

    async def wait(count):
        connection = await asyncpg.connect(database_url)
        waiting = f"SELECT count(*) FROM pg_stat_activity WHERE {OURS} AND wait_event_type = 'Lock'"

        async def are_waiting():
            return await connection.fetchval(waiting) == count

        await until(are_waiting)
        await connection.close()

    return wait


@asynccontextmanager
async def locked(connection, sql="LOCK TABLE threads IN ACCESS EXCLUSIVE MODE"):
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute(sql)
    yield
    await transaction.rollback()


# The connection.


async def test_a_connection_that_was_cut_while_idle_is_replaced(database, cut):
    await database.commit(adding("thread_1"))

    assert await cut() == 1

    await database.commit(adding("thread_2"))
    assert await database.fetch_one(COUNT) == (2,)


async def test_a_read_whose_connection_is_cut_is_tried_once_more(database, other, cut, wait_for_locks):
    await database.commit(adding("thread_1"))
    async with locked(other):
        reading = asyncio.ensure_future(database.fetch_one(COUNT))
        await wait_for_locks(1)
        await cut()
        await wait_for_locks(1)  # the second try

    assert await reading == (1,)


async def test_a_read_that_is_cut_twice_is_trouble(database, other, cut, wait_for_locks):
    async with locked(other):
        reading = asyncio.ensure_future(database.fetch_one(COUNT))
        for _ in range(2):
            await wait_for_locks(1)
            await cut()

        with pytest.raises(DatabaseUnavailable):
            await reading


@pytest.mark.parametrize("count", [1, 40], ids=["one round trip", "several"])
async def test_of_a_commit_that_is_cut_nobody_knows_the_outcome(database, other, cut, wait_for_locks, count):
    """H-24: a client must not repeat it by itself."""
    ids = [f"thread_{number}" for number in range(count)]
    await database.commit(adding(*ids))
    heard = []
    batch = counting_up(*ids)
    await database.commit(batch)  # its functions are there now
    batch.then(heard.append, "event")
    async with locked(other, "SELECT FROM threads WHERE id = 'thread_0' FOR UPDATE"):
        committing = asyncio.ensure_future(database.commit(batch))
        await wait_for_locks(1)
        await cut()
        if count > 1:
            # The round trip that decides was not reached, so it was tried once more.
            await wait_for_locks(1)
            await cut()

        with pytest.raises(DatabaseUnavailable) as error:
            await committing

    assert error.value.unknown == (count == 1)
    assert heard == []
    assert set((await versions(database)).values()) == {2}


async def test_of_rows_that_were_to_come_back_nobody_knows_when_they_are_cut(database, other, cut, wait_for_locks):
    async with locked(other):
        writing = asyncio.ensure_future(database.fetch_written(Statement("DELETE FROM threads RETURNING id", ())))
        await wait_for_locks(1)
        await cut()

        with pytest.raises(DatabaseUnavailable) as error:
            await writing

    assert error.value.unknown


async def test_a_server_that_is_away_is_trouble_and_all_goes_on_when_it_is_back(data_dir):
    with PostgresServer() as server:
        await store.migrate(server.url)
        database = await store.open_database(data_dir, server.url)
        await asyncio.gather(*(database.commit(adding(f"thread_{number}")) for number in range(40)))

        await asyncio.to_thread(server.stop)
        errors = await asyncio.gather(
            database.commit(adding("thread_lost")),
            database.fetch_one(COUNT),
            store.open_database(data_dir, server.url),
            return_exceptions=True,
        )
        await asyncio.to_thread(server.start)

        assert [(isinstance(error, DatabaseUnavailable), error.unknown) for error in errors] == [(True, False)] * 3
        assert await database.fetch_one(COUNT) == (40,)
        await database.commit(adding("thread_new"))
        await database.close()


async def test_more_callers_than_connections_take_turns(database, other, wait_for_locks):
    async with locked(other):
        reading = [asyncio.ensure_future(database.fetch_one(COUNT)) for _ in range(3 * MAX_CONNECTIONS)]
        await wait_for_locks(MAX_CONNECTIONS)
        opened = await other.fetchval(f"SELECT count(*) FROM pg_stat_activity WHERE {OURS}")

    assert opened == MAX_CONNECTIONS
    assert await asyncio.gather(*reading) == [(0,)] * 3 * MAX_CONNECTIONS


async def test_readers_that_are_cancelled_leave_their_connections_to_others(database, other, wait_for_locks):
    async with locked(other):
        reading = [asyncio.ensure_future(database.fetch_one(COUNT)) for _ in range(2 * MAX_CONNECTIONS)]
        await wait_for_locks(MAX_CONNECTIONS)
        for each in reading:
            each.cancel()
        await asyncio.wait(reading)

    assert await asyncio.gather(*(database.fetch_one(COUNT) for _ in range(2 * MAX_CONNECTIONS)))


async def test_a_statement_that_hangs_is_given_up_and_with_it_every_connection_of_that_time(database_url, other):
    """What swallowed the one has swallowed all."""
    pool = Pool(database_url, command_seconds=0.2)
    ready = asyncio.Barrier(4)

    async def meet(connection):
        await ready.wait()
        return connection

    first = await asyncio.gather(*(pool.run(meet) for _ in range(4)))
    async with locked(other):
        with pytest.raises(DatabaseUnavailable, match="TimeoutError"):
            await pool.run(lambda connection: connection.raw.fetch(COUNT.sql))

    assert await pool.run(lambda connection: connection.raw.fetch(COUNT.sql)) == [(0,)]
    assert all(connection.raw.is_closed() for connection in first)
    await pool.close()


async def test_bulk_work_takes_one_connection_at_a_time(database, other, wait_for_locks):
    await database.commit(adding("thread_1", "thread_2", "thread_3"))
    bulk = [Batch(bulk=True) for _ in range(3)]
    for batch in bulk:
        batch.write(Statement("DELETE FROM threads", ()), rows=None)
    async with locked(other, "SELECT FROM threads FOR UPDATE"):
        clearing = [asyncio.ensure_future(database.commit(batch)) for batch in bulk]
        await wait_for_locks(1)
        await database.commit(adding("thread_4"))
        await wait_for_locks(1)

    await asyncio.gather(*clearing)
    assert await database.fetch_one(COUNT) == (0,)


async def test_a_commit_goes_on_when_its_caller_is_cancelled(database, other, wait_for_locks):
    heard = []
    batch = adding("thread_1")
    batch.then(heard.append, "event")
    async with locked(other):
        committing = asyncio.ensure_future(database.commit(batch))
        await wait_for_locks(1)
        committing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await committing

    await database.commit(Batch())

    assert heard == ["event"]
    assert await database.fetch_one(COUNT) == (1,)


async def test_a_standby_is_no_place_to_write(database, other):
    """After a fail-over; whoever comes next gets a new connection."""
    await database.commit(adding("thread_1"))
    name = await other.fetchval("SELECT current_database()")
    # For connections made from now on.
    await other.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    standby = await store.open_database(None, database._pool._url)

    with pytest.raises(DatabaseUnavailable) as error:
        await standby.commit(adding("thread_2"))
    await other.execute(
        f"SET default_transaction_read_only = off; ALTER DATABASE {name} RESET default_transaction_read_only"
    )
    await standby.commit(adding("thread_3"))

    assert not error.value.unknown
    assert await versions(database) == {"thread_1": 1, "thread_3": 1}
    await standby.close()


async def test_every_commit_waits_for_the_disk_whatever_the_database_says(database_url, other):
    name = await other.fetchval("SELECT current_database()")
    found = []
    for setting in ("off", "local", "remote_apply"):
        await other.execute(f"ALTER DATABASE {name} SET synchronous_commit = {setting}")
        connection = await connect(database_url)
        found.append(await connection.fetchval("SHOW synchronous_commit"))
        await connection.close()

    assert found == ["on", "on", "remote_apply"]


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://nobody@/none?host=/nowhere",
        "postgresql://treadle:secret@127.0.0.1:1/none",
        "postgresql://treadle@127.0.0.1:port/none",
    ],
    ids=["no socket", "no server", "no port"],
)
async def test_a_server_that_cannot_be_reached_is_trouble_without_the_password(data_dir, url):
    with pytest.raises(DatabaseUnavailable) as error:
        await store.open_database(data_dir, url)

    assert "secret" not in str(error.value)


# Statements.


@pytest.mark.parametrize(
    ("batch", "error"),
    [
        (adding("thread_taken"), asyncpg.UniqueViolationError),
        (counting_up("\udcff"), asyncpg.DataError),
        (adding("thread_1", "thread_2", "thread_taken"), asyncpg.UniqueViolationError),
    ],
    ids=["constraint", "surrogate", "constraint behind others"],
)
async def test_a_statement_that_cannot_be_run_fails_its_own_batch_only(database, batch, error):
    await database.commit(adding("thread_taken"))

    outcomes = await asyncio.gather(
        *(database.commit(one) for one in (adding("thread_beside"), batch, adding("thread_behind"))),
        return_exceptions=True,
    )

    assert [type(outcome) for outcome in outcomes] == [type(None), error, type(None)]
    assert set(await versions(database)) == {"thread_behind", "thread_beside", "thread_taken"}


async def test_a_wrong_statement_is_a_bug_and_no_trouble_of_the_database(database):
    wrong = Batch()
    wrong.write(Statement("DELETE FROM nowhere", ()))

    errors = await asyncio.gather(
        database.commit(wrong),
        database.fetch_all(Statement("SELECT nothing FROM nowhere", ())),
        return_exceptions=True,
    )

    assert [type(error) for error in errors] == [asyncpg.UndefinedTableError] * 2
    await database.commit(adding("thread_1"))


async def test_a_deadlock_with_somebody_else_is_tried_again(data_dir, database_url, other, wait_for_locks):
    tries = []
    database = await store.open_database(data_dir, database_url, observe_commit=tries.append)
    await database.commit(adding("thread_1", "thread_2"))
    tries.clear()

    async with locked(other, "UPDATE threads SET version = 10 WHERE id = 'thread_2'"):
        committing = asyncio.ensure_future(database.commit(counting_up("thread_1", "thread_2")))
        await wait_for_locks(1)
        # Now each waits for the other. The one that waited first finds out, and gives way.
        await other.execute("UPDATE threads SET version = 10 WHERE id = 'thread_1'")
    await committing

    assert await versions(database) == {"thread_1": 2, "thread_2": 2}
    assert tries.count("before") > 1
    assert tries[-2:] == ["after", "published"]
    await database.close()


# Functions.


def entries(*statements):
    return [Entry(Kind.WRITE, statement, 1, None) for statement in statements]


async def test_a_batch_is_a_single_statement(database, other):
    await database.commit(adding("thread_1", "thread_2"))

    # The last one that the server was asked, which would be COMMIT behind several.
    last = await other.fetchval(f"SELECT query FROM pg_stat_activity WHERE {OURS}")

    assert last == "SELECT pg_temp.batch_1($1, $2, $3, $4, $5, $6, $7, $8)"


async def test_a_connection_keeps_so_many_functions(database_url):
    functions = Functions(most=2)
    connection = Connection(await connect(database_url))
    there = "SELECT proname FROM pg_proc WHERE proname LIKE 'batch_%' ORDER BY proname"

    for count in (1, 2, 3, 1):
        group = entries(
            *(store.threads.insert(Thread(id=f"t_{count}_{n}", created_at=1), PROJECT) for n in range(count))
        )
        await functions.call_of(connection, pg_batches.shape_of(group))

    assert [name for (name,) in await connection.raw.fetch(there)] == ["batch_3", "batch_4"]
    await connection.raw.close()


@pytest.mark.parametrize(
    ("arguments", "groups"),
    [([], [0]), ([1] * 16, [16]), ([1] * 17, [16, 1]), ([60, 40, 1], [2, 1]), ([60, 41], [1, 1]), ([100, 100], [1, 1])],
)
def test_a_batch_is_split_where_a_function_cannot_take_more(arguments, groups):
    parts = pg_batches.split(entries(*(Statement("", (0,) * count) for count in arguments)))

    assert [len(part) for part in parts] == groups


async def test_the_pool_closes_what_it_opened(database_url, other, until):
    pool = Pool(database_url)
    await asyncio.gather(*(pool.run(lambda connection: connection.raw.fetch("SELECT 1")) for _ in range(40)))

    await pool.close()

    async def is_empty():
        return not await other.fetchval(f"SELECT count(*) FROM pg_stat_activity WHERE {OURS}")

    assert await until(is_empty)
    with pytest.raises(DatabaseUnavailable):
        await pool.run(lambda connection: connection.raw.fetch("SELECT 1"))
