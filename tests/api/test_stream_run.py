"""streamRun, our addition: attaching to a run's events at any time. Contract: docs/behaviour.md, rule W-9."""

import asyncio
import random

import pytest

from tests.support import runs
from tests.support.api import Api, Event, Json
from tests.support.server import running
from treadle.upstream.scripted import function_call, say

KYIV = function_call("get_weather", {"city": "Kyiv"})
LONG = "The weather in Kyiv is sunny today, and it will stay so."


def after(id: str | None) -> dict[str, str]:
    return {} if id is None else {"Last-Event-ID": id}


async def attached(api: Api, run: Json, last_event_id: str | None = None) -> list[Event]:
    """All events of an attached stream, to its end."""
    async with (
        asyncio.timeout(15),
        api.stream("GET", f"{runs.path(run)}/stream", headers=after(last_event_id)) as events,
    ):
        return [event async for event in events]


async def followed(api: Api, run: Json, events_wanted: int) -> list[Event]:
    """The first events of an attached stream; then the reader hangs up."""
    async with asyncio.timeout(15), api.stream("GET", f"{runs.path(run)}/stream") as events:
        return [event async for event, _ in zip_async(events, events_wanted)]


async def zip_async(events, count: int):
    """The first `count` events, numbered."""
    for number in range(count):
        yield await anext(events), number


@pytest.fixture
async def writing(api, assistant, thread, upstream) -> Json:
    return await runs.writing(api, thread, assistant, upstream, "It is sunny")


@pytest.fixture
async def waiting(api, assistant, thread, upstream) -> Json:
    upstream.will_say(KYIV)
    run = await runs.ran(api, thread, assistant)
    # A row can be read a moment before its event is told.
    await attached(api, run)
    return run


async def test_every_event_has_an_id_greater_than_the_one_before(api, assistant, thread, upstream):
    upstream.will_say(say(LONG, delay_seconds=0.005))
    run = await runs.begun(api, thread, assistant)

    *events, done = await attached(api, run, last_event_id="0")

    ids = [int(event.id) for event in events if event.id is not None]
    assert done == Event("done", "[DONE]", None)
    assert ids == sorted(set(ids))
    assert events[-1].id is not None


async def test_the_ids_are_those_of_the_original_stream(api, assistant, thread, upstream):
    upstream.will_say(say("Sunny."))
    body, headers = {"assistant_id": assistant["id"]}, {"X-Treadle-Event-Ids": "1"}
    original = await api.events(f"/threads/{thread['id']}/runs", body, headers=headers)

    for cut, event in enumerate(original[:-1]):
        assert await attached(api, original[0].data, event.id) == original[cut + 1 :]


async def test_any_number_of_readers_get_the_same_events(api, assistant, thread, upstream):
    upstream.will_say(say(LONG, chunk_size=2, delay_seconds=0.002))
    body, headers = {"assistant_id": assistant["id"], "stream": True}, {"X-Treadle-Event-Ids": "1"}

    async with api.stream("POST", f"/threads/{thread['id']}/runs", body=body, headers=headers) as original:
        first = await anext(original)
        readers = await asyncio.gather(*(attached(api, first.data, first.id) for _ in range(5)))
        rest = [event async for event in original]

    assert readers == [rest] * 5


@pytest.mark.parametrize("seed", range(5))
async def test_a_reader_that_drops_again_and_again_gets_every_event_once_and_in_order(
    api, assistant, thread, upstream, seed
):
    upstream.will_say(say(LONG, chunk_size=1, delay_seconds=0.002) + KYIV)
    body, headers = {"assistant_id": assistant["id"], "stream": True}, {"X-Treadle-Event-Ids": "1"}
    dice = random.Random(seed)

    async with api.stream("POST", f"/threads/{thread['id']}/runs", body=body, headers=headers) as steady:
        seen = [await anext(steady)]
        while seen[-1].name != "done":
            async with api.stream("GET", f"{runs.path(seen[0].data)}/stream", headers=after(seen[-1].id)) as events:
                for _ in range(dice.randint(1, 12)):
                    seen.append(await anext(events))
                    if seen[-1].name == "done":
                        break
        everything = [seen[0], *[event async for event in steady]]

    assert seen == everything
    assert runs.names(seen)[-2:] == ["r.requires_action", "done"]


async def test_without_an_id_the_stream_begins_with_a_snapshot_of_what_is_unfinished(api, thread, writing):
    seen = await followed(api, writing, 6)

    assert runs.names(seen) == ["r.in_progress", "s.created", "s.in_progress", "m.created", "m.in_progress", "m.delta"]
    run, step, _, message, _, delta = (event.data for event in seen)
    assert run == await api.found(runs.path(writing))
    assert [step] == await runs.steps_of(api, writing)
    assert message == (await runs.messages_of(api, thread))[-1] | {"content": []}
    assert delta["delta"]["content"] == [
        {"index": 0, "type": "text", "text": {"value": "It is sunny", "annotations": []}}
    ]


async def test_a_snapshot_counts_as_one_event_so_that_half_of_it_is_never_taken_for_all(api, writing):
    seen = await followed(api, writing, 6)

    assert [event.id is not None for event in seen] == [False, False, False, False, False, True]


