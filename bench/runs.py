"""Completed runs a second with a model server that answers at once: in one process, and with workers of their own.

A run is createRun with `stream: true` on a thread of its own, read to its end. In one process Treadle has a core to
itself; a server with workers beside it has all cores, one of them together with client, model server and PostgreSQL.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import uvloop

from bench.support import databases, meter, processes, report
from bench.support.api import Api
from bench.support.databases import POSTGRES, SQLITE, Postgres
from bench.support.load import Connection
from bench.support.meter import Meter
from bench.support.processes import Home, Process
from bench.support.report import Figure, Section, Table

TOKENS: Final = 5
THREADS: Final = (1, 16, 64)
MEASURED: Final = 16
WORKERS: Final = (1, 2, 4)
# A server looks every two seconds which workers there are.
WARM_UP_SECONDS: Final = 2.5
# Threads for the warm-up, per second: more than can be used up.
MOST_PER_SECOND: Final = 1_500


class Rate(NamedTuple):
    """Runs per second, and milliseconds of CPU time per run."""

    per_second: float
    server: float
    workers: float
    postgres: float
    load: float


class Parts(NamedTuple):
    """The processes of one measurement."""

    server: Process
    workers: Sequence[Process]
    postgres: Postgres | None
    upstream: Process


def measure(quick: bool) -> Section:
    """About two minutes; `quick` a quarter of it."""
    alone, apart = uvloop.run(_all_rates(seconds=1.5 if quick else 6))
    cores = len(processes.CORES)
    figures = [
        Figure(
            what=f"completed runs, {MEASURED} threads, instant upstream, one process",
            how="streamed to the end, each on its own thread",
            reached=alone[SQLITE, MEASURED].per_second,
            bar=600,
            goal=1000,
            unit="/s",
        ),
        Figure(
            what=f"the same on {POSTGRES}",
            how="PostgreSQL shares the other core with client and model server",
            reached=alone[POSTGRES, MEASURED].per_second,
            unit="/s",
        ),
        *(
            Figure(
                what=f"the same with one API process and {count} worker{'s' if count > 1 else ''}",
                how=f"server and workers on all {cores} cores, the rest on one of them",
                reached=rate.per_second,
                unit="/s",
            )
            for count, rate in apart.items()
        ),
    ]
    head = ["processes", "threads at a time", "runs/s"]
    cpu = ["server's CPU ms/run", "workers'", "PostgreSQL's", "client's and upstream's"]
    rows = [[f"one, {dialect}", str(threads), *_shown(rate)] for (dialect, threads), rate in alone.items()]
    rows += [[f"API + {count}, {POSTGRES}", str(MEASURED), *_shown(rate)] for count, rate in apart.items()]
    table = Table(title=f"Completed runs, {TOKENS} tokens each", head=[*head, *cpu], rows=rows)
    return Section(title="Runs", figures=figures, tables=[table], notes=[_note(cores)])


def _note(cores: int) -> str:
    return (
        f"This machine has {cores} cores for everything: several workers share what one would have. What carries over "
        "is the CPU time per run: it says how many cores so many runs a second take, and whose."
    )


def _shown(rate: Rate) -> list[str]:
    return list(map(report.number, rate))


async def _all_rates(*, seconds: float) -> tuple[dict[tuple[str, int], Rate], dict[int, Rate]]:
    """By database and threads in one process; and by number of workers beside a server that has none."""
    processes.pin_to_client_core()
    instant = processes.steady_upstream(tokens=TOKENS, interval_milliseconds=0)
    alone: dict[tuple[str, int], Rate] = {}
    apart: dict[int, Rate] = {}
    async with databases.postgres() as postgres:
        with processes.running(instant, core=processes.CLIENT_CORE) as upstream:
            for dialect, of in ((SQLITE, None), (POSTGRES, postgres)):
                async with databases.home(of) as home:
                    rates = await _rates(home, upstream, of, THREADS, seconds=seconds)
                alone |= {(dialect, threads): rate for threads, rate in rates.items()}
            for count in WORKERS:
                async with databases.home(postgres) as home:
                    rates = await _rates(home, upstream, postgres, [MEASURED], workers=count, seconds=seconds)
                apart[count] = rates[MEASURED]
    return alone, apart


async def _rates(
    home: Home, upstream: Process, of: Postgres | None, threads: Sequence[int], *, workers: int = 0, seconds: float
) -> dict[int, Rate]:
    """By threads at a time. Without `workers` the server is the worker, and has its core."""
    core = processes.ANY_CORE if workers else processes.SERVER_CORE
    url = f"http://127.0.0.1:{upstream.port}/v1"
    with processes.serving(home, upstream=url, workers=workers, core=core) as (server, others):
        parts = Parts(server, others, of, upstream)
        api = await Api.open(server, home.folder)
        warm_up = max(WARM_UP_SECONDS if workers else 0, seconds / 4)
        most = (await _rate(api, parts, MOST_PER_SECOND, threads=MEASURED, seconds=warm_up)).per_second
        rates = {n: await _rate(api, parts, 3 * most, threads=n, seconds=seconds) for n in threads}
        api.close()
        return rates


async def _rate(api: Api, parts: Parts, most_per_second: float, *, threads: int, seconds: float) -> Rate:
    thread_ids = iter(await api.threads(int(seconds * most_per_second) + threads))
    connections = [await Connection.open(parts.server.port) for _ in range(threads)]
    clocks = Meter(
        [parts.server.cpu_seconds],
        [worker.cpu_seconds for worker in parts.workers],
        [parts.postgres.cpu_seconds] if parts.postgres else [],
        meter.load(parts.upstream),
    )
    end = time.perf_counter() + seconds
    completed = sum(await asyncio.gather(*(_run_until(connection, api, thread_ids, end) for connection in connections)))
    took, cpu = clocks.stop()
    for connection in connections:
        connection.close()
    return Rate(completed / took, *(used / completed * 1e3 for used in cpu))


async def _run_until(connection: Connection, api: Api, thread_ids: Iterator[str], end: float) -> int:
    """Run one after the other until then, or until there are no more threads; how many completed."""
    asked = ended = 0

    def watch(piece: bytes, at: float) -> None:
        nonlocal ended
        ended += b"event: thread.run.completed" in piece

    for thread_id in thread_ids:
        await connection.follow(api.streamed_run(thread_id), watch)
        asked += 1
        if time.perf_counter() >= end:
            break
    if ended < asked:
        raise RuntimeError(f"{asked - ended} of {asked} runs did not complete")
    return ended


if __name__ == "__main__":
    report.main(measure)
