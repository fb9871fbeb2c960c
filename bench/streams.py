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

from bench.support import disk, processes, report
from bench.support.api import Api, direct_call
from bench.support.load import Connection
from bench.support.processes import Process
from bench.support.report import Figure, Section, Table

INTERVAL_MILLISECONDS: Final = 20.0
TOKENS: Final = 400
# Streams begin one after the other: a burst of beginnings is another question than how many go on.
STARTING_SECONDS: Final = 4.0
FIRST: Final = 350
STEP: Final = 50
MOST: Final = 900
_TOKEN: Final = b"token "


class Held(NamedTuple):
    """One number of streams: the lag of its tokens in milliseconds, and the shares that were used of the cores."""

    streams: int
    p50: float
    p99: float
    server_busy: float
    others_busy: float

    @property
    def holds(self) -> bool:
        return self.p99 < INTERVAL_MILLISECONDS


def measure(quick: bool) -> Section:
    """Two to four minutes; `quick` tries the bar and the goal only."""
    numbers = (350, 500) if quick else tuple(range(FIRST, MOST + 1, STEP))
    tried, direct = uvloop.run(_try_all(numbers))
    figure = Figure(
        what="streams at 50 tokens/s held by one core, steps written",
        how="p99 lag of a token below one interval",
        reached=max((held.streams for held in tried if held.holds), default=0),
        bar=350,
        goal=500,
    )
    rows = [["Treadle", str(held.streams), *map(report.number, held[1:])] for held in tried]
    rows.append(["direct", str(direct.streams), *map(report.number, direct[1:])])
    head = ["call", "streams", "lag p50 ms", "lag p99 ms", "server's share of its core", "client's and upstream's"]
    title = f"{TOKENS} tokens each, one every {INTERVAL_MILLISECONDS:g} ms"
    return Section(title="Streams", figures=[figure], tables=[Table(title=title, head=head, rows=rows)])


async def _try_all(numbers: tuple[int, ...]) -> tuple[list[Held], Held]:
    """Up to the first number that is not held in two tries; and the last one at the model server itself."""
    processes.pin_to_client_core()
    steady = processes.steady_upstream(tokens=TOKENS, interval_milliseconds=INTERVAL_MILLISECONDS)
    with disk.scratch() as folder, processes.running(steady, core=processes.CLIENT_CORE) as upstream:
        command = processes.treadle(folder, upstream=f"http://127.0.0.1:{upstream.port}/v1")
        with processes.running(command, core=processes.SERVER_CORE) as server:
            api = await Api.open(server, folder)
            tried: list[Held] = []
            for number in numbers:
                for _ in range(2):
                    requests = [api.streamed_run(thread_id) for thread_id in await api.threads(number)]
                    tried.append(await _try(server, requests, server, upstream))
                    if tried[-1].holds:
                        break
                if not tried[-1].holds:
                    break
            api.close()
            direct = await _try(upstream, [direct_call()] * tried[-1].streams, server, upstream)
            return tried, direct


async def _try(at: Process, requests: list[bytes], server: Process, upstream: Process) -> Held:
    connections = [await Connection.open(at.port) for _ in requests]
    before = server.cpu_seconds(), upstream.cpu_seconds() + time.process_time()
    started = time.perf_counter()
    starts = [started + STARTING_SECONDS * number / len(requests) for number in range(len(requests))]
    lags = await asyncio.gather(*map(_lags, connections, requests, starts))
    took = time.perf_counter() - started
    after = server.cpu_seconds(), upstream.cpu_seconds() + time.process_time()
    for connection in connections:
        connection.close()
    all_lags = [lag for of_stream in lags for lag in of_stream]
    return Held(
        len(requests),
        report.percentile(all_lags, 50),
        report.percentile(all_lags, 99),
        (after[0] - before[0]) / took,
        (after[1] - before[1]) / took,
    )


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
