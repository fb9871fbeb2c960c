"""The writer of the embedded database: batches that wait are committed together, and each stands or falls alone."""

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from treadle import store
from treadle.store import Batch, Database, DatabaseUnavailable, DataFolderInUse, Statement
from treadle.store.batch import MissedRows
from treadle.store.sqlite import SqliteDatabase, connect

COUNT = Statement("SELECT count(*) FROM threads", ())


class Writer:
    """Stops the database's writer right before a COMMIT, and counts these."""

    def __init__(self) -> None:
        self.commits = 0
        self.phases: list[str] = []
        self._reached, self._go_on = threading.Event(), threading.Event()
        self._go_on.set()

    def observe(self, phase: str) -> None:
        self.phases.append(phase)
        if phase == "before":
            self.commits += 1
            self._reached.set()
            assert self._go_on.wait(10)

    def hold(self) -> None:
        self._reached.clear()
        self._go_on.clear()

    def let_go(self) -> None:
        self._go_on.set()

    async def is_before_commit(self) -> None:
        await asyncio.to_thread(self._reached.wait, 10)


@pytest.fixture
def writer() -> Writer:
    return Writer()


@pytest.fixture
async def database(data_dir: Path, writer: Writer) -> AsyncIterator[Database]:
    opened = await store.open_database(data_dir, observe_commit=writer.observe)
    yield opened
    writer.let_go()
    await opened.close()


def a_batch(*statements: Statement, bulk: bool = False) -> Batch:
    batch = Batch(bulk=bulk)
    for statement in statements:
        batch.write(statement)
    return batch


async def committed_together(database: Database, writer: Writer, *batches: Batch) -> list[BaseException | None]:
    """Commit `batches` in one group, behind a first one that is held until all of them wait."""
    writer.hold()
    first = asyncio.ensure_future(database.commit(Batch()))
    await writer.is_before_commit()
    waiting = [asyncio.ensure_future(database.commit(batch)) for batch in batches]
    await asyncio.sleep(0)  # each of them is given to the writer
    writer.let_go()
    await first
    return await asyncio.gather(*waiting, return_exceptions=True)


async def test_nobody_hears_of_a_batch_before_its_commit(database, writer, add_thread, data_dir):
    heard: list[str] = []
    batch = a_batch(add_thread("thread_1"))
    batch.then(heard.append, "event")
    writer.hold()

    committing = asyncio.ensure_future(database.commit(batch))
    await writer.is_before_commit()
    beside = connect(data_dir / "treadle.db")
    seen_before = (committing.done(), list(heard), beside.execute(COUNT.sql).fetchone())
    writer.let_go()
    await committing

    assert seen_before == (False, [], (0,))
    assert (heard, beside.execute(COUNT.sql).fetchone()) == (["event"], (1,))


async def test_an_observer_is_told_of_each_phase(database, writer, add_thread):
    batch = a_batch(add_thread("thread_1"))
    batch.then(writer.phases.append, "event")

    await database.commit(batch)

    assert writer.phases == ["before", "after", "event", "published"]


async def test_batches_that_wait_share_one_commit(database, writer, add_thread):
    outcomes = await committed_together(
        database, writer, *(a_batch(add_thread(f"thread_{number}")) for number in range(20))
    )

    assert outcomes == [None] * 20
    assert writer.commits == 2
    assert await database.fetch_one(COUNT) == (20,)


async def test_a_batch_that_misses_leaves_nothing_and_does_not_harm_its_neighbours(database, writer, add_thread):
    heard: list[str] = []
    missing = Batch()
    missing.write(add_thread("thread_half"))
    missing.write(Statement("DELETE FROM threads WHERE id = $1", ("thread_none",)))
    missing.then(heard.append, "event of the batch that missed")

    outcomes = await committed_together(
        database, writer, a_batch(add_thread("thread_1")), missing, a_batch(add_thread("thread_2"))
    )

    assert [type(outcome) for outcome in outcomes] == [type(None), MissedRows, type(None)]
    assert await database.fetch_all(Statement("SELECT id FROM threads ORDER BY id", ())) == [
        ("thread_1",),
        ("thread_2",),
    ]
    assert heard == []


