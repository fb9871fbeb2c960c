"""listRunSteps: CPU of the server per request, against hello on the same stack and against FastAPI on the same rows.

Every cell is measured in each round, one after the other, so that they share the machine's good and bad moments; the
figures are ratios of medians. With `after`, each request begins behind a random step of a random run, always with a
full page left; at 100 it begins behind the newest step, which leaves 99.
"""

import itertools
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

import uvloop

from bench import data
from bench.support import load, processes, report
from bench.support.processes import Process
from bench.support.report import Figure, Section, Table
from treadle import store
from treadle.contract.pages import PageQuery
from treadle.store import pages

CONNECTIONS: Final = 32
DIFFERENT_REQUESTS: Final = 20_000
SMALL: Final = 1_000
PAGES_TIMED: Final = 3_000
WARM_UP_SECONDS: Final = 60.0


class Cell(NamedTuple):
    """One kind of request at one server."""

    name: str
    server: Process
    requests: Iterator[bytes]


class Round(NamedTuple):
    """`cpu` in microseconds per request, `busy` the share of its core that the server used, times in milliseconds."""

    cpu: float
    per_second: float
    busy: float
    p50: float
    p99: float


class Parts(NamedTuple):
    """Of a page: microseconds for its SELECT and for making the list object of its rows."""

    select: float
    encode: float


def measure(quick: bool) -> Section:
    """About two minutes, and the making of a million steps the first time; `quick` has 100,000 steps."""
    sizes = [SMALL, 100_000] if quick else [SMALL, 100_000, 1_000_000]
    folders = {steps: data.folder(steps) for steps in sizes}
    rounds = uvloop.run(_rounds(folders, rounds=3 if quick else 7, seconds=0.7 if quick else 2.0))
    cpu = {name: median(each.cpu for each in of_cell) for name, of_cell in rounds.items()}
    largest = sizes[-1]
    parts = uvloop.run(_parts({SMALL: folders[SMALL], largest: folders[largest]}))
    figures = [
        _ratio(
            f"listRunSteps limit=20 with `after`, {largest:,} steps", cpu["hello"] / cpu[f"20, {largest:,}"], 0.25, 0.33
        ),
        _ratio("the same at limit=100", cpu["hello"] / cpu[f"100, {largest:,}"], 0.10, 0.17),
        Figure(
            what=f"page SQL at {largest:,} against {SMALL:,} steps",
            how="median time of the same pages, 20 steps with `after`, in process",
            reached=parts[largest].select / parts[SMALL].select,
            bar=1.15,
            goal=1.05,
            lower_is_better=True,
        ),
        _ratio_to_peer(20, cpu["FastAPI 20"] / cpu[f"20, {largest:,}"], 3, 4.5),
        _ratio_to_peer(100, cpu["FastAPI 100"] / cpu[f"100, {largest:,}"], 4, 6),
    ]
    tables = [_table(rounds), _breakdown(cpu["hello"], cpu[f"20, {largest:,}"], parts[largest])]
    return Section(title="listRunSteps", figures=figures, tables=tables)


async def _rounds(folders: dict[int, Path], *, rounds: int, seconds: float) -> dict[str, list[Round]]:
    processes.pin_to_client_core()
    largest = max(folders)
    commands: list[Sequence[str | Path]] = [
        processes.app("hello"),
        processes.app("response_models", "--data-dir", str(folders[largest])),
        *(processes.treadle(folder) for folder in folders.values()),
    ]
    with ExitStack() as stack:
        hello, peer, *ours = [
            stack.enter_context(processes.running(command, core=processes.SERVER_CORE)) for command in commands
        ]
        key = load.key_of(folders[largest])
        cells = [Cell("hello", hello, itertools.repeat(load.request("GET", "/hello", key=key)))]
        for (steps, folder), server in zip(folders.items(), ours, strict=True):
            key = load.key_of(folder)
            cells.append(Cell(f"20, {steps:,}", server, _requests(steps, key, limit=20)))
        cells.append(Cell(f"20 without after, {largest:,}", ours[-1], _requests(largest, key, limit=20, after=False)))
        cells.append(Cell(f"100, {largest:,}", ours[-1], _requests(largest, key, limit=100)))
        cells.append(Cell("FastAPI 20", peer, _requests(largest, key, limit=20)))
        cells.append(Cell("FastAPI 100", peer, _requests(largest, key, limit=100)))
        # Every page of the database is looked at once: the kernel maps a page when it is first touched.
        for server in (ours[-1], peer):
            everything = (load.request("GET", f"{data.steps_path(run)}?limit=100", key=key) for run in _runs(largest))
            await load.hammer(server.port, everything, connections=CONNECTIONS, seconds=WARM_UP_SECONDS)
        measured: dict[str, list[Round]] = {cell.name: [] for cell in cells}
        for _ in range(rounds):
            for cell in cells:
                measured[cell.name].append(await _round(cell, seconds=seconds))
    return measured


