"""A worker is lost, or stops: its runs go on in another. Contract: docs/behaviour.md, rule R-9."""

import asyncio
import time

import pytest

from tests.processes.talk import all_of, asked, closed, closed_rows, increasing, until_text
from tests.support.api import Event, Json
from tests.support.runs import begun, messages_of, outputs, path, settled, steps_of, text_of
from treadle.upstream.scripted import function_call, hang, say

ANSWER = "It is sunny in Kyiv."
BEGINNING = "It is sunny"
BROKEN_OFF = hang(say(ANSWER, chunk_size=len(BEGINNING)), after_chunks=2)
WHOLE = say(ANSWER, chunk_size=4)
IDS = {"X-Treadle-Event-Ids": "1"}
# What a takeover may take beyond the lease.
SCAN_SECONDS = 2.0


async def test_r_9_another_worker_goes_on_where_the_killed_one_was(cluster, upstream, rows, tally):
    upstream.will_say(say("Let me look. ") + function_call("get_weather", {"city": "Kyiv"}), BROKEN_OFF, WHOLE)
    front, workers = await cluster.front_and_workers(2)
    api = front.api
    thread, assistant = await asked(api)
    run = await settled(api, await begun(api, thread, assistant))
    done_before = await steps_of(api, run)

    events: list[Event] = []
    body = {**outputs(run), "stream": True}
    async with api.stream("POST", f"{path(run)}/submit_tool_outputs", body=body, headers=IDS) as stream:
        events += await until_text(stream, BEGINNING)
        holder = await holder_of(run, workers, rows)
        await holder.kill()
        killed_at = time.perf_counter()
        await upstream.request(2)
        seconds = time.perf_counter() - killed_at
        events += await all_of(stream)

    tally(seconds)
    assert seconds < cluster.lease_seconds + SCAN_SECONDS
    run = await api.found(path(run))
    steps, messages = await steps_of(api, run), await messages_of(api, thread)
    assert run["status"] == "completed"
    assert (await rows.run(run))["takeovers"] == 1
    # What was complete stays as it was; the turn that was lost is there once.
    assert steps[0] == done_before[0]
    assert [step["type"] for step in steps] == ["message_creation", "tool_calls", "message_creation"]
    assert [text_of(message) for message in messages[1:]] == ["Let me look. ", ANSWER]
    # The reader was told of everything that this leg ended, once, and of the end.
    assert closed(events) == (await closed_rows(api, run))[2:]
    assert [event.name for event in events][-2:] == ["thread.run.completed", "done"]
    assert increasing(events)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the whole API is marked so
async def test_the_official_client_sees_a_run_through_a_takeover(cluster, upstream, rows):
    upstream.will_say(BROKEN_OFF, WHOLE)
    front, workers = await cluster.front_and_workers(2)
    thread, assistant = await asked(front.api)

    async with front.sdk.beta.threads.runs.stream(thread_id=thread["id"], assistant_id=assistant["id"]) as stream:
        async for event in stream:
            if event.event == "thread.message.delta" and len(upstream.requests) == 1:
                run = {"thread_id": thread["id"], "id": stream.current_run.id}
                await (await holder_of(run, workers, rows)).kill()
        messages = await stream.get_final_messages()
        run = await stream.get_final_run()

    assert run.status == "completed"
    assert messages[0].content[0].text.value == ANSWER


async def test_a_run_is_taken_over_also_when_its_api_is_its_worker(cluster, upstream, rows):
    upstream.will_say(BROKEN_OFF, WHOLE)
    both, worker, other = await asyncio.gather(cluster.serve(), cluster.worker(), cluster.serve(work=False))
    run = await begun(both.api, *await asked(both.api))

    async with other.api.stream("GET", f"{path(run)}/stream") as stream:
        events = await until_text(stream, BEGINNING)
        await both.kill()
        events += await all_of(stream)

    await worker.executes(run)
    run = await other.api.found(path(run))
    assert closed(events) == await closed_rows(other.api, run)
    assert [event.name for event in events][-2:] == ["thread.run.completed", "done"]
    assert increasing(events)


@pytest.mark.parametrize("lease_seconds", [60.0])
async def test_a_stopping_worker_hands_its_runs_over_without_a_loss(cluster, upstream, rows):
    """It gives running turns some seconds first; then nobody waits for the end of its lease."""
    upstream.will_say(BROKEN_OFF, WHOLE)
    front, workers = await cluster.front_and_workers(2)
    thread, assistant = await asked(front.api)
    body = {"assistant_id": assistant["id"], "stream": True}

    async with front.api.stream("POST", f"/threads/{thread['id']}/runs", body=body) as stream:
        events = await until_text(stream, BEGINNING)
        run = events[0].data
        holder = await holder_of(run, workers, rows)
        holder.ask_to_stop()
        assert await holder.stopped() == 0
        events += await all_of(stream)

    run = await front.api.found(path(run))
    assert run["status"] == "completed"
    assert (await rows.run(run))["takeovers"] == 0
    assert closed(events) == await closed_rows(front.api, run)


async def test_a_queued_run_loses_nothing_with_the_worker_it_was_offered_to(cluster, upstream, rows):
    upstream.will_say(WHOLE)
    front, (worker,) = await cluster.front_and_workers()
    worker.pause()
    run = await begun(front.api, *await asked(front.api))
    await worker.kill()

    await cluster.worker()
    run = await settled(front.api, run)

    assert run["status"] == "completed"
    assert (await rows.run(run))["takeovers"] == 0


@pytest.mark.slow
async def test_r_9_a_turn_that_loses_every_worker_fails_in_the_end(cluster, upstream, rows):
    upstream.will_say(*[BROKEN_OFF] * 4)
    front = await cluster.serve(work=False)
    run = await begun(front.api, *await asked(front.api))

    for attempt in range(4):
        worker = await cluster.worker()
        await upstream.request(attempt)
        await rows.held_by(run, worker.id)
        await worker.kill()
    await cluster.worker()
    run = await settled(front.api, run)

    assert run["status"] == "failed"
    assert run["last_error"]["code"] == "server_error"
    assert run["last_error"]["message"].startswith("The worker was lost 4 times")


async def holder_of(run: Json, workers, rows):
    """The worker that has the run."""
    owner = (await rows.run(run))["lease_owner"]
    return next(worker for worker in workers if worker.id == owner)
