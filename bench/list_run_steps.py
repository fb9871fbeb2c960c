"""listRunSteps: CPU of the server per request, against hello on the same stack and against FastAPI on the same rows.

Every cell is measured in each round, one after the other, so that they share the machine's good and bad moments; the
figures are ratios of medians. With `after`, each request begins behind a random step of a random run, always with a
full page left; at 100 it begins behind the newest step, which leaves 99.
"""

import itertools
import math
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

import uvloop

from bench import data
from bench.support import databases, load, plan, processes, report
from bench.support.databases import POSTGRES, SQLITE, Postgres
from bench.support.meter import Meter
from bench.support.processes import Home, Process
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
    """One kind of request at one server, and the PostgreSQL behind it."""

    name: str
    server: Process
    requests: Iterator[bytes]
    postgres: Postgres | None = None


class Round(NamedTuple):
    """`cpu` in microseconds per request, `busy` the share of its core that the server used, times in milliseconds.

    `postgres` is PostgreSQL's CPU time, on the core of the clients.
    """

    cpu: float
    postgres: float
    per_second: float
    busy: float
    p50: float
    p99: float


class Parts(NamedTuple):
    """Of a page: microseconds for its SELECT and for making the list object of its rows."""

    select: float
    encode: float


class Measured(NamedTuple):
    """Rounds by cell; parts of a page by dialect and number of steps; how PostgreSQL finds a page of the largest."""

    rounds: dict[str, list[Round]]
    parts: dict[tuple[str, int], Parts]
    plan: Table


# The homes of the databases, by dialect and number of steps.
Homes = dict[tuple[str, int], Home]


def measure(quick: bool) -> Section:
    """Four minutes, and the making of a million steps in SQLite the first time; `quick` has 100,000 steps."""
    sizes = [SMALL, 100_000] if quick else [SMALL, 100_000, 1_000_000]
    folders = {(SQLITE, steps): Home(data.folder(steps)) for steps in sizes}
    largest = sizes[-1]
    count, seconds = (3, 0.7) if quick else (7, 2.0)
    rounds, parts, found = uvloop.run(_measured(folders, largest, rounds=count, seconds=seconds))
    cpu = {name: median(each.cpu for each in of_cell) for name, of_cell in rounds.items()}
    page, large_page = f"20, {largest:,}", f"100, {largest:,}"
    figures = [
        _ratio(f"listRunSteps limit=20 with `after`, {largest:,} steps", cpu["hello"] / cpu[page], 0.25, 0.33),
        _ratio(f"the same on {POSTGRES}", cpu["hello"] / cpu[f"{POSTGRES} {page}"], 0.15, 0.2),
        _ratio("the same at limit=100", cpu["hello"] / cpu[large_page], 0.10, 0.17),
        _ratio(f"the same at limit=100 on {POSTGRES}", cpu["hello"] / cpu[f"{POSTGRES} {large_page}"]),
        *(_growth(dialect, largest, parts) for dialect in (SQLITE, POSTGRES)),
        _ratio_to_peer(20, cpu["FastAPI 20"] / cpu[page], 3, 4.5),
        _ratio_to_peer(100, cpu["FastAPI 100"] / cpu[large_page], 4, 6),
    ]
    tables = [
        _table(rounds),
        _breakdown(cpu["hello"], [(SQLITE, cpu[page]), (POSTGRES, cpu[f"{POSTGRES} {page}"])], largest, parts),
        found,
    ]
    return Section(title="listRunSteps", figures=figures, tables=tables)


async def _measured(homes: Homes, largest: int, *, rounds: int, seconds: float) -> Measured:
    processes.pin_to_client_core()
    async with AsyncExitStack() as stack:
        postgres = await stack.enter_async_context(databases.postgres())
        for steps in (SMALL, largest):
            home = await stack.enter_async_context(databases.home(postgres))
            await data.fill_postgres(home, steps)
            homes[POSTGRES, steps] = home
        measured = await _rounds(homes, postgres, largest, rounds=rounds, seconds=seconds)
        compared = {which: home for which, home in homes.items() if which[1] in (SMALL, largest)}
        parts = await _parts(compared)
        return Measured(measured, parts, await _plan(homes[POSTGRES, largest], largest))


