"""What a batch promises on every database. Contract: `store.database.Database` and `store.batch.Batch`."""

import asyncio
import time

import pytest

from tests.store.conftest import PROJECT
from treadle import store
from treadle.contract.threads import Thread
from treadle.store import Batch, DatabaseUnavailable, Statement
from treadle.store.batch import MissedRows

COUNT = Statement("SELECT count(*) FROM threads", ())
IDS = Statement("SELECT id FROM threads ORDER BY id", ())


class Refused(Exception):
    pass


def a_batch(*statements):
    batch = Batch()
    for statement in statements:
        batch.write(statement)
    return batch


async def ids(database):
    return [id for (id,) in await database.fetch_all(IDS)]


def missing(**more):
    """A write that changes no row."""
    return Statement("DELETE FROM threads WHERE id = $1", ("thread_none",))


async def test_a_batch_that_misses_leaves_nothing_and_does_not_harm_its_neighbours(database, add_thread):
    heard = []
    half = a_batch(add_thread("thread_half"), missing())
    half.then(heard.append, "event of the batch that missed")

    outcomes = await asyncio.gather(
        database.commit(a_batch(add_thread("thread_1"))),
        database.commit(half),
        database.commit(a_batch(add_thread("thread_2"))),
        return_exceptions=True,
    )

    assert [type(outcome) for outcome in outcomes] == [type(None), MissedRows, type(None)]
    assert await ids(database) == ["thread_1", "thread_2"]
    assert heard == []


async def test_a_batch_that_misses_with_its_first_write_leaves_nothing(database, add_thread):
    with pytest.raises(MissedRows):
        await database.commit(a_batch(missing(), add_thread("thread_1")))

    assert await ids(database) == []


async def test_a_write_that_changes_too_many_rows_is_undone(database, add_thread):
    await database.commit(a_batch(add_thread("thread_1"), add_thread("thread_2")))

    with pytest.raises(MissedRows):
        await database.commit(a_batch(Statement("DELETE FROM threads", ())))

    assert await ids(database) == ["thread_1", "thread_2"]


async def test_a_write_that_expects_nothing_may_change_any_number_of_rows(database, add_thread):
    await database.commit(a_batch(add_thread("thread_1"), add_thread("thread_2")))
    batch = Batch()
    batch.write(Statement("DELETE FROM threads", ()), rows=None)
    batch.write(Statement("DELETE FROM threads", ()), rows=0)
    batch.write(Statement("DELETE FROM messages", ()), rows=None)

    await database.commit(batch)

    assert await ids(database) == []


async def test_a_write_tells_with_its_own_error_that_it_changed_another_number_of_rows(database, add_thread):
    batch = a_batch(add_thread("thread_1"))
    batch.write(missing(), else_raise=Refused)

    with pytest.raises(Refused):
        await database.commit(batch)

    assert await ids(database) == []


@pytest.mark.parametrize("id", ["thread_1", "thread_2"])
@pytest.mark.parametrize("behind_a_write", [False, True])
async def test_require_goes_on_with_a_row_and_refuse_without_one(database, add_thread, id, behind_a_write):
    await database.commit(a_batch(add_thread("thread_1")))
    present = Statement("SELECT id FROM threads WHERE id = $1", (id,))
    first = [add_thread("thread_first")] if behind_a_write else []

    async def goes_on(check):
        batch = a_batch(*first)
        check(batch)(present, else_raise=Refused)
        batch.write(add_thread("thread_last"))
        batch.write(Statement("DELETE FROM threads WHERE id LIKE $1", ("thread_%st",)), rows=len(first) + 1)
        try:
            await database.commit(batch)
        except Refused:
            return False
        return True

    outcomes = (await goes_on(lambda batch: batch.require), await goes_on(lambda batch: batch.refuse))

    assert outcomes == ((True, False) if id == "thread_1" else (False, True))
    assert await ids(database) == ["thread_1"]


async def test_a_check_sees_what_the_batch_itself_wrote(database, add_thread):
    batch = a_batch(add_thread("thread_1"))
    batch.require(Statement("SELECT 1 FROM threads WHERE id = $1", ("thread_1",)), else_raise=Refused)
    batch.write(Statement("DELETE FROM threads WHERE id = $1", ("thread_1",)))
    batch.refuse(Statement("SELECT 1 FROM threads WHERE id = $1", ("thread_1",)), else_raise=Refused)

    await database.commit(batch)

    assert await ids(database) == []


