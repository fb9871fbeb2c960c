"""Step commits a second through the store: a batch each, checked against the run's fence, `synchronous=FULL`.

In this process, on the server's core, with as many writers as wait at a time; one of them alone shows what a commit
costs when nobody shares its fsync.
"""

import asyncio
import itertools
import os
import time
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

import uvloop
from msgspec.structs import replace

from bench import data
from bench.support import disk, processes, report
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
    """About half a minute; `quick` a third of it."""
    rates = uvloop.run(_rates(seconds=1 if quick else 5))
    figure = Figure(
        what=f"step commits, {MEASURED} writers, FULL",
        how="through the store, in process",
        reached=rates[MEASURED].per_second,
        bar=8_000,
        goal=17_000,
        unit="/s",
    )
    rows = [[str(writers), *map(report.number, rate)] for writers, rate in rates.items()]
    table = Table(title="Commits of one step each", head=["writers", "commits/s", "p50 ms", "p99 ms"], rows=rows)
    return Section(title="Step commits", figures=[figure], tables=[table])


async def _rates(*, seconds: float) -> dict[int, Rate]:
    cores = os.sched_getaffinity(0)
    # The writer's thread is started by this one and stays with it.
    os.sched_setaffinity(0, {processes.SERVER_CORE})
    try:
        with disk.scratch() as folder:
            return {writers: await _rate(folder / str(writers), writers, seconds) for writers in WRITERS}
    finally:
        os.sched_setaffinity(0, cores)


async def _rate(folder: Path, writers: int, seconds: float) -> Rate:
    database = await store.open_database(folder)
    runs = [data.run_row(number, "proj_bench") for number in range(writers)]
    batch = Batch()
    for row in runs:
        batch.write(store.runs.insert(row))
    await database.commit(batch)
    started = time.perf_counter()
    times = await asyncio.gather(*(_write(database, row, started + seconds) for row in runs))
    took = time.perf_counter() - started
    await database.close()
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