async def _rounds(
    homes: Homes, postgres: Postgres, largest: int, *, rounds: int, seconds: float
) -> dict[str, list[Round]]:
    async with AsyncExitStack() as stack:

        def running(command: Sequence[str | Path]) -> Process:
            return stack.enter_context(processes.running(command, core=processes.SERVER_CORE))

        hello = running(processes.app("hello"))
        peer = running(processes.app("response_models", "--data-dir", str(homes[SQLITE, largest].folder)))
        cells = [Cell("hello", hello, itertools.repeat(load.request("GET", "/hello")))]
        for (dialect, steps), home in homes.items():
            server, key = running(processes.treadle(home)), load.key_of(home.folder)
            name, of = ("", None) if dialect == SQLITE else (f"{dialect} ", postgres)
            cells.append(Cell(f"{name}20, {steps:,}", server, _requests(steps, key, limit=20), of))
            if steps == largest:
                without = _requests(steps, key, limit=20, after=False)
                cells.append(Cell(f"{name}20 without after, {steps:,}", server, without, of))
                cells.append(Cell(f"{name}100, {steps:,}", server, _requests(steps, key, limit=100), of))
                await _look_at_all(server, steps, key)
        key = load.key_of(homes[SQLITE, largest].folder)
        cells.append(Cell("FastAPI 20", peer, _requests(largest, key, limit=20)))
        cells.append(Cell("FastAPI 100", peer, _requests(largest, key, limit=100)))
        await _look_at_all(peer, largest, key)
        measured: dict[str, list[Round]] = {cell.name: [] for cell in cells}
        for _ in range(rounds):
            for cell in cells:
                measured[cell.name].append(await _round(cell, seconds=seconds))
    return measured


async def _look_at_all(server: Process, steps: int, key: str) -> None:
    """Every page of the database, once: the kernel maps a page when it is first touched."""
    everything = (load.request("GET", f"{data.steps_path(run)}?limit=100", key=key) for run in _runs(steps))
    await load.hammer(server.port, everything, connections=CONNECTIONS, seconds=WARM_UP_SECONDS)


