"""Readers that come back to a run's stream after the server was killed (W-9)."""

import pytest

from tests.crash.process import MortalServer
from tests.crash.trial import ASSISTANT, asked
from tests.support.api import Event, Json
from treadle.engine.lifecycle import LIFETIME_SECONDS
from treadle.upstream.scripted import function_call, hang, say

TEXT = "It is sunny and warm in Kyiv, and it will be so tomorrow."
IDS = {"X-Treadle-Event-Ids": "1"}


@pytest.fixture
async def thread(mortal: MortalServer) -> Json:
    return await mortal.api.created("/threads", {"messages": [{"role": "user", "content": "What is the weather?"}]})


@pytest.fixture
async def request_body(mortal: MortalServer) -> Json:
    assistant = await mortal.api.created("/assistants", ASSISTANT)
    return {"assistant_id": assistant["id"], "stream": True}


async def read_until(
    server: MortalServer, name: str, method: str, path: str, body: Json, **headers: str
) -> list[Event]:
    """The events up to the first one called `name`; then hang up."""
    heard: list[Event] = []
    async with server.api.stream(method, path, body=body, headers={**IDS, **headers}) as events:
        async for event in events:
            heard.append(event)
            if event.name == name:
                return heard
    raise AssertionError(f"no {name} among {[event.name for event in heard]}")


async def reattach(server: MortalServer, run: Json, last_event_id: str | None, until: str = "done") -> list[Event]:
    headers = {} if last_event_id is None else {"Last-Event-ID": last_event_id}
    return await read_until(
        server, until, "GET", f"/threads/{run['thread_id']}/runs/{run['id']}/stream", None, **headers
    )


def ids(events: list[Event]) -> list[int]:
    return [int(event.id) for event in events if event.id is not None]


def text_of(events: list[Event]) -> str:
    """What a client accumulates from deltas."""
    deltas = [event.data["delta"]["content"] for event in events if event.name == "thread.message.delta"]
    return "".join(block["text"]["value"] for content in deltas for block in content)


async def test_w_9_a_reader_gets_a_snapshot_of_the_redo_and_ids_that_go_on_increasing(
    mortal, upstream, thread, request_body
):
    upstream.will_say(hang(say(TEXT), after_chunks=4), say(TEXT, delay_seconds=0.05))
    before = await read_until(mortal, "thread.message.delta", "POST", f"/threads/{thread['id']}/runs", request_body)
    run = before[0].data

    await mortal.kill()
    await mortal.start()
    first_look = await reattach(mortal, run, before[-1].id, until="thread.message.delta")
    after = await reattach(mortal, run, None)

    # The snapshot: one event with one id, whole or not at all.
    assert [event.name for event in after[:6]] == [
        "thread.run.in_progress",
        "thread.run.step.created",
        "thread.run.step.in_progress",
        "thread.message.created",
        "thread.message.in_progress",
        "thread.message.delta",
    ]
    assert [event.id is not None for event in after[:6]] == [False] * 5 + [True]
    assert [event.name for event in after[-4:]] == [
        "thread.message.completed",
        "thread.run.step.completed",
        "thread.run.completed",
        "done",
    ]
    assert text_of(after) == TEXT
    assert min(ids(first_look)) > max(ids(before))
    assert ids(after) == sorted(set(ids(after)))
    assert min(ids(after)) >= max(ids(first_look))


async def test_w_9_a_reader_that_saw_events_of_this_life_goes_on_behind_them(mortal, upstream, thread, request_body):
    upstream.will_say(hang(say(TEXT), after_chunks=4), say(TEXT, delay_seconds=0.05))
    before = await read_until(mortal, "thread.message.delta", "POST", f"/threads/{thread['id']}/runs", request_body)
    run = before[0].data

    await mortal.kill()
    await mortal.start()
    first = await reattach(mortal, run, before[-1].id, until="thread.message.delta")
    rest = await reattach(mortal, run, first[-1].id)

    assert text_of(first) + text_of(rest) == TEXT
    assert ids(first + rest) == sorted(set(ids(first + rest)))
    assert ids(rest)[0] == ids(first)[-1] + 1


async def test_w_9_a_reader_of_a_waiting_run_is_told_so_in_the_next_life(mortal, upstream, thread, request_body):
    upstream.will_say(function_call("get_weather", {"city": "Kyiv"}))
    before = await read_until(mortal, "done", "POST", f"/threads/{thread['id']}/runs", request_body)

    await mortal.kill()
    await mortal.start()
    after = await reattach(mortal, before[0].data, str(max(ids(before))))

    assert after[0].name == "thread.run.requires_action"
    assert after[-1].name == "done"
    assert min(ids(after)) > max(ids(before))


async def test_w_9_ids_go_on_increasing_when_a_waiting_run_expires_in_one_life_and_is_read_in_the_next(
    mortal, upstream, thread, request_body
):
    upstream.will_say(function_call("get_weather", {"city": "Kyiv"}))
    heard = await read_until(mortal, "done", "POST", f"/threads/{thread['id']}/runs", request_body)
    run = heard[0].data

    await mortal.kill()
    await mortal.start()
    heard += await reattach(mortal, run, str(ids(heard)[-1]))
    mortal.advance(LIFETIME_SECONDS + 1)
    heard += await reattach(mortal, run, str(ids(heard)[-1]))
    await mortal.kill()
    await mortal.start()
    heard += await reattach(mortal, run, str(ids(heard)[-1]))

    assert [event.name for event in heard if event.id is not None][-3:] == [
        "thread.run.step.expired",
        "thread.run.expired",
        "thread.run.expired",
    ]
    assert ids(heard) == sorted(set(ids(heard)))


class TestWithRoomForOneRun:
    @pytest.fixture
    async def mortal(self, tmp_path, upstream, database_url):
        options = ("--max-runs", "1")
        async with MortalServer(tmp_path / "data", upstream.base_url, *options, database_url=database_url) as server:
            yield server

    async def test_w_9_a_reader_of_a_queued_run_misses_nothing_of_it_in_the_next_life(
        self, mortal, upstream, thread, request_body
    ):
        # The last answer takes its time: a reader that comes after the run's end is told of the end only.
        upstream.will_say(hang(), say("It is sunny."), say(TEXT, first_delay_seconds=0.5))
        other = await mortal.api.created("/threads")
        await mortal.api.created(f"/threads/{other['id']}/runs", {**request_body, "stream": False})
        before = await read_until(mortal, "thread.run.queued", "POST", f"/threads/{thread['id']}/runs", request_body)
        await asked(upstream, 0)

        await mortal.kill()
        await mortal.start()
        await asked(upstream, 2)
        after = await reattach(mortal, before[0].data, before[-1].id)

        assert text_of(after) == TEXT
        assert [event.name for event in after[-2:]] == ["thread.run.completed", "done"]
        assert min(ids(after)) > max(ids(before))