async def test_after_a_snapshot_the_stream_goes_on_live(api, assistant, thread, upstream):
    upstream.will_say(say(LONG, chunk_size=2, delay_seconds=0.01))
    run = await runs.begun(api, thread, assistant)
    await upstream.request(0)

    seen = await attached(api, run)

    text = "".join(
        part["text"]["value"]
        for delta in runs.of_kind(seen, "thread.message.delta")
        for part in delta["delta"]["content"]
    )
    assert text == LONG
    assert runs.names(seen)[-4:] == ["m.completed", "s.completed", "r.completed", "done"]


async def test_an_id_that_is_not_held_gets_a_snapshot(api, writing):
    seen = await followed(api, writing, 1)

    for stale in ("1", "99999999999999999999", "no number"):
        async with api.stream("GET", f"{runs.path(writing)}/stream", headers=after(stale)) as events:
            assert await anext(events) == seen[0]


async def test_a_waiting_run_shows_its_calls_and_the_stream_is_done(api, waiting):
    seen = await attached(api, waiting)

    assert runs.names(seen) == ["r.requires_action", "s.created", "s.in_progress", "s.delta", "done"]
    run, created, _, delta, _ = (event.data for event in seen)
    [step] = await runs.steps_of(api, waiting)
    assert run == waiting
    assert created == {**step, "step_details": {"type": "tool_calls", "tool_calls": []}}
    [call] = delta["delta"]["step_details"]["tool_calls"]
    assert call == {"index": 0, **step["step_details"]["tool_calls"][0]}


async def test_whoever_has_seen_all_of_a_leg_is_told_that_it_is_done(api, waiting):
    seen = await attached(api, waiting)

    assert await attached(api, waiting, seen[-2].id) == [Event("done", "[DONE]", None)]


async def test_after_the_end_of_a_leg_a_reader_goes_on_with_the_next_one(api, waiting, upstream):
    upstream.will_say(say("Sunny."))
    last = (await attached(api, waiting))[-2].id

    await runs.answered(api, waiting)

    seen = await attached(api, waiting, last)
    assert runs.names(seen)[:3] == ["s.completed", "r.queued", "r.in_progress"]
    assert runs.names(seen)[-2:] == ["r.completed", "done"]


async def test_a_run_that_is_over_shows_its_last_event(api, assistant, thread, upstream):
    upstream.will_say(say("Sunny."))
    run = await runs.ran(api, thread, assistant)

    seen = await attached(api, run)

    assert runs.names(seen) == ["r.completed", "done"]
    assert seen[0].data == run


async def test_a_cancel_reaches_those_who_are_attached(api, writing):
    async with api.stream("GET", f"{runs.path(writing)}/stream") as events:
        await anext(events)
        await api.created(f"{runs.path(writing)}/cancel")
        seen = [event async for event in events]

    assert runs.names(seen)[-5:] == ["r.cancelling", "m.incomplete", "s.cancelled", "r.cancelled", "done"]


async def test_whoever_attaches_to_an_overdue_run_sees_it_expired(api, waiting, clock):
    clock.advance(601)

    seen = await attached(api, waiting)

    assert runs.names(seen) == ["r.expired", "done"]


async def test_the_original_stream_and_an_attached_one_end_together(api, assistant, thread, upstream):
    upstream.will_say(say(LONG, chunk_size=2, delay_seconds=0.005))
    body = {"assistant_id": assistant["id"], "stream": True}

    async with api.stream("POST", f"/threads/{thread['id']}/runs", body=body) as original:
        first = await anext(original)
        other = await attached(api, first.data)
        rest = [event async for event in original]

    assert [event.data for event in other[-4:]] == [event.data for event in rest[-4:]]


async def test_ids_go_on_increasing_after_a_restart(settings, clock, upstream):
    upstream.will_say(KYIV, say("Sunny."))
    with running(settings, clock=clock) as server:
        api = Api(server.root, settings.api_key)
        assistant = await api.created("/assistants", {"model": "gpt-4o"})
        waiting = await runs.ran(api, await api.created("/threads"), assistant)
        await attached(api, waiting)  # a row can be read a moment before its event is told
        before = await attached(api, waiting)
        await api.close()

    with running(settings, clock=clock) as server:
        api = Api(server.root, settings.api_key)
        snapshot = await attached(api, waiting, before[-2].id)
        await runs.answered(api, waiting)
        rest = await attached(api, waiting, snapshot[-2].id)
        await api.close()

    assert runs.names(snapshot) == runs.names(before)
    assert runs.names(rest)[-2:] == ["r.completed", "done"]
    ids = [int(event.id) for event in [*before, *snapshot, *rest] if event.id is not None]
    assert ids == sorted(set(ids))


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/threads/thread_0/runs/run_0/stream", 404, "No thread found with id 'thread_0'."),
        ("/threads/{thread_id}/runs/run_0/stream", 404, "No run found with id 'run_0'."),
    ],
)
async def test_e_61_and_e_62_what_is_missing_is_404(api, thread, path, status, message):
    answer = await api.get(path.format(thread_id=thread["id"]))

    assert answer.status == status
    assert answer.error["message"] == message
