"""Step commits a second through the store: a batch each, checked against the run's fence, and on disk when it returns.

In this process, on the server's core, with as many writers as wait at a time; one of them alone shows what a commit
costs when nobody shares its fsync. PostgreSQL itself is on the other core.
"""

import asyncio
import itertools
import os
import time
from statistics import median
from typing import Final, NamedTuple

import uvloop
from msgspec.structs import replace

from bench import data
from bench.support import databases, processes, report
from bench.support.databases import POSTGRES, SQLITE, Postgres
from bench.support.report import Figure, Section, Table
from treadle import store
from treadle.store import Batch
from treadle.store.run_steps import StepRow
from treadle.store.runs import RunRow

WRITERS: Final = (1, 16, 64)
MEASURED: Final = 64


class Rate(NamedTuple):
    """Commits per second, and how long one took in milliseconds."""

    per_second: float
    p50: float
    p99: float


def measure(quick: bool) -> Section:
    """About a minute; `quick` a quarter of it."""
    rates = uvloop.run(_rates(seconds=1 if quick else 5))
    figures = [
        Figure(
            what=f"step commits, {MEASURED} writers, FULL",
            how="through the store, in process",
            reached=rates[SQLITE, MEASURED].per_second,
            bar=8_000,
            goal=17_000,
            unit="/s",
        ),
        Figure(
            what=f"the same on {POSTGRES}",
            how="`synchronous_commit=on`",
            reached=rates[POSTGRES, MEASURED].per_second,
            unit="/s",
        ),
    ]
    rows = [[dialect, str(writers), *map(report.number, rate)] for (dialect, writers), rate in rates.items()]
    head = ["database", "writers", "commits/s", "p50 ms", "p99 ms"]
    return Section(
        title="Step commits", figures=figures, tables=[Table(title="Commits of one step each", head=head, rows=rows)]
    )


async def _rates(*, seconds: float) -> dict[tuple[str, int], Rate]:
    cores = os.sched_getaffinity(0)
    try:
        async with databases.postgres() as postgres:
            # The writer's thread is started by this one and stays with it.
            os.sched_setaffinity(0, {processes.SERVER_CORE})
            return {
                (dialect, writers): await _rate(of, writers, seconds)
                for writers in WRITERS
                for dialect, of in ((SQLITE, None), (POSTGRES, postgres))
            }
    finally:
        os.sched_setaffinity(0, cores)


async def _rate(of: Postgres | None, writers: int, seconds: float) -> Rate:
    async with databases.home(of) as home:
        database = await store.open_database(*home)
        try:
            return await _rate_of(database, writers, seconds)
        finally:
            await database.close()


async def _rate_of(database: store.Database, writers: int, seconds: float) -> Rate:
    runs = [data.run_row(number, "proj_bench") for number in range(writers)]
    batch = Batch()
    for row in runs:
        batch.write(store.runs.insert(row))
    await database.commit(batch)
    started = time.perf_counter()
    times = await asyncio.gather(*(_write(database, row, started + seconds) for row in runs))
    took = time.perf_counter() - started
    every = [each for of_writer in times for each in of_writer]
    return Rate(len(every) / took, median(every) * 1e3, report.percentile(every, 99) * 1e3)


async def _write(database: store.Database, row: RunRow, end: float) -> list[float]:
    """Commit one step after the other; the seconds each took."""
    step = replace(data.step(0, 1), thread_id=row.run.thread_id, run_id=row.run.id)
    times = []
    for seq in itertools.count(1):
        batch = Batch()
        store.runs.require_fence(batch, row, AssertionError)
        batch.write(store.run_steps.insert(StepRow(replace(step, id=f"step_{seq}"), seq, 0)))
        started = time.perf_counter()
        await database.commit(batch)
        ended = time.perf_counter()
        times.append(ended - started)
        if ended >= end:
            break
    return times


if __name__ == "__main__":
    report.main(measure)