@pytest.mark.parametrize("behind_a_write", [False, True])
async def test_the_error_of_a_refusal_is_told_the_row(database, add_thread, behind_a_write):
    await database.commit(a_batch(add_thread("thread_1")))
    batch = a_batch(add_thread("thread_2")) if behind_a_write else Batch()
    batch.refuse(Statement("SELECT project_id, version, id FROM threads WHERE id = 'thread_1'", ()), else_raise=Refused)

    with pytest.raises(Refused) as refused:
        await database.commit(batch)

    assert refused.value.args == (PROJECT, 1, "thread_1")


async def test_a_batch_of_any_length_is_all_or_nothing(database, add_thread):
    """Longer than what goes into one round trip on PostgreSQL."""
    many = [add_thread(f"thread_{number}") for number in range(150)]

    with pytest.raises(MissedRows):
        await database.commit(a_batch(*many, missing()))
    nothing = await ids(database)
    batch = a_batch(*many)
    batch.require(COUNT, else_raise=Refused)
    await database.commit(batch)

    assert nothing == []
    assert await database.fetch_one(COUNT) == (150,)


async def test_what_follows_a_batch_comes_in_order_and_before_its_result(database, add_thread):
    heard = []
    batch = a_batch(add_thread("thread_1"))
    for event in ("one", "two", "three"):
        batch.then(heard.append, event)

    await database.commit(batch)

    assert heard == ["one", "two", "three"]


async def test_a_fault_in_what_follows_a_batch_is_its_callers_alone(database, add_thread):
    faulty = a_batch(add_thread("thread_1"))
    faulty.then(lambda: {}["missing"])

    outcomes = await asyncio.gather(
        database.commit(faulty), database.commit(a_batch(add_thread("thread_2"))), return_exceptions=True
    )

    assert isinstance(outcomes[0], KeyError)
    assert outcomes[1] is None
    assert await ids(database) == ["thread_1", "thread_2"]


async def test_batches_for_one_thread_are_published_in_the_order_of_their_commits(database, add_thread):
    heard = []
    await database.commit(a_batch(add_thread("thread_1")))

    async def count_up(number):
        batch = Batch()
        store.threads.lock(batch, PROJECT, "thread_1")
        batch.write(Statement("UPDATE threads SET version = version + 1 WHERE id = $1", ("thread_1",)))
        batch.write(
            Statement(
                "INSERT INTO deleted_threads (id, deleted_at) SELECT $1, version FROM threads WHERE id = $2",
                (str(number), "thread_1"),
            )
        )
        batch.then(heard.append, str(number))
        await database.commit(batch)

    await asyncio.gather(*map(count_up, range(60)))

    committed = await database.fetch_all(Statement("SELECT id FROM deleted_threads ORDER BY deleted_at", ()))
    assert heard == [id for (id,) in committed]
    assert len(heard) == 60


async def test_an_empty_batch_waits_until_all_begun_before_it_are_over(database, add_thread):
    heard = []
    batches = [a_batch(add_thread(f"thread_{number}")) for number in range(30)]
    barrier = Batch()
    for number, batch in enumerate([*batches, barrier]):
        batch.then(heard.append, number)
    begun = [asyncio.ensure_future(database.commit(batch)) for batch in batches]
    await asyncio.sleep(0)  # they are

    await database.commit(barrier)

    assert all(commit.done() for commit in begun)
    assert sorted(heard[:-1]) == list(range(30))
    assert heard[-1] == 30


async def test_a_caller_that_is_cancelled_takes_no_batch_back(database, add_thread):
    heard = []
    batch = a_batch(add_thread("thread_1"))
    batch.then(heard.append, "event")
    committing = asyncio.ensure_future(database.commit(batch))
    await asyncio.sleep(0)  # it is begun

    committing.cancel()
    await database.commit(Batch())

    assert committing.cancelled()
    assert heard == ["event"]
    assert await ids(database) == ["thread_1"]


async def test_closing_finishes_what_was_asked_for_and_takes_no_more(database, database_url, data_dir, add_thread):
    committing = [asyncio.ensure_future(database.commit(a_batch(add_thread(f"thread_{n}")))) for n in range(40)]
    await asyncio.sleep(0)  # they are begun

    await database.close()

    assert await asyncio.gather(*committing) == [None] * 40
    for late in (database.commit(Batch()), database.fetch_all(COUNT), database.fetch_one(COUNT)):
        with pytest.raises(DatabaseUnavailable):
            await late
    again = await store.open_database(data_dir, database_url)
    assert await again.fetch_one(COUNT) == (40,)
    await again.close()


