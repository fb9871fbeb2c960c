"""A worker that was paused for longer than its lease: another has its runs, and it can change nothing any more."""

import asyncio

from tests.processes.cluster import Valve, paused
from tests.processes.talk import all_of, asked, closed, closed_rows, is_dropped, said, shown, until_text
from tests.support.runs import begun, messages_of, path, settled, text_of
from treadle.upstream.scripted import hang, say

BEGINNING = "It is sunny"
# What the paused worker heard of its model server; the other one gets another answer.
STALE = say(f"{BEGINNING} and it is much too late.", chunk_size=len(BEGINNING))
ANSWER = f"{BEGINNING} in Kyiv."
WHOLE = say(ANSWER, chunk_size=4)
LOST_RUN = "run taken by another worker"


async def test_a_paused_worker_that_resumes_in_the_middle_of_its_stream_changes_nothing(cluster, upstream, rows, valve):
    upstream.will_say(STALE, WHOLE)
    valve.shut_after(BEGINNING)
    front, worker = await asyncio.gather(cluster.serve(work=False), cluster.worker(upstream_url=valve.url))
    thread, assistant = await asked(front.api)
    run = await begun(front.api, thread, assistant)

    async with front.api.stream("GET", f"{path(run)}/stream") as stream:
        events = await until_text(stream, BEGINNING)
        with paused(worker):
            other = await cluster.worker()
            events += await all_of(stream)
            before = await rows.all()

    # It goes on where it was: its model server speaks, and its lease runs again.
    await rows.lease_running(worker.id)
    valve.open()
    await worker.says(LOST_RUN)

    await other.executes(run)
    assert await rows.all() == before
    assert [text_of(message) for message in (await messages_of(front.api, thread))[1:]] == [ANSWER]
    assert closed(events) == await closed_rows(front.api, run)
    assert "too late" not in shown(events)


async def test_a_reader_follows_the_other_worker_while_the_paused_one_comes_back(cluster, upstream, rows, valve):
    upstream.will_say(STALE, WHOLE)
    valve.shut_after(BEGINNING)
    front, worker = await asyncio.gather(cluster.serve(work=False), cluster.worker(upstream_url=valve.url))
    thread, assistant = await asked(front.api)
    body = {"assistant_id": assistant["id"], "stream": True}

    async with (
        Valve(upstream.base_url).running() as other_valve,
        front.api.stream("POST", f"/threads/{thread['id']}/runs", body=body) as stream,
    ):
        events = await until_text(stream, BEGINNING)
        run = events[0].data
        with paused(worker):
            other_valve.shut_after("in K")
            await cluster.worker(upstream_url=other_valve.url)
            while said(events) != f"{BEGINNING} in K":
                events.append(await anext(stream))
        await rows.lease_running(worker.id)
        valve.open()
        await worker.says(LOST_RUN)
        other_valve.open()
        events += await all_of(stream)

    assert said(events) == ANSWER
    assert "too late" not in shown(events)
    assert closed(events) == await closed_rows(front.api, run)
    assert (await rows.run(run))["takeovers"] == 1


async def test_a_paused_worker_that_resumes_before_it_heard_anything_changes_nothing(cluster, upstream, rows, valve):
    upstream.will_say(STALE, WHOLE)
    valve.shut()
    front, worker = await asyncio.gather(cluster.serve(work=False), cluster.worker(upstream_url=valve.url))
    run = await begun(front.api, *await asked(front.api))
    await upstream.request(0)

    with paused(worker):
        other = await cluster.worker()
        await settled(front.api, run)
        before = await rows.all()
    await rows.lease_running(worker.id)
    valve.open()
    await worker.says(LOST_RUN)

    await other.executes(run)
    assert await rows.all() == before


