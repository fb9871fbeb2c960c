"""Streams of runs that another process executes. Contract: docs/behaviour.md, section 7, rule W-9."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack

import httpx2
import pytest

from tests.processes.talk import (
    all_of,
    asked,
    closed,
    closed_rows,
    comparable,
    increasing,
    shown,
    until_event,
    until_text,
)
from tests.support.api import Api, Event, Json
from tests.support.runs import begun, messages_of, outputs, path, settled, text_of
from tests.support.server import KEY, running
from treadle.settings import Settings
from treadle.upstream.scripted import Turn, function_call, hang, say

IDS = {"X-Treadle-Event-Ids": "1"}
CALLS = function_call("get_weather", {"city": "Kyiv"}) + function_call("get_weather", {"city": "Lviv"})
ANSWER = "It is sunny in Kyiv, and it rains in Lviv: 14 °C. Візьміть парасольку ☂️."
MIDDLE = "4 °C"  # a chunk of it
SLOWLY = say(ANSWER, chunk_size=4, delay_seconds=0.02)


async def conversation(first: Api, second: Api) -> list[Event]:
    """The events of a run with a round of calls: asked for through `first`, answered through `second`."""
    thread, assistant = await asked(first)
    events = await first.events(f"/threads/{thread['id']}/runs", {"assistant_id": assistant["id"]})
    run = next(event.data for event in events if event.name == "thread.run.requires_action")
    return events + await second.events(f"{path(run)}/submit_tool_outputs", outputs(run))


def script() -> list[Turn]:
    return [say("Let me look. ") + CALLS, SLOWLY]


async def test_a_relayed_stream_has_the_events_of_a_single_process(cluster, upstream, api):
    upstream.will_say(*script(), *script())
    front, _workers = await cluster.front_and_workers()
    other = await cluster.serve(work=False)

    alone = await conversation(api, api)  # `api` is one process on SQLite
    relayed = await conversation(front.api, other.api)

    assert comparable(relayed) == comparable(alone)
    assert shown(relayed) == f"Let me look. {ANSWER}"


async def test_a_server_that_works_streams_as_a_single_process(cluster, upstream, api):
    upstream.will_say(*script(), *script())
    first, second = await asyncio.gather(cluster.serve(), cluster.serve())

    alone = await conversation(api, api)
    together = await conversation(first.api, second.api)

    assert comparable(together) == comparable(alone)


async def test_w_9_readers_attach_through_any_process(cluster, upstream, valve):
    upstream.will_say(SLOWLY)
    valve.shut_after(ANSWER[:4])
    both = await cluster.serve(upstream_url=valve.url)  # it executes the run
    fronts = await asyncio.gather(cluster.serve(work=False), cluster.serve(work=False))
    run = await begun(both.api, *await asked(both.api))

    async with AsyncExitStack() as stack:
        streams = [
            await stack.enter_async_context(api.stream("GET", f"{path(run)}/stream"))
            for api in [front.api for front in fronts] * 2
        ]
        heard = [await until_event(events, "thread.message.delta") for events in streams]
        valve.open()
        heard = [before + await all_of(events) for before, events in zip(heard, streams, strict=True)]

    for events in heard:
        assert shown(events) == ANSWER
        assert [event.name for event in events][-2:] == ["thread.run.completed", "done"]
        assert closed(events) == await closed_rows(both.api, run)
        assert increasing(events)


async def test_w_9_last_event_id_loses_and_repeats_nothing_across_processes(cluster, upstream, valve):
    upstream.will_say(SLOWLY)
    valve.shut_after(MIDDLE)
    await cluster.worker(upstream_url=valve.url)
    front, other = await asyncio.gather(cluster.serve(work=False), cluster.serve(work=False))
    thread, assistant = await asked(front.api)
    body = {"assistant_id": assistant["id"], "stream": True}

    # One reader stays; the other one leaves after every third event and comes back through the other process.
    async with front.api.stream("POST", f"/threads/{thread['id']}/runs", body=body, headers=IDS) as stream:
        staying = await until_event(stream, "thread.run.step.created")
        run, hopping = staying[0].data, staying[:]
        fronts = itertools.cycle((other.api, front.api))
        while not shown(hopping).endswith(MIDDLE):
            hopping += await some(next(fronts), run, hopping[-1].id, 3)
        async with attached(next(fronts), run, after=hopping[-2].id) as last:
            assert await anext(last) == hopping[-1]
            valve.open()
            hopping += await all_of(last)
        staying += await all_of(stream)

    assert hopping == staying
    assert shown(hopping) == ANSWER
    assert increasing(hopping)


async def test_w_9_whoever_comes_back_after_the_end_gets_the_rest(cluster, upstream):
    """From the process that executed the run, through one that knows nothing of it."""
    upstream.will_say(SLOWLY)
    front, _workers = await cluster.front_and_workers()
    other = await cluster.serve(work=False)
    thread, assistant = await asked(front.api)
    body = {"assistant_id": assistant["id"], "stream": True}

    async with front.api.stream("POST", f"/threads/{thread['id']}/runs", body=body, headers=IDS) as stream:
        staying = await until_event(stream, "thread.message.delta")
        run, returning = staying[0].data, staying[:]
        staying += await all_of(stream)
    async with attached(other.api, run, after=returning[-1].id) as stream:
        returning += await all_of(stream)

    assert returning == staying
    assert shown(returning) == ANSWER


async def test_w_9_a_reader_whose_server_is_killed_goes_on_at_another(cluster, upstream, valve):
    upstream.will_say(SLOWLY)
    valve.shut_after(MIDDLE)
    worker = await cluster.worker(upstream_url=valve.url)
    front, other = await asyncio.gather(cluster.serve(work=False), cluster.serve(work=False))
    thread, assistant = await asked(front.api)
    body = {"assistant_id": assistant["id"], "stream": True}

    async with front.api.stream("POST", f"/threads/{thread['id']}/runs", body=body, headers=IDS) as stream:
        heard = await until_text(stream, ANSWER.partition(MIDDLE)[0] + MIDDLE)
        await front.kill()
        with pytest.raises(httpx2.TransportError):
            await anext(stream)
    run = heard[0].data
    valve.open()
    async with attached(other.api, run, after=heard[-1].id) as stream:
        heard += await all_of(stream)

    assert shown(heard) == ANSWER
    assert closed(heard) == await closed_rows(other.api, run)
    assert increasing(heard)
    await worker.executes(run)


async def test_rl_3_a_server_without_room_streams_what_a_worker_executes(cluster, upstream):
    upstream.will_say(hang(say("Let me think.")), SLOWLY)
    worker = await cluster.worker()
    both = await cluster.serve(max_runs=1)
    await begun(both.api, *await asked(both.api))
    await upstream.request(0)

    thread, assistant = await asked(both.api)
    events = await both.api.events(f"/threads/{thread['id']}/runs", {"assistant_id": assistant["id"]})

    assert shown(events) == ANSWER
    await worker.executes(events[0].data)


async def test_w_9_a_client_that_hangs_up_stops_no_run(cluster, upstream):
    upstream.will_say(SLOWLY)
    front, _workers = await cluster.front_and_workers()
    thread, assistant = await asked(front.api)
    body = {"assistant_id": assistant["id"], "stream": True}

    async with front.api.stream("POST", f"/threads/{thread['id']}/runs", body=body) as events:
        heard = await until_event(events, "thread.message.delta")
    run = await settled(front.api, heard[0].data)

    assert run["status"] == "completed"
    assert text_of((await messages_of(front.api, thread))[-1]) == ANSWER
    assert not (await upstream.request(0)).dropped.is_set()


async def test_events_that_are_larger_than_a_signal_arrive_whole(cluster, upstream):
    text = "Сонячно в Києві ☀️, a warm day 🙂. " * 3_000
    assert len(text.encode()) > 100_000
    upstream.will_say(say(text, chunk_size=5_000))
    front, _workers = await cluster.front_and_workers()
    thread, assistant = await asked(front.api)

    events = await front.api.events(f"/threads/{thread['id']}/runs", {"assistant_id": assistant["id"]})

    (message,) = [event.data for event in events if event.name == "thread.message.completed"]
    assert text_of(message) == shown(events) == text


async def test_w_5_a_stream_is_kept_alive_while_its_run_waits_in_the_queue(upstream, postgres, clock, tmp_path):
    settings = Settings(data_dir=tmp_path, database=postgres, api_key=KEY, work=False, keep_alive_seconds=0.05)
    with running(settings, clock=clock) as server:
        front = Api(server.root, KEY)
        thread, assistant = await asked(front)
        run = await begun(front, thread, assistant)

        async with front.http.stream("GET", f"/v1{path(run)}/stream") as response:
            body = b""
            async for piece in response.aiter_raw():
                body += piece
                if body.count(b": keep-alive\n\n") == 3:
                    break
        await front.close()

    assert body.startswith(b": keep-alive\n\n")


async def test_w_9_whoever_attaches_to_a_run_that_waits_gets_all_its_events(cluster, upstream):
    upstream.will_say(SLOWLY)
    front = await cluster.serve(work=False)
    run = await begun(front.api, *await asked(front.api))

    async with front.api.stream("GET", f"{path(run)}/stream") as events:
        await cluster.worker()
        heard = await all_of(events)

    assert shown(heard) == ANSWER
    assert closed(heard) == await closed_rows(front.api, run)


def attached(api: Api, run: Json, *, after: str | None) -> AbstractAsyncContextManager[AsyncIterator[Event]]:
    """The run's events after one."""
    assert after is not None
    return api.stream("GET", f"{path(run)}/stream", headers={"Last-Event-ID": after})


async def some(api: Api, run: Json, after: str | None, count: int) -> list[Event]:
    """The next events after one, up to `count` of them; fewer when the valve shuts."""
    async with attached(api, run, after=after) as events:
        heard = [await anext(events)]
        while len(heard) < count and not shown(heard).endswith(MIDDLE):
            heard.append(await anext(events))
        return heard
