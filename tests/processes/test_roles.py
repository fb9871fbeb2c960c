"""Who executes a run: `treadle serve`, `treadle serve --no-worker` and `treadle worker` on one database."""

import asyncio
import statistics
import time

import asyncpg

from tests.processes.talk import asked
from tests.support.runs import begun, messages_of, outputs, path, reached, settled, text_of
from treadle.upstream.scripted import function_call, hang, say

# A worker that nobody wakes looks for itself so often.
SCAN_SECONDS = 1.0


async def test_a_server_executes_what_it_is_asked_for_itself(cluster, upstream):
    both, worker = await asyncio.gather(cluster.serve(), cluster.worker())
    upstream.will_say(say("It is sunny."), say("It is sunny."), say("It is sunny."))

    runs = [await settled(both.api, await begun(both.api, *await asked(both.api))) for _ in range(3)]

    assert [run["status"] for run in runs] == ["completed"] * 3
    for run in runs:
        await both.executes(run)
        assert not worker.has_executed(run)


async def test_a_server_without_a_worker_executes_nothing(cluster, upstream, rows):
    first, second = await asyncio.gather(cluster.serve(work=False), cluster.serve(work=False))
    upstream.will_say(say("It is sunny."))
    thread, assistant = await asked(first.api)

    run = await begun(first.api, thread, assistant)

    # A worker that starts later finds what waits; it is the first to ask the model.
    assert (await first.api.found(path(run)))["status"] == "queued"
    assert (await rows.run(run))["lease_owner"] is None
    assert upstream.requests == []
    worker = await cluster.worker()
    run = await settled(second.api, run)
    assert run["status"] == "completed"
    await worker.executes(run)
    assert text_of((await messages_of(second.api, thread))[-1]) == "It is sunny."


async def test_work_is_offered_to_a_worker_that_lives(cluster, rows, upstream):
    """The test is that worker: it has a lease, and listens to its own name. Nobody else is there to execute the run."""
    offered: asyncio.Queue[str] = asyncio.Queue()
    listener = await asyncpg.connect(cluster.url)
    await listener.execute("INSERT INTO workers (id, started_at, lease_until) VALUES ('worker_test', 0, 'infinity')")
    await listener.add_listener("worker_test", lambda *heard: offered.put_nowait(heard[-1]))
    front = await cluster.serve(work=False)
    thread, assistant = await asked(front.api)

    run = await begun(front.api, thread, assistant)

    async with asyncio.timeout(10):
        assert (await offered.get()).startswith("work")
    assert (await rows.run(run))["lease_owner"] is None
    await listener.close()


async def test_a_run_is_executed_at_once_by_the_worker_it_was_offered_to(cluster, upstream):
    front, _workers = await cluster.front_and_workers()
    waits = []
    for number in range(11):
        upstream.will_say(say("It is sunny."))
        thread, assistant = await asked(front.api)
        started = time.perf_counter()
        run = await begun(front.api, thread, assistant)
        await upstream.request(number)
        waits.append(time.perf_counter() - started)
        await settled(front.api, run)

    # By looking for itself alone, the worker would come after half a SCAN_SECONDS in the middle.
    assert statistics.median(waits) < SCAN_SECONDS / 5


async def test_a_run_beyond_one_worker_s_cap_is_taken_by_another(cluster, upstream, rows):
    front = await cluster.serve(work=False)
    workers = await asyncio.gather(cluster.worker(max_runs=1), cluster.worker(max_runs=1))
    upstream.will_say(*[hang(say("It is"), after_chunks=2)] * 3)
    api = front.api

    runs = [await begun(api, *await asked(api)) for _ in range(3)]

    # RL-3: two are executed, by one worker each; the third waits until one of them has room.
    await upstream.request(1)
    holders = {run["id"]: (await rows.run(run))["lease_owner"] for run in runs}
    assert set(holders.values()) == {None, *(worker.id for worker in workers)}
    (waiting,) = [run for run in runs if holders[run["id"]] is None]
    assert (await api.found(path(waiting)))["status"] == "queued"
    over = next(run for run in runs if run is not waiting)
    await api.created(f"{path(over)}/cancel")
    await reached(api, waiting, "in_progress")
    assert (await rows.run(waiting))["lease_owner"] == holders[over["id"]]


async def test_a_round_of_calls_may_be_answered_through_any_process(cluster, upstream):
    first, second, worker = await asyncio.gather(cluster.serve(work=False), cluster.serve(work=False), cluster.worker())
    upstream.will_say(function_call("get_weather", {"city": "Kyiv"}), say("It is sunny."))

    run = await settled(first.api, await begun(first.api, *await asked(first.api)))
    answer = await second.api.created(f"{path(run)}/submit_tool_outputs", outputs(run))
    run = await settled(first.api, answer)

    assert answer["status"] == "queued"
    assert run["status"] == "completed"
    await worker.executes(run)
