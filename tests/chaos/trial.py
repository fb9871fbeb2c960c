"""One trial: clients with planned runs before a cluster, the monkey meanwhile, and then the checks."""

import asyncio
import json
import math
import random
import time
from collections.abc import Sequence
from pathlib import Path

import asyncpg
import httpx2

from tests.chaos import checks, door, plans
from tests.chaos.client import Client
from tests.chaos.cluster import Cluster, running
from tests.chaos.door import Door
from tests.chaos.monkey import APPLICATION, Monkey
from tests.chaos.report import Options, Report
from tests.chaos.takeovers import Takeovers

# After the trouble, for the runs to end; and then for the checks.
SETTLE_SECONDS = 60.0
CHECK_SECONDS = 120.0
RUNS_OF_A_CLIENT = 5
TABLES = ("runs", "run_steps", "messages", "turns", "workers")
ASSISTANT = {
    "model": "scripted",
    "tools": [{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}],
}


async def run(options: Options, url: str, folder: Path) -> Report:
    """`url` is that of a fresh, migrated database; logs go to `folder`."""
    report = Report(options=options, folder=folder)
    rng = random.Random(options.seed)
    planned = plans.make(options.runs, rng=rng, seconds=options.seconds)
    settings = {"application_name": APPLICATION}
    began_at = time.monotonic()
    async with (
        asyncpg.create_pool(url, min_size=1, max_size=4, server_settings=settings) as database,
        door.connections() as http,
        running(url, plans.script(planned), folder, lease_seconds=options.lease) as cluster,
    ):
        takeovers = Takeovers(database)
        monkey = Monkey(cluster, takeovers, database, rng, lease=options.lease)
        count = math.ceil(options.runs / RUNS_OF_A_CLIENT)
        clients = [
            Client(planned[at::count], Door(http, cluster.apis, at), Door(http, cluster.apis, at + 1), database)
            for at in range(count)
        ]
        watching = asyncio.create_task(takeovers.watch_until_stopped())
        report.problems += await _live(clients, monkey, Door(http, cluster.apis, 0), options.seconds)
        report.problems += [f"{process.name} ended by itself" for process in cluster.processes if process.has_ended]
        if not report.problems:
            report.problems += await _checked(cluster, clients, http, database, rng)
        watching.cancel()
        report.takeovers, report.deeds = takeovers.seconds, monkey.deeds
        report.judge_takeovers()
        if report.problems:
            report.keep(await _rows(database))
    report.seconds = time.monotonic() - began_at
    return report


async def _live(clients: Sequence[Client], monkey: Monkey, first: Door, seconds: float) -> list[str]:
    """All runs, while the monkey rages. What went wrong."""
    assistant = await first.post("/assistants", ASSISTANT)
    problems = []
    try:
        async with asyncio.timeout(seconds + SETTLE_SECONDS), asyncio.TaskGroup() as trouble:
            trouble.create_task(monkey.rage(seconds))
            for client in clients:
                trouble.create_task(client.live(assistant))
    except TimeoutError:
        problems.append(f"not everything was over {SETTLE_SECONDS:g} s after the trouble")
        problems += [problem for client in clients for problem in client.unfinished]
    return [*problems, *(problem for client in clients for problem in client.problems)]


async def _checked(
    cluster: Cluster, clients: Sequence[Client], http: httpx2.AsyncClient, database: asyncpg.Pool, rng: random.Random
) -> list[str]:
    """Everything that is wrong in the end. Each process is asked by a door of its own."""
    doors = [Door(http, [api], 0) for api in cluster.apis]
    async with asyncio.timeout(CHECK_SECONDS):
        problems = await checks.check_rows(database, runs=sum(len(client.made) for client in clients))
        for client in clients:
            for conversation in client.made:
                problems += await checks.check_run(conversation, doors[0])
            problems += await checks.check_thread(client.made, doors, rng)
    return problems


async def _rows(database: asyncpg.Pool) -> str:
    """All there is, for whoever has to find out."""
    rows = {}
    for table in TABLES:
        rows[table] = [
            {name: json.loads(value) if name == "doc" else value for name, value in row.items()}
            for row in await database.fetch(f"SELECT * FROM {table}")
        ]
    return json.dumps(rows, indent=1)
