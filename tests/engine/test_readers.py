"""Readers at a process that lost their run are sent to the one that has it. Contract: docs/behaviour.md, W-9."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from msgspec.structs import replace

from tests.support import runs
from tests.support.api import Api, Event, Json
from tests.support.server import LiveServer, running
from treadle import store
from treadle.contract.events import EventName
from treadle.contract.runs import RunStatus
from treadle.engine import lifecycle
from treadle.store.batch import Batch, Statement
from treadle.store.runs import RunRow
from treadle.upstream.scripted import fail, hang, say


@pytest.fixture
def database_url(postgres: str) -> str:
    """Only on this database runs go elsewhere."""
    return postgres


@pytest.fixture
def keep_alive_seconds() -> float:
    """So long that no test waits for it, but for the one that says otherwise."""
    return 60.0


@pytest.fixture
def settings(settings, keep_alive_seconds):
    return replace(settings, keep_alive_seconds=keep_alive_seconds)


class Trouble:
    """Lets commits of one server fail while it is `on`."""

    on = False

    def __call__(self, phase: str) -> None:
        if self.on and phase == "before":
            raise store.DatabaseUnavailable("The database is away, says the test.")


@pytest.fixture
def trouble() -> Trouble:
    return Trouble()


@pytest.fixture
def server(settings, clock, trouble) -> Iterator[LiveServer]:
    with running(settings, clock=clock, observe_commit=trouble) as live:
        yield live


@pytest.fixture
def other(settings, clock) -> Iterator[LiveServer]:
    with running(settings, clock=clock) as live:
        yield live


def hand_over(run: Json, other: LiveServer) -> None:
    """What a claim of the other worker does, without a word to the one that had the run."""
    engine = other.engine
    claim = Statement(
        "UPDATE runs SET lease_owner = $1, fence = fence + 1, version = version + 1 WHERE thread_id = $2 AND id = $3 "
        "RETURNING id",
        (engine.process_id, run["thread_id"], run["id"]),
    )
    assert other.call(lambda: engine.database.fetch_written(claim)) == [(run["id"],)]


@asynccontextmanager
async def reading(api: Api, run: Json) -> AsyncIterator[AsyncIterator[Event]]:
    """The events that come after the first, which has been read."""
    async with asyncio.timeout(15), api.stream("GET", f"{runs.path(run)}/stream") as events:
        assert (await anext(events)).name == "thread.run.in_progress"
        yield events


async def last_names(events: AsyncIterator[Event]) -> list[str]:
    return [event.name async for event in events][-2:]


async def is_left(server: LiveServer, run: Json) -> bool:
    """Its task has given it up."""
    return not server.call(lambda: run["id"] in server.engine.worker._tasks)


async def test_of_a_run_that_fails_where_it_no_longer_is(server, other, api, assistant, thread, upstream):
    refused = replace(fail(400), first_delay_seconds=1.0)
    upstream.will_say(refused, say("Sunny."))
    run = await runs.begun(api, thread, assistant)
    await upstream.request(0)

    async with reading(api, run) as events:
        hand_over(run, other)

        assert await last_names(events) == ["thread.run.completed", "done"]


async def test_of_a_run_that_was_left_for_a_later_try(server, other, api, assistant, thread, upstream, trouble, until):
    upstream.will_say(say("It is ...", first_delay_seconds=0.5), say("Sunny."))
    run = await runs.begun(api, thread, assistant)
    await upstream.request(0)

    async with reading(api, run) as events:
        trouble.on = True
        await until(lambda: is_left(server, run))
        hand_over(run, other)
        trouble.on = False

        assert await last_names(events) == ["thread.run.completed", "done"]


@pytest.mark.parametrize("keep_alive_seconds", [0.2])
async def test_of_a_run_whose_loss_is_not_noticed(server, other, api, assistant, thread, upstream):
    upstream.will_say(hang(), say("Sunny."))
    run = await runs.begun(api, thread, assistant)
    await upstream.request(0)

    async with reading(api, run) as events:
        hand_over(run, other)

        assert await last_names(events) == ["thread.run.completed", "done"]


async def test_w_9_a_reader_that_comes_back_just_before_the_end_is_told_misses_nothing(
    server, api, assistant, thread, upstream, until
):
    """The end of a leg is in the row a moment before it is in the feed."""
    run = await runs.writing(api, thread, assistant, upstream, "It is")
    engine = server.engine
    feed = engine.feeds.find(run["id"])
    last_id = server.call(lambda: feed.last_id)

    async def end_untold() -> RunRow:
        row = await store.runs.find(engine.database, run["thread_id"], run["id"])
        batch = Batch()
        ended = lifecycle.move(batch, row, RunStatus.COMPLETED, engine.feeds.apart(row.fence + 1), now=engine.now())
        await engine.database.commit(batch)
        return ended

    ended = server.call(end_untold)
    headers = {"Last-Event-ID": str(last_id)}
    async with asyncio.timeout(15), api.stream("GET", f"{runs.path(run)}/stream", headers=headers) as events:
        await until(lambda: asyncio.sleep(0, result=server.call(lambda: bool(feed._waiting))))
        server.call(lambda: feed.publish_run(EventName.RUN_COMPLETED, ended.run))
        names = [event.name async for event in events]

    assert names == ["thread.run.completed", "done"]
