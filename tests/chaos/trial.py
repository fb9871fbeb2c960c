"""One trial: clients with planned runs before a cluster, the monkey meanwhile, and then the checks."""

import asyncio
import json
import math
import random
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from tests.chaos import checks, plans
from tests.chaos.client import Conversation
from tests.chaos.cluster import Cluster, running
from tests.chaos.door import Door, Unknown
from tests.chaos.monkey import APPLICATION, Monkey
from tests.chaos.plans import Plan
from tests.chaos.takeovers import Takeovers
from tests.support.api import Json

# After the trouble, for the runs to end.
SETTLE_SECONDS = 60.0
RUNS_OF_A_CLIENT = 5
ASSISTANT = {
    "model": "scripted",
    "tools": [{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}],
}
# Beyond the lease, for at least nine of ten takeovers: a worker looks for work once a second.
TAKEOVER_BAR_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class Options:
    """`seconds` is how long the trouble lasts, `lease` in seconds."""

    runs: int
    seconds: float
    seed: int
    lease: float


@dataclass(kw_only=True)
class Report:
    """What happened. `problems` says what is wrong, about which run or thread."""

    options: Options
    folder: Path
    problems: list[str] = field(default_factory=list)
    takeovers: list[float] = field(default_factory=list)
    deeds: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    def keep(self, rows: str) -> None:
        """Beside the logs."""
        (self.folder / "rows.json").write_text(rows)

    def __str__(self) -> str:
        seconds, lease = self.takeovers, self.options.lease
        lines = [
            f"{self.options.runs} runs in {self.seconds:.0f} s, seed {self.options.seed}",
            *(f"{count:>6} {deed}" for deed, count in sorted(self.deeds.items())),
            f"{len(seconds):>6} takeovers; seconds from the loss of a worker to the next claim, lease {lease:g}:",
            "       " + " ".join(f"{second:.2f}" for second in seconds),
        ]
        if seconds:
            marks = ", ".join(f"p{share} {percentile(seconds, share / 100):.2f}" for share in (50, 90, 100))
            lines.append(f"       {marks}; bar for p90: {lease + TAKEOVER_BAR_SECONDS:g}")
        if self.problems:
            lines += [f"{len(self.problems)} PROBLEMS; logs and rows are in {self.folder}", *self.problems]
        return "\n".join(lines)


class Client:
    """Makes its runs one after the other on a thread of its own. What goes wrong with one is in `problems`."""

    def __init__(self, cluster: Cluster, planned: Sequence[Plan], database: asyncpg.Pool, *, at: int) -> None:
        self.conversations: list[Conversation] = []
        self.problems: list[str] = []
        self._planned, self._database = planned, database
        self._doors = Door(cluster.apis, at), Door(cluster.apis, at + 1)
        self._began_at = time.monotonic()

    async def close(self) -> None:
        for door in self._doors:
            await door.close()

    async def live(self, assistant: Json) -> None:
        """Goes on to the next run when one has failed."""
        thread = await self._thread()
        for plan in self._planned:
            await asyncio.sleep(self._began_at + plan.begins_at - time.monotonic())
            conversation = Conversation(plan, thread, assistant, *self._doors, self._make_overdue)
            self.conversations.append(conversation)
            try:
                await conversation.to_its_end()
            except Exception as error:  # whatever it is, the others go on
                self.problems.append(f"{plan}: {''.join(traceback.format_exception(error))}")

    async def _thread(self) -> Json:
        """A thread that was made without our hearing of it does no harm."""
        while True:
            try:
                return await self._doors[0].post("/threads", {})
            except Unknown:
                pass

    async def _make_overdue(self, run: Json) -> None:
        await self._database.execute(
            "UPDATE runs SET due_at = floor(treadle_now()) WHERE thread_id = $1 AND id = $2 AND status = $3",
            *(run["thread_id"], run["id"], "requires_action"),
        )


async def run(options: Options, url: str, folder: Path) -> Report:
    """`url` is that of a fresh, migrated database; logs go to `folder`."""
    report = Report(options=options, folder=folder)
    rng = random.Random(options.seed)
    planned = plans.make(options.runs, rng=rng, seconds=options.seconds)
    settings = {"application_name": APPLICATION}
    began_at = time.monotonic()
    async with (
        asyncpg.create_pool(url, min_size=1, max_size=4, server_settings=settings) as database,
        running(url, plans.script(planned), folder, lease_seconds=options.lease) as cluster,
    ):
        takeovers = Takeovers(database)
        monkey = Monkey(cluster, takeovers, database, rng, lease=options.lease)
        count = math.ceil(options.runs / RUNS_OF_A_CLIENT)
        clients = [Client(cluster, planned[at::count], database, at=at) for at in range(count)]
        door = Door(cluster.apis, 0)
        assistant = await door.post("/assistants", ASSISTANT)
        watching = asyncio.create_task(takeovers.watch_until_stopped())
        try:
            async with asyncio.timeout(options.seconds + SETTLE_SECONDS), asyncio.TaskGroup() as trouble:
                trouble.create_task(monkey.rage(options.seconds))
                for client in clients:
                    trouble.create_task(client.live(assistant))
        except TimeoutError:
            report.problems += [
                f"not over {SETTLE_SECONDS:g} s after the trouble: {one}" for one in _unfinished(clients)
            ]
        else:
            report.problems += [f"{one.name} ended by itself" for one in cluster.processes if one.ended_by_itself]
            report.problems += await _checked(cluster, clients, database, rng)
        report.problems += [problem for client in clients for problem in client.problems]
        watching.cancel()
        await asyncio.wait({watching})
        report.takeovers, report.deeds = sorted(takeovers.seconds), monkey.deeds
        if report.takeovers and percentile(report.takeovers, 0.9) > options.lease + TAKEOVER_BAR_SECONDS:
            report.problems.append("takeovers took too long")
        if report.problems:
            report.keep(await _rows(database))
        for client in clients:
            await client.close()
        await door.close()
    report.seconds = time.monotonic() - began_at
    return report


async def _checked(
    cluster: Cluster, clients: Sequence[Client], database: asyncpg.Pool, rng: random.Random
) -> list[str]:
    """Everything that is wrong in the end."""
    doors = [Door([api], 0) for api in cluster.apis]
    conversations = [conversation for client in clients for conversation in client.conversations if conversation.run]
    problems = await checks.check_rows(database, runs=len(conversations))
    for conversation in conversations:
        found = await checks.check_run(conversation, doors[0])
        problems += [f"{conversation.plan}, {conversation.path}: {problem}" for problem in found]
    for client in clients:
        made = [conversation for conversation in client.conversations if conversation.run]
        if made:
            problems += await checks.check_thread(made, doors, rng)
    for door in doors:
        await door.close()
    return problems


def _unfinished(clients: Sequence[Client]) -> list[str]:
    """The runs that are not over, as they were last seen."""
    conversations = [conversation for client in clients for conversation in client.conversations]
    return [
        f"{one.plan}: {one.run}" for one in conversations if one.run is None or one.run["status"] != one.plan.status
    ]


async def _rows(database: asyncpg.Pool) -> str:
    """All there is, for whoever has to find out."""
    rows = {}
    for table in ("runs", "run_steps", "messages", "turns", "workers"):
        rows[table] = [
            {name: json.loads(value) if name == "doc" else value for name, value in row.items()}
            for row in await database.fetch(f"SELECT * FROM {table}")
        ]
    return json.dumps(rows, indent=1)


def percentile(ordered: Sequence[float], share: float) -> float:
    """By nearest rank."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