async def _round(cell: Cell, *, seconds: float) -> Round:
    before = cell.server.cpu_seconds()
    did = await load.hammer(cell.server.port, cell.requests, connections=CONNECTIONS, seconds=seconds)
    used = cell.server.cpu_seconds() - before
    return Round(
        cpu=used / did.answered * 1e6,
        per_second=did.answered / did.seconds,
        busy=used / did.seconds,
        p50=median(did.times) * 1e3,
        p99=report.percentile(did.times, 99) * 1e3,
    )


def _requests(steps: int, key: str, *, limit: int, after: bool = True) -> Iterator[bytes]:
    """Requests for random runs, endlessly."""
    chance = random.Random(steps + limit)
    made = []
    for _ in range(DIFFERENT_REQUESTS):
        run = chance.choice(_runs(steps))
        cursor = f"&after={data.identifier('run_step', run, _position(chance, limit))}" if after else ""
        made.append(load.request("GET", f"{data.steps_path(run)}?limit={limit}{cursor}", key=key))
    return itertools.cycle(made)


def _runs(steps: int) -> range:
    """The numbers of the runs that `steps` steps belong to."""
    return range(steps // data.STEPS_PER_RUN)


def _position(chance: random.Random, limit: int) -> int:
    """The seq of a step with a full page behind it; the newest at 100."""
    return chance.randint(limit + 1, data.STEPS_PER_RUN) if limit < data.STEPS_PER_RUN else data.STEPS_PER_RUN


async def _parts(folders: dict[int, Path]) -> dict[int, Parts]:
    """By number of steps in the database: the median parts of one page, for runs that all of them have."""
    times: dict[int, list[Parts]] = {steps: [] for steps in folders}
    databases = {steps: await store.open_database(folder, exclusive=False) for steps, folder in folders.items()}
    chance = random.Random(1)
    for page in range(PAGES_TIMED):
        run = chance.choice(_runs(SMALL))
        query = PageQuery(after=data.identifier("run_step", run, _position(chance, 20)))
        for steps, database in databases.items():
            project_id = await store.keys.find_project(database, store.keys.digest(load.key_of(folders[steps])))
            arguments = (data.identifier("thread", run), data.identifier("run", run), project_id, int(time.time()))
            started = time.perf_counter()
            rows = await pages.fetch(database, store.run_steps.COLLECTION, arguments, query)
            selected = time.perf_counter()
            body = pages.encode(rows, query)
            encoded = time.perf_counter()
            if body.count(b"thread.run.step") < 20:
                raise RuntimeError("a page that is not full")
            # The first pages warm the caches.
            if page >= PAGES_TIMED // 10:
                times[steps].append(Parts((selected - started) * 1e6, (encoded - selected) * 1e6))
    for database in databases.values():
        await database.close()
    return {steps: Parts(*map(median, zip(*of_size, strict=True))) for steps, of_size in times.items()}


def _ratio(what: str, reached: float, bar: float, goal: float) -> Figure:
    return Figure(what=what, how="CPU ratio hello/list", reached=reached, bar=bar, goal=goal)


def _ratio_to_peer(limit: int, reached: float, bar: float, goal: float) -> Figure:
    what = f"FastAPI + response models on the same rows, limit={limit}"
    return Figure(what=what, how="CPU ratio theirs/ours", reached=reached, bar=bar, goal=goal)


def _breakdown(hello: float, whole: float, parts: Parts) -> Table:
    """What is left over is Treadle's own: key, route, query, ids, headers; and a larger body's way to the socket.

    The SELECT and the list were timed on few runs, so their pages were in the processor's caches; in the server they
    are not, and cost a little more of the rest.
    """
    rest = whole - hello - sum(parts)
    microseconds = {
        "hello": hello,
        "SELECT, cached": parts.select,
        "list object": parts.encode,
        "the rest": rest,
        "all": whole,
    }
    return Table(
        title="What a page of 20 with `after` consists of",
        head=["part", "us"],
        rows=[[name, report.number(value)] for name, value in microseconds.items()],
    )


def _table(rounds: dict[str, list[Round]]) -> Table:
    rows = [
        [name, *(report.number(median(column)) for column in zip(*of_cell, strict=True))]
        for name, of_cell in rounds.items()
    ]
    head = ["cell", "CPU us/request", "requests/s", "share of core", "p50 ms", "p99 ms"]
    return Table(
        title=f"{CONNECTIONS} connections, medians of {len(next(iter(rounds.values())))} rounds", head=head, rows=rows
    )


if __name__ == "__main__":
    report.main(measure)
