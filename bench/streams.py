"""How many streams at 50 tokens a second one core of server holds, every step written.

A token's lag is how much later it came than the stream's own beat allows: token k of a stream is due k intervals after
its start, and the start is the earliest that any of the stream's tokens admits. A number of streams is held when 99 of
100 tokens lag less than one interval, which is when the next token would be due. Tokens that arrive together in one
delta count each by itself. The model server is asked directly, too, with the largest number: it must not be the limit.
"""

import asyncio
import time
from typing import Final, NamedTuple

import uvloop

from bench.support import databases, meter, processes, report
from bench.support.api import Api, direct_call
from bench.support.databases import POSTGRES, SQLITE, Postgres
from bench.support.load import Connection
from bench.support.meter import Meter
from bench.support.processes import Process
from bench.support.report import Figure, Section, Table

INTERVAL_MILLISECONDS: Final = 20.0
TOKENS: Final = 400
# Streams begin one after the other: a burst of beginnings is another question than how many go on.
STARTING_SECONDS: Final = 4.0
FIRST: Final = {SQLITE: 350, POSTGRES: 300}
STEP: Final = 50
MOST: Final = 900
DIRECT: Final = "direct"
_TOKEN: Final = b"token "


class Held(NamedTuple):
    """One number of streams: the lag of its tokens in milliseconds, and the shares that were used of the cores."""

    streams: int
    p50: float
    p99: float
    server_busy: float
    postgres_busy: float
    load_busy: float

    @property
    def holds(self) -> bool:
        return self.p99 < INTERVAL_MILLISECONDS


def measure(quick: bool) -> Section:
    """Four to seven minutes; `quick` tries the bar and the goal only, and on PostgreSQL one number."""
    numbers = {name: (first,) if quick else tuple(range(first, MOST + 1, STEP)) for name, first in FIRST.items()}
    if quick:
        numbers[SQLITE] = (350, 500)
    tried, direct = uvloop.run(_try_all(numbers))
    held = {name: max((one.streams for one in of if one.holds), default=0) for name, of in tried.items()}
    figures = [
        Figure(
            what="streams at 50 tokens/s held by one core, steps written",
            how="p99 lag of a token below one interval",
            reached=held[SQLITE],
            bar=350,
            goal=500,
        ),
        Figure(
            what=f"the same on {POSTGRES}",
            how="PostgreSQL shares the other core with clients and model server",
            reached=held[POSTGRES],
        ),
    ]
    rows = [[name, str(one.streams), *map(report.number, one[1:])] for name, of in tried.items() for one in of]
    rows.append([DIRECT, str(direct.streams), *map(report.number, direct[1:])])
    head = ["call", "streams", "lag p50 ms", "lag p99 ms", "server's share of its core", "PostgreSQL's of the other"]
    title = f"{TOKENS} tokens each, one every {INTERVAL_MILLISECONDS:g} ms"
    table = Table(title=title, head=[*head, "client's and upstream's"], rows=rows)
    return Section(title="Streams", figures=figures, tables=[table])


async def _try_all(numbers: dict[str, tuple[int, ...]]) -> tuple[dict[str, list[Held]], Held]:
    """By database, up to the first number that is not held in two tries; and the largest at the model server itself."""
    processes.pin_to_client_core()
    steady = processes.steady_upstream(tokens=TOKENS, interval_milliseconds=INTERVAL_MILLISECONDS)
    async with databases.postgres() as postgres:
        with processes.running(steady, core=processes.CLIENT_CORE) as upstream:
            tried = {
                SQLITE: await _try_numbers(None, upstream, numbers[SQLITE]),
                POSTGRES: await _try_numbers(postgres, upstream, numbers[POSTGRES]),
            }
            most = max(one.streams for of in tried.values() for one in of)
            direct = await _try(upstream, [direct_call()] * most, Meter([], [], meter.load(upstream)))
            return tried, direct


async def _try_numbers(of: Postgres | None, upstream: Process, numbers: tuple[int, ...]) -> list[Held]:
    url, tried = f"http://127.0.0.1:{upstream.port}/v1", []
    async with databases.home(of) as home:
        with processes.running(processes.treadle(home, upstream=url), core=processes.SERVER_CORE) as server:
            api = await Api.open(server, home.folder)
            clocks = ([server.cpu_seconds], [of.cpu_seconds] if of else [], meter.load(upstream))
            for number in numbers:
                for _ in range(2):
                    requests = [api.streamed_run(thread_id) for thread_id in await api.threads(number)]
                    tried.append(await _try(server, requests, Meter(*clocks)))
                    if tried[-1].holds:
                        break
                if not tried[-1].holds:
                    break
            api.close()
            return tried


async def _try(at: Process, requests: list[bytes], clocks: Meter) -> Held:
    connections = [await Connection.open(at.port) for _ in requests]
    started = time.perf_counter()
    starts = [started + STARTING_SECONDS * number / len(requests) for number in range(len(requests))]
    lags = await asyncio.gather(*map(_lags, connections, requests, starts))
    took, used = clocks.stop()
    for connection in connections:
        connection.close()
    all_lags = [lag for of_stream in lags for lag in of_stream]
    percentiles = (report.percentile(all_lags, percent) for percent in (50, 99))
    return Held(len(requests), *percentiles, *(seconds / took for seconds in used))


async def _lags(connection: Connection, request: bytes, start: float) -> list[float]:
    """The lag of each token in milliseconds."""
    arrivals: list[float] = []

    def watch(piece: bytes, at: float) -> None:
        # The whole text comes once more with the completed message.
        if len(arrivals) < TOKENS:
            arrivals.extend([at] * min(piece.count(_TOKEN), TOKENS - len(arrivals)))

    await asyncio.sleep(start - time.perf_counter())
    await connection.follow(request, watch)
    if len(arrivals) < TOKENS:
        raise RuntimeError(f"{len(arrivals)} of {TOKENS} tokens came")
    beats = [at * 1e3 - number * INTERVAL_MILLISECONDS for number, at in enumerate(arrivals)]
    earliest = min(beats)
    return [beat - earliest for beat in beats]


if __name__ == "__main__":
    report.main(measure)