async def test_t_7_a_paused_worker_brings_nothing_of_a_deleted_thread_back(cluster, upstream, rows, valve):
    upstream.will_say(hang(STALE, after_chunks=3))
    valve.shut_after(BEGINNING)
    front, worker = await asyncio.gather(cluster.serve(work=False), cluster.worker(upstream_url=valve.url))
    thread, assistant = await asked(front.api)
    run = await begun(front.api, thread, assistant)
    async with front.api.stream("GET", f"{path(run)}/stream") as stream:
        await until_text(stream, BEGINNING)

    with paused(worker):
        answer = await front.api.delete(f"/threads/{thread['id']}")
        await rows.until("SELECT count(*) = 0 FROM messages")  # what is left of it goes by and by
        before = await rows.all()
    valve.open()
    await is_dropped(upstream)
    worker.ask_to_stop()
    await worker.stopped()

    assert answer.status == 200
    assert await rows.all() == before
    assert (before["runs"], before["run_steps"], before["threads"]) == ([], [], [])


async def test_a_reader_of_the_paused_worker_itself_hears_nothing_of_what_it_goes_on_to_say(
    cluster, upstream, rows, valve
):
    upstream.will_say(STALE, WHOLE)
    valve.shut_after(BEGINNING)
    both = await cluster.serve(upstream_url=valve.url)
    run = await begun(both.api, *await asked(both.api))
    holder = (await rows.run(run))["lease_owner"]

    async with both.api.stream("GET", f"{path(run)}/stream") as stream:
        events = await until_text(stream, BEGINNING)
        with paused(both):
            await cluster.worker()
            await rows.over(run)
            before = await rows.all()
        await rows.lease_running(holder)
        valve.open()
        events += await all_of(stream)

    await both.says(LOST_RUN)
    assert await rows.all() == before
    assert "too late" not in shown(events)
    assert closed(events) == await closed_rows(both.api, run)
    assert [event.name for event in events][-2:] == ["thread.run.completed", "done"]


async def test_a_worker_that_was_paused_inside_a_commit_changes_nothing_after_it(cluster, upstream, rows, valve):
    upstream.will_say(STALE, WHOLE)
    valve.shut_after(BEGINNING)
    front, worker = await asyncio.gather(cluster.serve(work=False), cluster.worker(upstream_url=valve.url))
    thread, assistant = await asked(front.api)
    run = await begun(front.api, thread, assistant)

    async with front.api.stream("GET", f"{path(run)}/stream") as stream:
        events = await until_text(stream, BEGINNING)
        async with rows.locked("SELECT FROM messages WHERE run_id = $1 FOR UPDATE", run["id"]) as lock:
            # The partial text is on its way to the row; the run's row is locked with it.
            await lock.is_awaited()
            worker.pause()
            await rows.lease_over(worker.id)
        other = await cluster.worker()
        events += await all_of(stream)
        before = await rows.all()
    worker.resume()
    await rows.lease_running(worker.id)
    valve.open()
    await worker.says(LOST_RUN)

    await other.executes(run)
    assert await rows.all() == before
    assert [text_of(message) for message in (await messages_of(front.api, thread))[1:]] == [ANSWER]
    assert closed(events) == await closed_rows(front.api, run)


async def test_a_run_whose_worker_is_paused_inside_its_last_commit_has_ended_for_everybody(
    cluster, upstream, rows, valve
):
    upstream.will_say(STALE)
    valve.shut_after(BEGINNING)
    front, worker = await asyncio.gather(cluster.serve(work=False), cluster.worker(upstream_url=valve.url))
    thread, assistant = await asked(front.api)
    run = await begun(front.api, thread, assistant)

    async with front.api.stream("GET", f"{path(run)}/stream") as stream:
        events = await until_text(stream, BEGINNING)
        async with rows.locked("SELECT FROM messages WHERE run_id = $1 FOR UPDATE", run["id"]) as lock:
            valve.open()
            await lock.is_awaited()
            worker.pause()
            await rows.lease_over(worker.id)
        other = await cluster.worker()
        events += await all_of(stream)
        before = await rows.all()
    worker.resume()
    await rows.lease_running(worker.id)

    # The commit was made under a fence that nobody had raised, so it counts.
    run = await front.api.found(path(run))
    assert run["status"] == "completed"
    assert closed(events) == await closed_rows(front.api, run)
    assert [event.name for event in events][-2:] == ["thread.run.completed", "done"]
    await worker.says("leg ended")
    assert not other.has_executed(run)
    assert await rows.all() == before
