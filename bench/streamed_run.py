"""What a streamed run takes longer than the same call made to the model server directly: to its first token, and whole.

On each database in one process, and with the worker in another. The calls of a round follow each other at once, over
connections that are open; their differences to the direct one are the measurement. The model server, the client,
PostgreSQL and the commits that make C are on one core, Treadle on the other.
"""

import contextlib
import time
from statistics import median
from typing import Final, NamedTuple

import uvloop

from bench.support import databases, disk, processes, report
from bench.support.api import Api, direct_call
from bench.support.databases import POSTGRES, SQLITE
from bench.support.load import Connection
from bench.support.report import Figure, Section, Table

TOKENS: Final = 20
INTERVAL_MILLISECONDS: Final = 5.0
# A server looks every two seconds which workers there are: these are three.
WARM_UP_ROUNDS: Final = 20

DIRECT: Final = "direct"
APART: Final = f"API + worker, {POSTGRES}"
TREADLES: Final = (SQLITE, POSTGRES, APART)


class Timed(NamedTuple):
    """Milliseconds from the request to its first token and to its end."""

    first_token: float
    whole: float


# The same question, asked of each: by name.
Round = dict[str, Timed]


def measure(quick: bool) -> Section:
    """About two minutes; a quarter of it when `quick`."""
    rounds, commits = uvloop.run(_rounds(40 if quick else 200))
    added = {
        name: Timed(*(median(round[name][of] - round[DIRECT][of] for round in rounds) for of in (0, 1)))
        for name in TREADLES
    }
    commit = commits[SQLITE]
    how = "paired, p50; `synchronous=FULL`"
    on_postgres = "paired, p50; `synchronous_commit=on`"
    figures = [
        Figure(
            what="first-token time added to a direct upstream call",
            how=how,
            reached=added[SQLITE].first_token,
            bar=2 + 2 * commit,
            goal=1.2 + commit,
            unit="ms",
            lower_is_better=True,
            terms="2 ms + 2C; goal 1.2 ms + C",
        ),
        *(
            Figure(
                what=f"the same on {name}" if name == POSTGRES else f"the same, {name}",
                how=on_postgres,
                reached=added[name].first_token,
                bar=12,
                goal=8,
                unit="ms",
                lower_is_better=True,
            )
            for name in (POSTGRES, APART)
        ),
        Figure(
            what="whole streamed run added",
            how=how,
            reached=added[SQLITE].whole,
            bar=2.5 + 3 * commit,
            goal=1.5 + 2 * commit,
            unit="ms",
            lower_is_better=True,
            terms="2.5 ms + 3C; goal 1.5 ms + 2C",
        ),
        *(
            Figure(
                what=f"the same on {name}" if name == POSTGRES else f"the same, {name}",
                how=on_postgres,
                reached=added[name].whole,
                unit="ms",
                lower_is_better=True,
            )
            for name in (POSTGRES, APART)
        ),
    ]
    each = " and ".join(f"{report.number(milliseconds)} ms on {name}" for name, milliseconds in commits.items())
    note = f"C, the p50 of one commit on this disk during the same minutes, was {each}."
    return Section(title="A streamed run", figures=figures, tables=[_table(rounds)], notes=[note])


async def _rounds(count: int) -> tuple[list[Round], dict[str, float]]:
    """The rounds, and C in milliseconds by database."""
    processes.pin_to_client_core()
    steady = processes.steady_upstream(tokens=TOKENS, interval_milliseconds=INTERVAL_MILLISECONDS)
    async with contextlib.AsyncExitStack() as stack:
        postgres = await stack.enter_async_context(databases.postgres())
        upstream = stack.enter_context(processes.running(steady, core=processes.CLIENT_CORE))
        url = f"http://127.0.0.1:{upstream.port}/v1"
        homes = {
            name: await stack.enter_async_context(databases.home(None if name == SQLITE else postgres))
            for name in TREADLES
        }
        clients = {}
        for name, home in homes.items():
            serving = processes.serving(home, upstream=url, workers=name == APART, core=processes.SERVER_CORE)
            server, _workers = stack.enter_context(serving)
            api, connection = await Api.open(server, home.folder), await Connection.open(server.port)
            stack.callback(api.close)
            stack.callback(connection.close)
            clients[name] = api, connection
        commits = {name: await disk.SingleCommits.on(homes[name]) for name in (SQLITE, POSTGRES)}
        for each in commits.values():
            stack.push_async_callback(each.close)
        direct = await Connection.open(upstream.port)
        stack.callback(direct.close)
        rounds = []
        for number in range(count + WARM_UP_ROUNDS):
            for each in commits.values():
                await each.one()
            calls = [(DIRECT, direct, direct_call(), b'"content":"')]
            for name, (api, connection) in clients.items():
                (thread_id,) = await api.threads(1)
                calls.append((name, connection, api.streamed_run(thread_id), b"message.delta"))
            # Whoever goes first finds the core in another state: they take turns.
            first = number % len(calls)
            timed = {}
            for name, connection, request, first_token in [*calls[first:], *calls[:first]]:
                timed[name] = await _timed(connection, request, first_token)
            rounds.append(timed)
        return rounds[WARM_UP_ROUNDS:], {name: each.milliseconds() for name, each in commits.items()}


async def _timed(connection: Connection, request: bytes, first_token: bytes) -> Timed:
    seen: list[float] = []

    def watch(piece: bytes, at: float) -> None:
        if not seen and first_token in piece:
            seen.append(at)

    started = time.perf_counter()
    await connection.follow(request, watch)
    return Timed((seen[0] - started) * 1e3, (time.perf_counter() - started) * 1e3)


def _table(rounds: list[Round]) -> Table:
    rows = []
    for name in (DIRECT, *TREADLES):
        for what, of in (("first token", 0), ("whole", 1)):
            times = [round[name][of] for round in rounds]
            rows.append([name, what, *(report.number(report.percentile(times, percent)) for percent in (50, 90, 99))])
    title = f"{len(rounds)} rounds, {TOKENS} tokens every {INTERVAL_MILLISECONDS:g} ms"
    return Table(title=title, head=["call", "", "p50 ms", "p90 ms", "p99 ms"], rows=rows)


if __name__ == "__main__":
    report.main(measure)
