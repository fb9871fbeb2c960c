"""kill -9 in the middle of an answer, start again: how long until the run is over.

The model server answers only the second time, and then at once, so that the time is Treadle's own: from the kill over
the start to the poll that sees the run completed. A start is seen by polling, as a client would.
"""

import asyncio
import re
import time
from pathlib import Path
from statistics import median

import uvloop

from bench.idle import ASK_AGAIN_SECONDS, first_answer
from bench.support import disk, load, processes, report
from bench.support.api import Api
from bench.support.load import Connection
from bench.support.report import Figure, Section, Table
from treadle.upstream.scripted import ScriptedUpstream, hang, say


def measure(quick: bool) -> Section:
    """About ten seconds; `quick` less."""
    seconds = uvloop.run(_kills(3 if quick else 15))
    figure = Figure(
        what="kill -9 to terminal after restart, embedded",
        how="one server, killed while it streams, p50",
        reached=median(seconds),
        bar=1,
        goal=0.3,
        unit="s",
        lower_is_better=True,
    )
    rows = [[str(len(seconds)), *(report.number(value) for value in (min(seconds), median(seconds), max(seconds)))]]
    table = Table(title="From the kill to the completed run", head=["kills", "best s", "p50 s", "worst s"], rows=rows)
    return Section(title="Crash", figures=[figure], tables=[table])


async def _kills(count: int) -> list[float]:
    processes.pin_to_client_core()
    with disk.scratch() as folder:
        async with ScriptedUpstream() as upstream:
            return [await _kill(folder, upstream) for _ in range(count)]


async def _kill(folder: Path, upstream: ScriptedUpstream) -> float:
    upstream.will_say(hang(say("This is never said to its end."), after_chunks=3), say("This is."))
    command = processes.treadle(folder, upstream=upstream.base_url)
    with processes.running(command, core=processes.SERVER_CORE) as server:
        (await first_answer(server, folder)).close()
        api = await Api.open(server, folder)
        (thread_id,) = await api.threads(1)
        run_id = await _streaming_run(api, server.port, thread_id)
        started = time.perf_counter()
        server.kill()
        api.close()
    with processes.running(command, core=processes.SERVER_CORE, wait=False) as server:
        connection = await first_answer(server, folder)
        poll = load.request("GET", f"/v1/threads/{thread_id}/runs/{run_id}", key=load.key_of(folder))
        run = (await connection.ask(poll)).json
        while run["status"] == "in_progress":
            await asyncio.sleep(ASK_AGAIN_SECONDS)
            run = (await connection.ask(poll)).json
        seconds = time.perf_counter() - started
        if run["status"] != "completed":
            raise RuntimeError(f"the run ended as {run['status']}")
        connection.close()
        return seconds


async def _streaming_run(api: Api, port: int, thread_id: str) -> str:
    """Begin a run and return its id once a part of its text was shown."""
    connection = await Connection.open(port)
    shown = asyncio.Event()
    received = bytearray()

    def watch(piece: bytes, at: float) -> None:
        received.extend(piece)
        if b"event: thread.message.delta" in received:
            shown.set()

    following = asyncio.ensure_future(connection.follow(api.streamed_run(thread_id), watch))
    await shown.wait()
    following.add_done_callback(lambda done: done.exception())  # the kill ends it
    run = re.search(rb'"id":"(run_\w+)"', received)
    assert run is not None
    return run[1].decode()


if __name__ == "__main__":
    report.main(measure)