async def _round(cell: Cell, *, seconds: float) -> Round:
    clocks = Meter([cell.server.cpu_seconds], [cell.postgres.cpu_seconds] if cell.postgres else [])
    did = await load.hammer(cell.server.port, cell.requests, connections=CONNECTIONS, seconds=seconds)
    _took, (used, by_postgres) = clocks.stop()
    return Round(
        cpu=used / did.answered * 1e6,
        postgres=by_postgres / did.answered * 1e6,
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


async def _parts(homes: Homes) -> dict[tuple[str, int], Parts]:
    """The median parts of one page, for runs that all databases have; the pages of all take turns."""
    times: dict[tuple[str, int], list[Parts]] = {which: [] for which in homes}
    opened = {which: await store.open_database(*home, exclusive=False) for which, home in homes.items()}
    projects = {which: await _project_id(opened[which], home) for which, home in homes.items()}
    chance = random.Random(1)
    for page in range(PAGES_TIMED):
        run = chance.choice(_runs(SMALL))
        query = PageQuery(after=data.identifier("run_step", run, _position(chance, 20)))
        for which, database in opened.items():
            arguments = _arguments(run, projects[which])
            started = time.perf_counter()
            rows = await pages.fetch(database, store.run_steps.COLLECTION, arguments, query)
            selected = time.perf_counter()
            body = pages.encode(rows, query)
            encoded = time.perf_counter()
            if body.count(b"thread.run.step") < 20:
                raise RuntimeError("a page that is not full")
            # The first pages warm the caches.
            if page >= PAGES_TIMED // 10:
                times[which].append(Parts((selected - started) * 1e6, (encoded - selected) * 1e6))
    for database in opened.values():
        await database.close()
    return {which: Parts(*map(median, zip(*of_home, strict=True))) for which, of_home in times.items()}


async def _plan(home: Home, steps: int) -> Table:
    """How PostgreSQL finds a page. Raises RuntimeError unless it walks an index and sorts nothing."""
    database = await store.open_database(*home)
    project_id = await _project_id(database, home)
    await database.close()
    run = _runs(steps)[-1]
    cursor = data.identifier("run_step", run, data.STEPS_PER_RUN // 2)
    sql = pages.select(store.run_steps.COLLECTION, False, True, False)
    arguments = (*_arguments(run, project_id), cursor, 21)
    return await plan.explained(str(home.url), sql, arguments, table="run_steps", rows=21)


async def _project_id(database: store.Database, home: Home) -> str:
    return str(await store.keys.find_project(database, store.keys.digest(load.key_of(home.folder))))


def _arguments(run: int, project_id: str) -> tuple[str, str, str, int]:
    """What the page's SELECT is given of a run, before the cursor."""
    return data.identifier("thread", run), data.identifier("run", run), project_id, int(time.time())


def _ratio(what: str, reached: float, bar: float | None = None, goal: float | None = None) -> Figure:
    return Figure(what=what, how="CPU ratio hello/list", reached=reached, bar=bar, goal=goal)


def _ratio_to_peer(limit: int, reached: float, bar: float, goal: float) -> Figure:
    what = f"FastAPI + response models on the same rows, limit={limit}"
    return Figure(what=what, how="CPU ratio theirs/ours", reached=reached, bar=bar, goal=goal)


def _growth(dialect: str, largest: int, parts: dict[tuple[str, int], Parts]) -> Figure:
    return Figure(
        what=f"page SQL at {largest:,} against {SMALL:,} steps, {dialect}",
        how="median time of the same pages, 20 steps with `after`, in process",
        reached=parts[dialect, largest].select / parts[dialect, SMALL].select,
        bar=1.15,
        goal=1.05,
        lower_is_better=True,
    )


def _breakdown(
    hello: float, whole: Sequence[tuple[str, float]], largest: int, parts: dict[tuple[str, int], Parts]
) -> Table:
    """What is left over is Treadle's own: key, route, query, ids, headers; and a larger body's way to the socket.

    The SELECT and the list were timed on few runs, so their pages were in the processor's caches; in the server they
    are not, and cost a little more of the rest. Of PostgreSQL's SELECT most is waiting for it, which is no CPU time of
    the server: there it is not told apart.
    """
    rows = []
    for dialect, microseconds in whole:
        of_page = parts[dialect, largest]
        select = of_page.select if dialect == SQLITE else math.nan
        rest = microseconds - hello - of_page.encode - (of_page.select if dialect == SQLITE else 0)
        rows.append([dialect, *map(report.number, (hello, select, of_page.encode, rest, microseconds))])
    return Table(
        title="What a page of 20 with `after` consists of, in us of the server's CPU",
        head=["database", "hello", "SELECT, cached", "list object", "the rest", "all"],
        rows=rows,
    )


def _table(rounds: dict[str, list[Round]]) -> Table:
    rows = [
        [name, *(report.number(median(column)) for column in zip(*of_cell, strict=True))]
        for name, of_cell in rounds.items()
    ]
    head = ["cell", "CPU us/request", "PostgreSQL's", "requests/s", "share of core", "p50 ms", "p99 ms"]
    return Table(
        title=f"{CONNECTIONS} connections, medians of {len(next(iter(rounds.values())))} rounds", head=head, rows=rows
    )


if __name__ == "__main__":
    report.main(measure)
