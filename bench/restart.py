"""kill -9 in the middle of an answer: how long until the run is over.

With one server, which is started again: from the kill over the start to the poll that sees the run completed. With
several workers, where another one takes the run over when the lease of the first has run out: from the kill to that
poll. The model server answers only the second time, and then at once, so that the time is Treadle's own.
"""

import asyncio
import contextlib
import random
import re
import time
from statistics import median
from typing import Final

import uvloop

from bench.idle import ASK_AGAIN_SECONDS, first_answer
from bench.support import databases, load, processes, report
from bench.support.api import Api
from bench.support.databases import POSTGRES, SQLITE, Postgres
from bench.support.load import Connection
from bench.support.processes import Home, Process
from bench.support.report import Figure, Section, Table
from treadle.upstream.scripted import ScriptedUpstream, hang, say

# The default is 10; what matters is how long a takeover takes beyond it.
LEASE_SECONDS: Final = 2.0
TAKEOVER: Final = f"takeover by another worker, {POSTGRES}"


def measure(quick: bool) -> Section:
    """About a minute and a half; `quick` a fifth of it."""
    seconds = uvloop.run(_all_kills(2 if quick else 12))
    figures = [
        Figure(
            what="kill -9 to terminal after restart, embedded",
            how="one server, killed while it streams, p50",
            reached=median(seconds[SQLITE]),
            bar=1,
            goal=0.3,
            unit="s",
            lower_is_better=True,
        ),
        Figure(
            what="takeover after kill -9 with several workers",
            how=f"lease of {LEASE_SECONDS:g} s; from the kill to the completed run, worst",
            reached=max(seconds[TAKEOVER]),
            bar=LEASE_SECONDS + 2,
            goal=LEASE_SECONDS + 0.5,
            unit="s",
            lower_is_better=True,
            terms="lease + 2 s; goal lease + 0.5 s",
        ),
    ]
    rows = [
        [name, str(len(times)), *(report.number(value) for value in (min(times), median(times), max(times)))]
        for name, times in seconds.items()
    ]
    head = ["what", "kills", "best s", "p50 s", "worst s"]
    return Section(
        title="Crash", figures=figures, tables=[Table(title="From the kill to the completed run", head=head, rows=rows)]
    )


async def _all_kills(count: int) -> dict[str, list[float]]:
    processes.pin_to_client_core()
    async with databases.postgres() as postgres, ScriptedUpstream() as upstream:
        takeovers = await _takeovers(postgres, upstream, count)
        return {SQLITE: await _restarts(upstream, count), TAKEOVER: takeovers}


async def _restarts(upstream: ScriptedUpstream, count: int) -> list[float]:
    async with databases.home() as home:
        return [await _restart(home, upstream) for _ in range(count)]


async def _restart(home: Home, upstream: ScriptedUpstream) -> float:
    command = processes.treadle(home, upstream=upstream.base_url)
    with processes.running(command, core=processes.SERVER_CORE) as server:
        (await first_answer(server, home.folder)).close()
        poll = await _streaming_run(server, home, upstream)
        started = time.perf_counter()
        server.kill()
    with processes.running(command, core=processes.SERVER_CORE, wait=False) as server:
        connection = await first_answer(server, home.folder)
        seconds = await _completed(connection, poll) - started
        connection.close()
        return seconds


async def _takeovers(postgres: Postgres, upstream: ScriptedUpstream, count: int) -> list[float]:
    """A second worker comes while the first one has the run; it takes it over, and is the first of the next kill."""
    chance = random.Random(1)
    async with databases.home(postgres) as home:
        with contextlib.ExitStack() as stack:
            serving = processes.treadle(home, upstream=upstream.base_url, work=False)
            working = processes.treadle_worker(home, upstream=upstream.base_url, lease_seconds=LEASE_SECONDS)
            server = stack.enter_context(processes.running(serving, core=processes.ANY_CORE))
            connection = await first_answer(server, home.folder)
            worker = stack.enter_context(processes.working(working, core=processes.ANY_CORE))
            times = []
            for _ in range(count):
                poll = await _streaming_run(server, home, upstream)
                second = stack.enter_context(processes.working(working, core=processes.ANY_CORE))
                # At any moment between two renewals of the lease.
                await asyncio.sleep(chance.uniform(0, LEASE_SECONDS))
                started = time.perf_counter()
                worker.kill()
                times.append(await _completed(connection, poll) - started)
                worker = second
            connection.close()
            return times


async def _streaming_run(server: Process, home: Home, upstream: ScriptedUpstream) -> bytes:
    """Begin a run whose answer does not end. Returns the request that polls it, once a part of its text was shown."""
    upstream.will_say(hang(say("This is never said to its end."), after_chunks=3), say("This is."))
    api = await Api.open(server, home.folder)
    (thread_id,) = await api.threads(1)
    connection = await Connection.open(server.port)
    shown = asyncio.Event()
    received = bytearray()

    def watch(piece: bytes, at: float) -> None:
        received.extend(piece)
        if b"event: thread.message.delta" in received:
            shown.set()

    following = asyncio.ensure_future(connection.follow(api.streamed_run(thread_id), watch))
    await shown.wait()
    following.add_done_callback(lambda done: done.exception())  # the kill ends it
    api.close()
    run = re.search(rb'"id":"(run_\w+)"', received)
    assert run is not None
    return load.request("GET", f"/v1/threads/{thread_id}/runs/{run[1].decode()}", key=api.key)


async def _completed(connection: Connection, poll: bytes) -> float:
    """When the run was seen completed, by time.perf_counter()."""
    run = (await connection.ask(poll)).json
    while run["status"] == "in_progress":
        await asyncio.sleep(ASK_AGAIN_SECONDS)
        run = (await connection.ask(poll)).json
    if run["status"] != "completed":
        raise RuntimeError(f"the run ended as {run['status']}")
    return time.perf_counter()


if __name__ == "__main__":
    report.main(measure)
