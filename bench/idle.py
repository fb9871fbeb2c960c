"""What a server costs that does nothing, and how soon it answers: memory at rest, and from start to first answer."""

import time
from pathlib import Path
from statistics import median
from typing import Final

import uvloop

from bench.support import databases, load, processes, report
from bench.support.databases import POSTGRES, SQLITE, Postgres
from bench.support.load import Connection
from bench.support.processes import Process
from bench.support.report import Figure, Section, Table

# After the start the allocator and the garbage collector settle.
REST_SECONDS: Final = 2.0
ASK_AGAIN_SECONDS: Final = 0.002


def measure(quick: bool) -> Section:
    """Half a minute; `quick` a little less."""
    at_rest = uvloop.run(_both(3 if quick else 9))
    figures = []
    for dialect, (megabytes, starts) in at_rest.items():
        on = "" if dialect == SQLITE else f", {dialect}"
        figures += [
            Figure(
                what=f"idle memory without the local model{on}",
                how="RSS two seconds after the first answer",
                reached=megabytes,
                bar=90,
                goal=65,
                unit="MB",
                lower_is_better=True,
            ),
            Figure(
                what=f"start to first answer{on}",
                how="from the command to a list of assistants, p50",
                reached=median(starts),
                bar=0.8,
                goal=0.4,
                unit="s",
                lower_is_better=True,
            ),
        ]
    rows = [
        [dialect, str(len(starts)), *(report.number(value) for value in (min(starts), median(starts), max(starts)))]
        for dialect, (_megabytes, starts) in at_rest.items()
    ]
    table = Table(title="Start to first answer", head=["database", "starts", "best s", "p50 s", "worst s"], rows=rows)
    return Section(title="At rest", figures=figures, tables=[table])


async def _both(count: int) -> dict[str, tuple[float, list[float]]]:
    processes.pin_to_client_core()
    async with databases.postgres() as postgres:
        return {SQLITE: await _starts(None, count), POSTGRES: await _starts(postgres, count)}


async def _starts(of: Postgres | None, count: int) -> tuple[float, list[float]]:
    """Memory of the first server in MB, and seconds of each start after it, which made the data folder."""
    async with databases.home(of) as home:
        with processes.running(processes.treadle(home), core=processes.SERVER_CORE) as server:
            await first_answer(server, home.folder)
            time.sleep(REST_SECONDS)  # noqa: ASYNC251 - nothing else is to happen meanwhile
            megabytes = server.resident_megabytes()
        seconds = []
        for _ in range(count):
            started = time.perf_counter()
            with processes.running(processes.treadle(home), core=processes.SERVER_CORE, wait=False) as server:
                await first_answer(server, home.folder)
                seconds.append(time.perf_counter() - started)
        return megabytes, seconds


async def first_answer(server: Process, data_dir: Path) -> Connection:
    """Ask until it answers; the connection that it answered on."""
    while True:
        try:
            connection = await Connection.open(server.port)
            answer = await connection.ask(load.request("GET", "/v1/assistants?limit=1", key=load.key_of(data_dir)))
        except OSError:
            time.sleep(ASK_AGAIN_SECONDS)  # noqa: ASYNC251 - nothing else is to happen meanwhile
            continue
        assert answer.json["object"] == "list"
        return connection


if __name__ == "__main__":
    report.main(measure)