async def test_a_fault_in_what_follows_a_batch_is_its_callers_alone(database, writer, add_thread):
    faulty = a_batch(add_thread("thread_1"))
    faulty.then(lambda: {}["missing"])

    outcomes = await committed_together(database, writer, faulty, a_batch(add_thread("thread_2")))

    assert isinstance(outcomes[0], KeyError)
    assert outcomes[1] is None
    assert await database.fetch_one(COUNT) == (2,)


async def test_bulk_work_waits_behind_all_others(database, writer, add_thread):
    order: list[str] = []
    bulk, usual = a_batch(add_thread("thread_1"), bulk=True), a_batch(add_thread("thread_2"))
    bulk.then(order.append, "bulk")
    usual.then(order.append, "usual")

    await committed_together(database, writer, bulk, usual)

    assert order == ["usual", "bulk"]


async def test_a_caller_that_is_cancelled_takes_no_batch_back(database, writer, add_thread):
    writer.hold()
    committing = asyncio.ensure_future(database.commit(a_batch(add_thread("thread_1"))))
    await writer.is_before_commit()

    committing.cancel()
    writer.let_go()
    await database.commit(a_batch(add_thread("thread_2")))

    assert committing.cancelled()
    assert await database.fetch_one(COUNT) == (2,)


async def test_closing_finishes_what_was_asked_for_and_takes_no_more(database, writer, add_thread, data_dir):
    writer.hold()
    committing = [asyncio.ensure_future(database.commit(a_batch(add_thread(f"thread_{n}")))) for n in range(3)]
    await writer.is_before_commit()
    closing = asyncio.ensure_future(database.close())
    await asyncio.sleep(0)  # it has begun
    writer.let_go()
    await closing

    assert await asyncio.gather(*committing) == [None, None, None]
    assert connect(data_dir / "treadle.db").execute(COUNT.sql).fetchone() == (3,)
    with pytest.raises(DatabaseUnavailable):
        await database.commit(a_batch(add_thread("thread_4")))


async def test_a_second_server_on_a_data_folder_is_told_so_until_the_first_has_stopped(data_dir):
    first = await store.open_database(data_dir)

    with pytest.raises(DataFolderInUse, match="in use by another treadle serve"):
        await store.open_database(data_dir)
    await first.close()

    await (await store.open_database(data_dir)).close()


@pytest.mark.parametrize(
    "value", ["a\x00b", "\x00", "\u2028 \ufeff \ufffd", "Київ 🙂 \U0010ffff", b"\x00\xff\xfe{}", "", 2**63 - 1]
)
async def test_any_value_comes_back_as_it_went_in(database, value):
    batch = a_batch(Statement("INSERT INTO deleted_threads (id, deleted_at) VALUES ($1, 1)", ("thread_1",)))
    batch.write(
        Statement("INSERT INTO turns (thread_id, run_id, turn, doc) VALUES ('t', 'r', 0, coalesce($1, ''))", (value,))
    )

    await database.commit(batch)

    expected = "" if value is None else value
    assert await database.fetch_one(Statement("SELECT doc FROM turns", ())) == (expected,)


async def test_a_commit_waits_for_the_disk(database: SqliteDatabase):
    settings = {name: database._writer.execute(f"PRAGMA {name}").fetchone() for name in ("synchronous", "journal_mode")}

    assert settings == {"synchronous": (2,), "journal_mode": ("wal",)}  # 2 is FULL


@pytest.mark.parametrize("sql", ["SELECT $2", "SELECT $2, $1", "SELECT $1, $3"])
async def test_arguments_that_sqlite_would_bind_in_another_order_are_refused(database, sql):
    with pytest.raises(ValueError, match="must first appear"):
        await database.fetch_one(Statement(sql, (1, 2, 3)))
