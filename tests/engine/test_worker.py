"""The worker behind the live server: what it takes up, and when. Contract: docs/behaviour.md, RL-3 and R-9."""

import asyncio

import msgspec
import pytest

from tests.support import runs
from tests.support.api import Api, Json
from tests.support.server import LiveServer, running
from treadle import store
from treadle.upstream.scripted import function_call, hang, say

KYIV = function_call("get_weather", {"city": "Kyiv"})


async def row_of(server, run: Json) -> store.runs.RunRow:
    return server.call(lambda: store.runs.find(server.engine.database, run["thread_id"], run["id"]))


async def test_r_9_a_run_that_lost_its_task_is_taken_up_again(server, api, assistant, thread, upstream):
    upstream.will_say(hang(say("It is"), after_chunks=2), say("Sunny."))
    run = await runs.begun(api, thread, assistant)
    await upstream.request(0)

    server.call(lambda: server.engine.worker.stop(run["id"]))

    run = await runs.settled(api, run)
    [step] = await runs.steps_of(api, run)
    assert (run["status"], step["status"]) == ("completed", "completed")
    assert runs.text_of((await runs.messages_of(api, thread))[-1]) == "Sunny."
    assert (await row_of(server, run)).takeovers == 1


async def test_r_9_a_turn_that_is_taken_again_keeps_metadata_that_its_message_was_given(
    server, api, assistant, thread, upstream
):
    run = await runs.writing(api, thread, assistant, upstream, "It is")
    upstream.will_say(say("Sunny."))
    path = f"/threads/{thread['id']}/messages/{(await runs.messages_of(api, thread))[-1]['id']}"
    await api.created(path, {"metadata": {"seen": "yes"}})

    server.call(lambda: server.engine.worker.stop(run["id"]))
    await runs.settled(api, run)

    message = await api.found(path)
    assert (message["status"], runs.text_of(message)) == ("completed", "Sunny.")
    assert message["metadata"] == {"seen": "yes"}


async def test_w_9_a_reader_that_is_attached_sees_a_turn_that_is_taken_again(server, api, assistant, thread, upstream):
    run = await runs.writing(api, thread, assistant, upstream, "It is")
    upstream.will_say(say("Sunny."))

    async with api.stream("GET", f"{runs.path(run)}/stream") as events:
        seen = [await anext(events) for _ in range(6)]
        server.call(lambda: server.engine.worker.stop(run["id"]))
        seen += [event async for event in events]

    assert runs.names(seen)[:6] == [
        "r.in_progress",
        "s.created",
        "s.in_progress",
        "m.created",
        "m.in_progress",
        "m.delta",
    ]
    assert runs.names(seen)[-4:] == ["m.completed", "s.completed", "r.completed", "done"]
    assert runs.text_of(runs.of_kind(seen, "thread.message.completed")[0]) == "Sunny."


async def test_a_stopping_server_waits_for_a_turn_that_is_nearly_done(settings, clock, upstream):
    upstream.will_say(say("Sunny.", first_delay_seconds=0.3))
    server = LiveServer(msgspec.structs.replace(settings, stop_seconds=10.0), clock=clock)
    server.start()
    api = Api(server.root, settings.api_key)
    assistant = await api.created("/assistants", {"model": "gpt-4o"})
    run = await runs.begun(api, await api.created("/threads"), assistant)
    await upstream.request(0)
    await api.close()

    # The model server lives on this loop, which must not be blocked meanwhile.
    await asyncio.to_thread(server.stop)

    with running(settings, clock=clock) as server:
        api = Api(server.root, settings.api_key)
        assert (await api.found(runs.path(run)))["status"] == "completed"
        await api.close()
    assert len(upstream.requests) == 1


async def test_r_9_a_stopped_server_goes_on_with_its_runs_and_does_not_count_that(settings, clock, upstream):
    upstream.will_say(hang(), say("Sunny."))
    with running(settings, clock=clock) as server:
        api = Api(server.root, settings.api_key)
        assistant = await api.created("/assistants", {"model": "gpt-4o"})
        run = await runs.begun(api, await api.created("/threads"), assistant)
        await upstream.request(0)
        await api.close()

    with running(settings, clock=clock) as server:
        api = Api(server.root, settings.api_key)
        assert (await runs.settled(api, run))["status"] == "completed"
        assert (await row_of(server, run)).takeovers == 0
        await api.close()


