"""A run's way to the model and back: in one process, and with the worker in another than the client's server.

From the request that creates the run to the first byte of the request to the model server; and from each token that
the model server sends to its arrival at the client. Across processes the way there is a row and a NOTIFY, and on the
way back each token is in a NOTIFY. One run at a time; the set-ups take turns.
"""

import contextlib
import time
from statistics import median
from typing import Final, NamedTuple

import uvloop

from bench.support import databases, disk, model, processes, report
from bench.support.api import Api
from bench.support.databases import POSTGRES, SQLITE
from bench.support.load import Connection
from bench.support.model import ModelServer
from bench.support.report import Figure, Section, Table

TOKENS: Final = 20
INTERVAL_MILLISECONDS: Final = 20.0
# A server looks every two seconds which workers there are.
WARM_UP_SECONDS: Final = 3.0

ALONE_SQLITE: Final = f"one process, {SQLITE}"
ALONE_POSTGRES: Final = f"one process, {POSTGRES}"
APART: Final = f"API + worker, {POSTGRES}"


class Way(NamedTuple):
    """Milliseconds of one run: to the model server, and back for each token, the first of which opens the message."""

    there: float
    back: list[float]


class Client:
    """Runs at one set-up."""

    def __init__(self, api: Api, connection: Connection, upstream: ModelServer) -> None:
        self._api, self._connection, self._upstream = api, connection, upstream

    async def run(self) -> Way:
        (thread_id,) = await self._api.threads(1)
        request = self._api.streamed_run(thread_id)
        arrived: list[float] = []

        def watch(piece: bytes, at: float) -> None:
            # The whole text comes once more with the completed message.
            if len(arrived) < TOKENS:
                arrived.extend([at] * min(piece.count(model.TOKEN), TOKENS - len(arrived)))

        started = time.perf_counter()
        await self._connection.follow(request, watch)
        sent = self._upstream.sent_at
        if len(arrived) < TOKENS:
            raise RuntimeError(f"{len(arrived)} of {TOKENS} tokens came")
        back = [(at - sent_at) * 1e3 for at, sent_at in zip(arrived, sent, strict=True)]
        return Way((self._upstream.asked_at - started) * 1e3, back)

    def close(self) -> None:
        self._connection.close()
        self._api.close()


def measure(quick: bool) -> Section:
    """About two minutes; `quick` a sixth of it."""
    ways, commit = uvloop.run(_ways(10 if quick else 80))
    figures = [
        Figure(
            what=f"start of a run, {name}",
            how="from the create to the first byte at the model server, p50",
            reached=median(way.there for way in of_setup),
            bar=10 if name == APART else None,
            goal=5 if name == APART else None,
            unit="ms",
            lower_is_better=True,
        )
        for name, of_setup in ways.items()
    ]
    figures += [
        Figure(
            what=f"a token's way, {name}",
            how="from the model server to the client, p50 of all but the first",
            reached=median(_later_tokens(of_setup)),
            unit="ms",
            lower_is_better=True,
        )
        for name, of_setup in ways.items()
    ]
    return Section(
        title="Server and worker apart",
        figures=figures,
        tables=[_table(ways)],
        notes=[
            f"C on {POSTGRES}, the p50 of one commit during the same minutes, was {report.number(commit)} ms. One "
            "process makes one commit before it asks the model, server and worker make two; the first token waits for "
            "one more."
        ],
    )


async def _ways(count: int) -> tuple[dict[str, list[Way]], float]:
    """By set-up; and C on PostgreSQL in milliseconds."""
    processes.pin_to_client_core()
    async with contextlib.AsyncExitStack() as stack:
        postgres = await stack.enter_async_context(databases.postgres())
        homes = [await stack.enter_async_context(databases.home(of)) for of in (None, postgres, postgres)]
        upstream = await stack.enter_async_context(
            model.answering(tokens=TOKENS, interval_seconds=INTERVAL_MILLISECONDS / 1e3)
        )

        clients = {}
        for name, home in zip((ALONE_SQLITE, ALONE_POSTGRES, APART), homes, strict=True):
            workers, core = int(name == APART), processes.SERVER_CORE
            serving = processes.serving(home, upstream=upstream.base_url, workers=workers, core=core)
            server, _workers = stack.enter_context(serving)
            clients[name] = Client(await Api.open(server, home.folder), await Connection.open(server.port), upstream)
            stack.callback(clients[name].close)
        commits = await disk.SingleCommits.on(homes[1])
        stack.push_async_callback(commits.close)
        warm_at = time.perf_counter() + WARM_UP_SECONDS
        while time.perf_counter() < warm_at:
            for each in clients.values():
                await each.run()
        ways: dict[str, list[Way]] = {name: [] for name in clients}
        for _ in range(count):
            await commits.one()
            for name, each in clients.items():
                ways[name].append(await each.run())
        return ways, commits.milliseconds()


def _later_tokens(ways: list[Way]) -> list[float]:
    return [lag for way in ways for lag in way.back[1:]]


def _table(ways: dict[str, list[Way]]) -> Table:
    rows = []
    for name, of_setup in ways.items():
        for what, times in (
            ("create to model server", [way.there for way in of_setup]),
            ("first token back", [way.back[0] for way in of_setup]),
            ("other tokens back", _later_tokens(of_setup)),
        ):
            rows.append([name, what, *(report.number(report.percentile(times, percent)) for percent in (50, 95, 99))])
    title = f"{len(next(iter(ways.values())))} runs each, {TOKENS} tokens every {INTERVAL_MILLISECONDS:g} ms"
    return Table(title=title, head=["set-up", "way", "p50 ms", "p95 ms", "p99 ms"], rows=rows)


if __name__ == "__main__":
    report.main(measure)
