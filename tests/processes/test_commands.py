"""Requests about a run that another process executes. Contract: docs/behaviour.md, sections 4.2 and 5."""

import asyncio

import pytest

from tests.processes.talk import all_of, asked, closed, closed_rows, is_dropped, until_text
from tests.support.api import Api, Json
from tests.support.runs import begun, messages_of, outputs, path, settled, steps_of, text_of, writing
from treadle.upstream.scripted import function_call, hang, say

BEGINNING = "It is sunny"
R_51_SECONDS = 10


async def test_r_50_to_r_53_a_run_is_cancelled_through_any_process_and_keeps_its_text(cluster, upstream):
    front, _workers = await cluster.front_and_workers()
    thread, assistant = await asked(front.api)
    run = await writing(front.api, thread, assistant, upstream, BEGINNING)

    async with front.api.stream("GET", f"{path(run)}/stream") as stream:
        events = await until_text(stream, BEGINNING)
        answer = await front.api.created(f"{path(run)}/cancel")
        events += await all_of(stream)
    run = await settled(front.api, run)

    assert (answer["status"], answer["cancelled_at"]) == ("cancelling", None)
    assert run["status"] == "cancelled"
    await is_cut_short(front.api, run, "cancelled", "run_cancelled")
    assert [event.name for event in events][-2:] == ["thread.run.cancelled", "done"]
    assert closed(events) == await closed_rows(front.api, run)
    await is_dropped(upstream)


@pytest.mark.parametrize("lease_seconds", [60.0])
async def test_r_51_a_run_is_cancelled_also_when_its_worker_is_dead(cluster, upstream):
    """Nobody has to wait for the end of the lease."""
    front, (worker,) = await cluster.front_and_workers()
    run = await writing(front.api, *await asked(front.api), upstream, BEGINNING)
    await has_its_text(front.api, run)
    await worker.kill()

    async with asyncio.timeout(R_51_SECONDS):
        await front.api.created(f"{path(run)}/cancel")
        run = await settled(front.api, run)

    assert run["status"] == "cancelled"
    await is_cut_short(front.api, run, "cancelled", "run_cancelled")


@pytest.mark.parametrize("lease_seconds", [60.0])
async def test_r_51_a_run_is_cancelled_also_when_its_worker_is_paused(cluster, upstream, rows, valve):
    valve.shut_after(BEGINNING)
    worker = await cluster.worker(upstream_url=valve.url)
    front = await cluster.serve(work=False)
    upstream.will_say(hang(say(f"{BEGINNING} and too late.", chunk_size=len(BEGINNING)), after_chunks=3))
    run = await begun(front.api, *await asked(front.api))
    await has_its_text(front.api, run)
    worker.pause()

    async with asyncio.timeout(R_51_SECONDS):
        await front.api.created(f"{path(run)}/cancel")
        run = await settled(front.api, run)

    assert run["status"] == "cancelled"
    await is_cut_short(front.api, run, "cancelled", "run_cancelled")
    before = await rows.all()
    worker.resume()
    valve.open()
    await is_dropped(upstream)
    worker.ask_to_stop()
    await worker.stopped()
    assert await rows.all() == before


async def test_r_51_a_run_that_no_process_executes_is_cancelled_where_it_was_asked_for(cluster, upstream):
    front = await cluster.serve(work=False)
    run = await begun(front.api, *await asked(front.api))

    await front.api.created(f"{path(run)}/cancel")

    assert (await settled(front.api, run))["status"] == "cancelled"
    assert upstream.requests == []


async def test_r_51_a_run_that_waits_for_outputs_is_cancelled_through_another_process(cluster, upstream):
    upstream.will_say(function_call("get_weather", {"city": "Kyiv"}))
    front, _workers = await cluster.front_and_workers()
    other = await cluster.serve(work=False)
    run = await settled(front.api, await begun(front.api, *await asked(front.api)))

    answer = await other.api.created(f"{path(run)}/cancel")
    run = await settled(front.api, answer)

    assert answer["required_action"] is None
    assert run["status"] == "cancelled"
    assert [step["status"] for step in await steps_of(front.api, run)] == ["cancelled"]


async def test_rl_4_of_two_submits_through_two_processes_one_wins(cluster, upstream):
    upstream.will_say(function_call("get_weather", {"city": "Kyiv"}), say("It is sunny."))
    front, _workers = await cluster.front_and_workers()
    other = await cluster.serve(work=False)
    run = await settled(front.api, await begun(front.api, *await asked(front.api)))

    answers = await asyncio.gather(
        *(member.api.post(f"{path(run)}/submit_tool_outputs", outputs(run)) for member in (front, other))
    )

    (won,) = [answer.json for answer in answers if answer.status == 200]
    (lost,) = [answer for answer in answers if answer.status != 200]
    assert lost.status == 400
    assert lost.error["message"].endswith("do not accept tool outputs.")  # E-73
    assert (await settled(front.api, won))["status"] == "completed"
    assert len(upstream.requests) == 2