async def three_hanging_runs(settings, clock, upstream) -> list[Json]:
    """Runs of a server that has stopped since."""
    with running(settings, clock=clock) as server:
        api = Api(server.root, settings.api_key)
        assistant = await api.created("/assistants", {"model": "gpt-4o"})
        begun = [await runs.begun(api, await api.created("/threads"), assistant) for _ in range(3)]
        await upstream.request(2)
        await api.close()
        return begun


async def test_rl_3_the_cap_holds_after_a_restart(settings, clock, upstream):
    upstream.will_say(*[hang()] * 9)
    begun = await three_hanging_runs(settings, clock, upstream)

    with running(msgspec.structs.replace(settings, max_runs=1), clock=clock) as server:
        assert len(server.engine.worker._tasks) == 1
        api = Api(server.root, settings.api_key)
        for run in begun:
            await runs.settled(api, await api.created(f"{runs.path(run)}/cancel"))
        await api.close()


async def test_a_server_without_a_worker_takes_up_nothing(settings, clock, upstream):
    upstream.will_say(*[hang()] * 3)
    begun = await three_hanging_runs(settings, clock, upstream)

    with running(msgspec.structs.replace(settings, work=False), clock=clock) as server:
        api = Api(server.root, settings.api_key)
        assert server.engine.worker._tasks == {}
        assistant = await api.created("/assistants", {"model": "gpt-4o"})
        new = await runs.begun(api, await api.created("/threads"), assistant)
        assert (await api.found(runs.path(new)))["status"] == "queued"
        assert (await api.found(runs.path(begun[0])))["status"] == "in_progress"
        await api.close()
    assert len(upstream.requests) == 3


async def test_r_6_a_server_without_a_worker_still_expires_runs(settings, clock, upstream):
    with running(msgspec.structs.replace(settings, work=False), clock=clock) as server:
        api = Api(server.root, settings.api_key)
        assistant = await api.created("/assistants", {"model": "gpt-4o"})
        run = await runs.begun(api, await api.created("/threads"), assistant)

        clock.advance(601)

        assert (await api.found(runs.path(run)))["status"] == "expired"
        await api.close()


class TestWithRoomForOneRun:
    @pytest.fixture
    def settings(self, settings):
        return msgspec.structs.replace(settings, max_runs=1)

    async def test_rl_3_the_stream_of_a_queued_run_goes_on_when_there_is_room(self, api, assistant, thread, upstream):
        upstream.will_say(hang(), say("Second."))
        first = await runs.begun(api, thread, assistant)
        await upstream.request(0)
        other = await api.created("/threads")
        body = {"assistant_id": assistant["id"], "stream": True}

        async with api.stream("POST", f"/threads/{other['id']}/runs", body=body) as events:
            seen = [await anext(events), await anext(events)]
            await api.created(f"{runs.path(first)}/cancel")
            seen += [event async for event in events]

        assert runs.names(seen)[:4] == ["r.created", "r.queued", "r.in_progress", "s.created"]
        assert runs.names(seen)[-2:] == ["r.completed", "done"]

    async def test_rl_3_an_answered_run_waits_for_its_place_too(self, api, assistant, thread, upstream):
        upstream.will_say(KYIV, hang(), say("Sunny."))
        waiting = await runs.ran(api, thread, assistant)
        second = await runs.begun(api, await api.created("/threads"), assistant)
        await upstream.request(1)

        answered = await api.created(f"{runs.path(waiting)}/submit_tool_outputs", runs.outputs(waiting))
        queued = await api.found(runs.path(waiting))
        await api.created(f"{runs.path(second)}/cancel")

        assert (answered["status"], queued["status"]) == ("queued", "queued")
        assert (await runs.settled(api, queued))["status"] == "completed"
