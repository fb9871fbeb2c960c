"""PostgreSQL is down for a while: requests are told to come back, and runs lose nothing and do nothing twice."""

import asyncio
import time
from collections.abc import Iterator

import pytest

from tests.processes.cluster import paused
from tests.processes.rows import Rows
from tests.processes.talk import all_of, asked, closed, closed_rows, shown, until_text
from tests.support.api import Api, Json
from tests.support.postgres import PostgresServer
from tests.support.runs import begun, messages_of, path, settled, steps_of, text_of
from treadle import store
from treadle.upstream.scripted import say

BEGINNING = "It is sunny"
ANSWER = f"{BEGINNING} in Kyiv, and it rains in Lviv."
SPOKEN = say(ANSWER, chunk_size=len(BEGINNING))
AWAY_SECONDS = 3.0
DOWNTIMES = pytest.mark.parametrize(
    "lease_seconds",
    [pytest.param(2.0, id="longer than the lease"), pytest.param(10.0, id="shorter than it", marks=pytest.mark.slow)],
)
# What a request may take that finds no database.
PATIENCE_SECONDS = 5.0


@pytest.fixture
def postgres_server() -> Iterator[PostgresServer]:
    """A server that this test may stop and start."""
    with PostgresServer() as server:
        yield server


@pytest.fixture
async def postgres(postgres_server: PostgresServer) -> str:
    await store.migrate(postgres_server.url)
    return postgres_server.url


@DOWNTIMES
async def test_a_turn_whose_model_is_silent_meanwhile_goes_on(cluster, upstream, postgres_server, valve):
    upstream.will_say(SPOKEN)
    valve.shut_after(BEGINNING)
    worker = await cluster.worker(upstream_url=valve.url)
    front = await cluster.serve(work=False)
    thread, assistant = await asked(front.api)
    body = {"assistant_id": assistant["id"], "stream": True}

    async with front.api.stream("POST", f"/threads/{thread['id']}/runs", body=body) as stream:
        events = await until_text(stream, BEGINNING)
        run = events[0].data
        postgres_server.stop()
        await are_told_to_come_back(front.api, run)
        postgres_server.start()
        await asyncio.gather(*(member.says("signals are back") for member in (front, worker)))
        valve.open()
        events += await all_of(stream)

    assert len(upstream.requests) == 1
    assert shown(events) == ANSWER
    assert closed(events) == await closed_rows(front.api, run)
    await is_whole(front.api, run, postgres_server)


@DOWNTIMES
async def test_a_turn_that_ends_meanwhile_is_taken_again(cluster, upstream, postgres_server, valve):
    upstream.will_say(SPOKEN, SPOKEN)
    valve.shut_after(BEGINNING)
    await cluster.worker(upstream_url=valve.url)
    front = await cluster.serve(work=False)
    thread, assistant = await asked(front.api)
    body = {"assistant_id": assistant["id"], "stream": True}

    async with front.api.stream("POST", f"/threads/{thread['id']}/runs", body=body) as stream:
        events = await until_text(stream, BEGINNING)
        run = events[0].data
        postgres_server.stop()
        valve.open()
        await are_told_to_come_back(front.api, run)
        postgres_server.start()
        events += await all_of(stream)

    assert closed(events) == await closed_rows(front.api, run)
    await is_whole(front.api, run, postgres_server)


async def test_a_worker_that_renews_its_lease_late_keeps_its_runs(cluster, upstream, postgres_server, valve):
    """When the database is back all leases are over, but nobody was lost."""
    upstream.will_say(*[SPOKEN] * 3)
    valve.shut()
    front = await cluster.serve(work=False)
    waiting = await begun(front.api, *await asked(front.api))
    async with Rows.of(postgres_server.url) as rows:
        await rows.put_aside(waiting)
    late = await cluster.worker(upstream_url=valve.url)
    runs = [await begun(front.api, *await asked(front.api)) for _ in range(2)]
    await upstream.request(1)
    early = await cluster.worker(upstream_url=valve.url)

    postgres_server.stop()
    await are_told_to_come_back(front.api, runs[0])
    with paused(late):
        postgres_server.start()
        async with Rows.of(postgres_server.url) as rows:
            await rows.lease_running(early.id)
            # The early one looks for work, and leaves the other's runs alone.
            await rows.put_back(waiting)
            await rows.held_by(waiting, early.id)
            owners = [(await rows.run(run))["lease_owner"] for run in runs]
    async with Rows.of(postgres_server.url) as rows:
        await rows.lease_running(late.id)
    valve.open()

    assert owners == [late.id, late.id]
    for run in (*runs, waiting):
        await settled(front.api, run)
        await is_whole(front.api, run, postgres_server)
    assert len(upstream.requests) == 3


async def are_told_to_come_back(api: Api, run: Json) -> None:
    """Until the database has been away for AWAY_SECONDS, whatever is asked."""
    until = time.monotonic() + AWAY_SECONDS
    thread = f"/threads/{run['thread_id']}"
    while time.monotonic() < until:
        async with asyncio.timeout(PATIENCE_SECONDS):
            answers = [
                await api.get(path(run)),
                await api.get(f"{path(run)}/steps"),
                await api.get("/assistants"),
                await api.get(f"{path(run)}/stream"),
                await api.post("/threads", {}),
                await api.post(f"{thread}/messages", {"role": "user", "content": "hi"}),
                await api.post(f"{thread}/runs", {"assistant_id": run["assistant_id"], "stream": True}),
                await api.post(f"{path(run)}/cancel"),
                await api.delete(thread),
            ]
        assert {(answer.status, answer.headers.get("retry-after")) for answer in answers} == {(503, "1")}


async def is_whole(api: Api, run: Json, server: PostgresServer) -> None:
    """The run completed with one step and one message, and no worker was counted as lost."""
    run = await api.found(path(run))
    messages = await messages_of(api, {"id": run["thread_id"]})
    assert run["status"] == "completed"
    assert [step["status"] for step in await steps_of(api, run)] == ["completed"]
    assert [text_of(message) for message in messages[1:]] == [ANSWER]
    async with Rows.of(server.url) as rows:
        assert (await rows.run(run))["takeovers"] == 0
