"""What a streamed run takes longer than the same call made to the model server directly: to its first token, and whole.

Both calls of a pair follow each other at once, over connections that are open; a pair's difference is one measurement.
The model server, the client and the commits that make C are on one core, Treadle on the other.
"""

import time
from statistics import median
from typing import Final, NamedTuple

import uvloop

from bench.support import disk, processes, report
from bench.support.api import Api, direct_call
from bench.support.load import Connection
from bench.support.report import Figure, Section, Table

TOKENS: Final = 20
INTERVAL_MILLISECONDS: Final = 5.0
WARM_UP_PAIRS: Final = 20


class Timed(NamedTuple):
    """Milliseconds from the request to its first token and to its end."""

    first_token: float
    whole: float


class Pair(NamedTuple):
    """The same question, asked twice."""

    direct: Timed
    ours: Timed


def measure(quick: bool) -> Section:
    """About two minutes; a quarter of it when `quick`."""
    pairs, commit = uvloop.run(_pairs(100 if quick else 400))
    first_token = median(pair.ours.first_token - pair.direct.first_token for pair in pairs)
    whole = median(pair.ours.whole - pair.direct.whole for pair in pairs)
    how = "paired, p50; `synchronous=FULL`"
    figures = [
        Figure(
            what="first-token time added to a direct upstream call",
            how=how,
            reached=first_token,
            bar=2 + 2 * commit,
            goal=1.2 + commit,
            unit="ms",
            lower_is_better=True,
            terms="2 ms + 2C; goal 1.2 ms + C",
        ),
        Figure(
            what="whole streamed run added",
            how=how,
            reached=whole,
            bar=2.5 + 3 * commit,
            goal=1.5 + 2 * commit,
            unit="ms",
            lower_is_better=True,
            terms="2.5 ms + 3C; goal 1.5 ms + 2C",
        ),
    ]
    note = f"C, the p50 of one commit on this disk during the same minutes, was {report.number(commit)} ms."
    return Section(title="A streamed run", figures=figures, tables=[_table(pairs)], notes=[note])


async def _pairs(count: int) -> tuple[list[Pair], float]:
    """The pairs, and C in milliseconds."""
    processes.pin_to_client_core()
    steady = processes.steady_upstream(tokens=TOKENS, interval_milliseconds=INTERVAL_MILLISECONDS)
    with disk.scratch() as folder, processes.running(steady, core=processes.CLIENT_CORE) as upstream:
        command = processes.treadle(folder, upstream=f"http://127.0.0.1:{upstream.port}/v1")
        with processes.running(command, core=processes.SERVER_CORE) as server:
            commits = disk.SingleCommits(folder)
            api = await Api.open(server, folder)
            direct, ours = await Connection.open(upstream.port), await Connection.open(server.port)
            pairs = []
            for number, thread_id in enumerate(await api.threads(count + WARM_UP_PAIRS)):
                commits.one()
                calls = [(direct, direct_call(), b'"content":"'), (ours, api.streamed_run(thread_id), b"message.delta")]
                # Whoever goes first finds the core in another state: they take turns.
                order = calls if number % 2 else calls[::-1]
                timed = {call[0]: await _timed(*call) for call in order}
                pairs.append(Pair(timed[direct], timed[ours]))
            for connection in (direct, ours, api):
                connection.close()
            return pairs[WARM_UP_PAIRS:], commits.milliseconds()


async def _timed(connection: Connection, request: bytes, first_token: bytes) -> Timed:
    seen: list[float] = []

    def watch(piece: bytes, at: float) -> None:
        if not seen and first_token in piece:
            seen.append(at)

    started = time.perf_counter()
    await connection.follow(request, watch)
    return Timed((seen[0] - started) * 1e3, (time.perf_counter() - started) * 1e3)


def _table(pairs: list[Pair]) -> Table:
    rows = []
    for name, of_pair in (("direct", 0), ("Treadle", 1)):
        for what, field in (("first token", 0), ("whole", 1)):
            times = [pair[of_pair][field] for pair in pairs]
            rows.append([name, what, *(report.number(report.percentile(times, percent)) for percent in (50, 90, 99))])
    title = f"{len(pairs)} pairs, {TOKENS} tokens every {INTERVAL_MILLISECONDS:g} ms"
    return Table(title=title, head=["call", "", "p50 ms", "p90 ms", "p99 ms"], rows=rows)


if __name__ == "__main__":
    report.main(measure)
