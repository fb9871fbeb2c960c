"""Completed runs a second at 1, 16 and 64 threads at a time, with a model server that answers at once.

A run is createRun with `stream: true` on a thread of its own, read to its end. Two server processes would do more;
this is one.
"""

import asyncio
import itertools
import time
from collections.abc import Iterator
from typing import Final, NamedTuple

import uvloop

from bench.support import disk, processes, report
from bench.support.api import Api
from bench.support.load import Connection
from bench.support.report import Figure, Section, Table

TOKENS: Final = 5
THREADS: Final = (1, 16, 64)
MEASURED: Final = 16


class Rate(NamedTuple):
    """Runs per second, and the shares of their cores that the server and the rest used."""

    per_second: float
    server_busy: float
    others_busy: float


def measure(quick: bool) -> Section:
    """About a minute; `quick` a quarter of it."""
    rates = uvloop.run(_rates(seconds=2 if quick else 8))
    figure = Figure(
        what=f"completed runs, {MEASURED} threads, instant upstream, one process",
        how="streamed to the end, each on its own thread",
        reached=rates[MEASURED].per_second,
        bar=600,
        goal=1000,
        unit="/s",
    )
    head = ["threads at a time", "runs/s", "server's share of its core", "client's and upstream's"]
    rows = [[str(threads), *map(report.number, rate)] for threads, rate in rates.items()]
    table = Table(title=f"Completed runs, {TOKENS} tokens each", head=head, rows=rows)
    return Section(title="Runs", figures=[figure], tables=[table])


async def _rates(*, seconds: float) -> dict[int, Rate]:
    processes.pin_to_client_core()
    instant = processes.steady_upstream(tokens=TOKENS, interval_milliseconds=0)
    with disk.scratch() as folder, processes.running(instant, core=processes.CLIENT_CORE) as upstream:
        command = processes.treadle(folder, upstream=f"http://127.0.0.1:{upstream.port}/v1")
        with processes.running(command, core=processes.SERVER_CORE) as server:
            api = await Api.open(server, folder)
            await _rate(api, server, upstream, threads=MEASURED, seconds=seconds / 4)
            rates = {n: await _rate(api, server, upstream, threads=n, seconds=seconds) for n in THREADS}
            api.close()
            return rates


async def _rate(
    api: Api, server: processes.Process, upstream: processes.Process, *, threads: int, seconds: float
) -> Rate:
    # More than can be used up.
    thread_ids = iter(await api.threads(int(seconds * 2000)))
    connections = [await Connection.open(server.port) for _ in range(threads)]
    before = server.cpu_seconds(), upstream.cpu_seconds() + time.process_time()
    started = time.perf_counter()
    completed = await asyncio.gather(
        *(_run_until(connection, api, thread_ids, started + seconds) for connection in connections)
    )
    took = time.perf_counter() - started
    after = server.cpu_seconds(), upstream.cpu_seconds() + time.process_time()
    for connection in connections:
        connection.close()
    return Rate(sum(completed) / took, (after[0] - before[0]) / took, (after[1] - before[1]) / took)


async def _run_until(connection: Connection, api: Api, thread_ids: Iterator[str], end: float) -> int:
    """Run one after the other; how many completed."""
    ended = 0

    def watch(piece: bytes, at: float) -> None:
        nonlocal ended
        ended += b"event: thread.run.completed" in piece

    for asked in itertools.count():  # noqa: B007 - the count is used below
        if time.perf_counter() >= end:
            break
        await connection.follow(api.streamed_run(next(thread_ids)), watch)
    if ended < asked:
        raise RuntimeError(f"{asked - ended} of {asked} runs did not complete")
    return ended


if __name__ == "__main__":
    report.main(measure)
