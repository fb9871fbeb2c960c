"""Messages between the processes that share a database. Contract: `store.signals`."""

import asyncio

import asyncpg
import pytest

from tests.support.postgres import PostgresServer
from treadle import store
from treadle.store import DatabaseUnavailable
from treadle.store.signals import MAX_MESSAGE_BYTES

LISTENERS = "FROM pg_stat_activity WHERE application_name = 'treadle signals' AND datname = current_database()"
CUT, THERE = f"SELECT pg_terminate_backend(pid) {LISTENERS}", f"SELECT 1 {LISTENERS}"


@pytest.fixture
def database_url(postgres):
    return postgres


@pytest.fixture
async def beside(data_dir, database_url):
    """The database as another process has it."""
    opened = await store.open_database(data_dir, database_url)
    yield opened
    await opened.close()


class Ear:
    """What was heard, and how often the connection came back."""

    def __init__(self):
        self.heard, self.returns = [], 0

    def hear(self, message):
        self.heard.append(message)

    def came_back(self):
        self.returns += 1


async def test_messages_arrive_in_order_at_their_address_only(database, beside, until):
    one, two = Ear(), Ear()
    await database.signals.listen("Process one", one.hear, reconnected=one.came_back)
    await beside.signals.listen("process-two", two.hear, reconnected=two.came_back)
    messages = [f"{number} ї🙂\n" for number in range(500)]

    await database.signals.send("process-two", messages)
    await beside.signals.send("Process one", ["to one"])
    await beside.signals.send("nobody", ["to nobody"])
    await beside.signals.send("process-two", ["to itself"])

    async def have_arrived():
        return len(one.heard) == 1 and len(two.heard) == 501

    await until(have_arrived)
    assert one.heard == ["to one"]
    assert two.heard == [*messages, "to itself"]
    assert (one.returns, two.returns) == (0, 0)


async def test_a_message_may_be_so_long(database, beside, until):
    ear = Ear()
    longest = "ї" * (MAX_MESSAGE_BYTES // 2) + "x"
    await beside.signals.listen("here", ear.hear, reconnected=ear.came_back)

    with pytest.raises(asyncpg.InvalidParameterValueError):
        await database.signals.send("here", [longest + "x"])
    await database.signals.send("here", [longest])

    async def has_arrived():
        return ear.heard

    assert await until(has_arrived) == [longest]
    assert len(longest.encode()) == MAX_MESSAGE_BYTES


async def test_nothing_to_send_is_nothing_to_do(database):
    await database.signals.send("here", [])


async def test_a_lost_connection_comes_back_and_tells(database, beside, until):
    ear = Ear()
    await beside.signals.listen("here", ear.hear, reconnected=ear.came_back)

    for number in (1, 2):
        await database.fetch_all(store.Statement(CUT, ()))

        async def is_back(number=number):
            return ear.returns == number

        await until(is_back)
        await database.signals.send("here", [f"after cut {number}"])

        async def has_arrived(number=number):
            return len(ear.heard) == number

        await until(has_arrived)

    assert ear.heard == ["after cut 1", "after cut 2"]


async def test_it_comes_back_also_after_the_server_was_away_for_a_while(data_dir, until):
    with PostgresServer() as server:
        await store.migrate(server.url)
        database = await store.open_database(data_dir, server.url)
        ear = Ear()
        await database.signals.listen("here", ear.hear, reconnected=ear.came_back)

        await asyncio.to_thread(server.stop)
        with pytest.raises(DatabaseUnavailable):
            await database.signals.send("here", ["lost"])
        await asyncio.to_thread(server.start)

        async def is_back():
            return ear.returns

        await until(is_back)
        await database.signals.send("here", ["back"])

        async def has_arrived():
            return ear.heard

        assert await until(has_arrived) == ["back"]
        assert ear.returns == 1
        await database.close()


@pytest.mark.parametrize("cuts", [0, 1])
async def test_nothing_is_heard_after_the_end(database, data_dir, database_url, until, cuts):
    listening = await store.open_database(data_dir, database_url)
    ear = Ear()
    await listening.signals.listen("here", ear.hear, reconnected=ear.came_back)

    async def is_back():
        return ear.returns == cuts

    if cuts:
        await database.fetch_all(store.Statement(CUT, ()))
    await until(is_back)
    await listening.close()
    await database.signals.send("here", ["late"])

    async def is_gone():
        return not await database.fetch_all(store.Statement(THERE, ()))

    await until(is_gone)
    assert (ear.heard, ear.returns) == ([], cuts)


async def test_who_cannot_listen_is_told(data_dir, until):
    with PostgresServer() as server:
        await store.migrate(server.url)
        database = await store.open_database(data_dir, server.url)
        await asyncio.to_thread(server.stop)

        with pytest.raises(DatabaseUnavailable):
            await database.signals.listen("here", print, reconnected=print)
        await database.close()


class TestOnSqlite:
    @pytest.fixture
    def database_url(self):
        return None

    async def test_there_is_nobody_to_tell(self, database):
        ear = Ear()
        await database.signals.listen("here", ear.hear, reconnected=ear.came_back)
        await database.signals.send("here", ["message"])
        await database.signals.close()

        assert (database.shared, ear.heard) == (False, [])