async def test_two_that_use_the_database_see_what_the_other_wrote(database, database_url, data_dir, add_thread):
    beside = await store.open_database(data_dir, database_url, exclusive=False)

    await database.commit(a_batch(add_thread("thread_1")))
    await beside.commit(a_batch(add_thread("thread_2")))

    assert await beside.fetch_one(COUNT) == await database.fetch_one(COUNT) == (2,)
    await beside.close()


async def test_of_many_who_lock_and_then_look_one_gets_through(database, database_url, data_dir, add_thread):
    """As createRun does it (R-8), from two processes: who waited for the lock sees what its holder wrote."""
    beside = await store.open_database(data_dir, database_url, exclusive=False)
    await database.commit(a_batch(add_thread("thread_1")))

    def creating(number):
        batch = Batch()
        store.threads.lock(batch, PROJECT, "thread_1")
        batch.refuse(Statement("SELECT id FROM deleted_threads", ()), else_raise=Refused)
        batch.write(Statement("INSERT INTO deleted_threads (id, deleted_at) VALUES ($1, 0)", (f"run_{number}",)))
        return batch

    outcomes = await asyncio.gather(
        *((database, beside)[number % 2].commit(creating(number)) for number in range(40)), return_exceptions=True
    )

    assert [type(outcome) for outcome in outcomes].count(Refused) == 39
    assert outcomes.count(None) == 1
    await beside.close()


async def test_what_a_statement_wrote_comes_back(database, add_thread):
    await database.commit(a_batch(*(add_thread(f"thread_{number}") for number in range(3))))
    older = Statement("UPDATE threads SET version = $1 WHERE id <> $2 RETURNING id, version", (7, "thread_1"))

    rows = await database.fetch_written(older)

    assert sorted(rows) == [("thread_0", 7), ("thread_2", 7)]
    assert await database.fetch_written(Statement("DELETE FROM threads WHERE version = $1 RETURNING id", (8,))) == []


@pytest.mark.parametrize(
    "document",
    [
        b"a\x00b",
        b"\x00",
        "\u2028 \ufeff \ufffd".encode(),
        "Київ 🙂 \U0010ffff".encode(),
        b"\xff\xfe{}",
        b"",
        b"x" * 300_000,
    ],
    ids=["nul inside", "nul", "separators", "beyond the plane", "no text at all", "nothing", "large"],
)
async def test_a_document_comes_back_as_it_went_in(database, add_thread, document):
    batch = a_batch(add_thread("thread_1"))
    batch.write(Statement("UPDATE threads SET doc = $1 WHERE id = $2", (document, "thread_1")))

    await database.commit(batch)

    assert await database.fetch_one(Statement("SELECT doc FROM threads", ())) == (document,)


@pytest.mark.parametrize("id", ["thread_\x00", "\x00", "thread_" + "x" * 10_000, "' OR true --", "thread_ї🙂"])
async def test_an_id_that_cannot_be_is_not_found(database, id):
    batch = Batch()
    store.threads.lock(batch, PROJECT, id)
    batch.write(store.threads.insert(Thread(id="thread_of_nobody", created_at=1), PROJECT))

    with pytest.raises(store.threads.NotFound):
        await store.threads.get(database, PROJECT, id)
    with pytest.raises(store.threads.NotFound):
        await database.commit(batch)
    assert await ids(database) == []


async def test_numbers_are_whole_and_large(database):
    largest = 2**63 - 1
    await database.commit(
        a_batch(Statement("INSERT INTO deleted_threads (id, deleted_at) VALUES ($1, $2)", ("thread_1", largest)))
    )

    rows = await database.fetch_all(
        Statement("SELECT deleted_at FROM deleted_threads WHERE deleted_at = $1", (largest,))
    )

    assert rows == [(largest,)]


async def test_the_database_has_a_clock_of_its_own(database):
    now = Statement("SELECT treadle_now()", ())

    ((first,), (second,)) = [await database.fetch_one(now) for _ in range(2)]

    assert first <= second
    assert abs(time.time() - first) < 60
    assert first != int(first) or second != int(second)