async def test_r_8_of_two_runs_asked_for_through_two_processes_one_begins(cluster, upstream):
    first, second = await asyncio.gather(cluster.serve(work=False), cluster.serve(work=False))
    thread, assistant = await asked(first.api)
    body = {"assistant_id": assistant["id"]}

    answers = await asyncio.gather(
        *(member.api.post(f"/threads/{thread['id']}/runs", body) for member in (first, second) * 3)
    )

    (run,) = [answer.json for answer in answers if answer.status == 200]
    refusals = {answer.error["message"] for answer in answers if answer.status != 200}
    assert refusals == {f"Thread {thread['id']} already has an active run {run['id']}."}  # E-72


async def test_r_36_and_m_14_metadata_written_through_another_process_are_not_lost(cluster, upstream, valve):
    valve.shut_after(BEGINNING)
    upstream.will_say(say(f"{BEGINNING} in Kyiv.", chunk_size=len(BEGINNING)))
    await cluster.worker(upstream_url=valve.url)
    front = await cluster.serve(work=False)
    thread, assistant = await asked(front.api)
    run = await begun(front.api, thread, assistant)
    await has_its_text(front.api, run)
    message = (await messages_of(front.api, thread))[-1]

    await front.api.created(path(run), {"metadata": {"of": "run"}})
    await front.api.created(f"/threads/{thread['id']}/messages/{message['id']}", {"metadata": {"of": "message"}})
    valve.open()
    run = await settled(front.api, run)

    message = (await messages_of(front.api, thread))[-1]
    assert (run["status"], run["metadata"]) == ("completed", {"of": "run"})
    assert (text_of(message), message["metadata"]) == (f"{BEGINNING} in Kyiv.", {"of": "message"})


async def test_t_7_a_thread_is_deleted_through_any_process_and_its_run_is_cancelled_first(cluster, upstream):
    front, _workers = await cluster.front_and_workers()
    other = await cluster.serve(work=False)
    thread, assistant = await asked(front.api)
    run = await writing(front.api, thread, assistant, upstream, BEGINNING)

    async with front.api.stream("GET", f"{path(run)}/stream") as stream:
        await until_text(stream, BEGINNING)
        answer = await other.api.delete(f"/threads/{thread['id']}")
        events = await all_of(stream)

    assert answer.status == 200
    assert [event.name for event in events][-2:] == ["thread.run.cancelled", "done"]
    assert (await front.api.get(path(run))).status == 404
    await is_dropped(upstream)


async def test_r_6_a_run_that_another_process_executes_expires_when_somebody_looks(cluster, upstream, rows):
    front, _workers = await cluster.front_and_workers()
    run = await writing(front.api, *await asked(front.api), upstream, BEGINNING)
    await has_its_text(front.api, run)

    await rows.make_due(run)
    run = await front.api.found(path(run))

    assert run["status"] == "expired"
    await is_cut_short(front.api, run, "expired", "run_expired")


async def test_r_6_a_run_expires_by_itself_also_when_its_worker_is_paused(cluster, upstream, rows):
    front, (worker,) = await cluster.front_and_workers()
    run = await writing(front.api, *await asked(front.api), upstream, BEGINNING)
    await has_its_text(front.api, run)
    worker.pause()

    await rows.make_due(run)
    await rows.over(run)

    run = await front.api.found(path(run))
    assert run["status"] == "expired"
    await is_cut_short(front.api, run, "expired", "run_expired")


async def has_its_text(api: Api, run: Json) -> None:
    """Returns when the partial text is in the row (M-13): from then on it outlasts its worker."""
    async with asyncio.timeout(10):
        while text_of((await messages_of(api, {"id": run["thread_id"]}))[-1]) != BEGINNING:
            pass


async def is_cut_short(api: Api, run: Json, status: str, reason: str) -> None:
    """R-53, S-10: its step ended with it, and the message that was being written keeps what was said."""
    message = (await messages_of(api, {"id": run["thread_id"]}))[-1]
    assert [step["status"] for step in await steps_of(api, run)] == [status]
    assert (message["status"], message["incomplete_details"]) == ("incomplete", {"reason": reason})
    assert text_of(message) == BEGINNING
