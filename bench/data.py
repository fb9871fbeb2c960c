"""Databases full of finished runs: the rows that the engine writes, made in bulk, the same ones every time.

Each run has 100 steps, every other one a message and a function call. Two hundred runs grow side by side, as they do on
a server, so the pages of the database are filled out of order. The messages behind the steps are left out: no list of
steps reads them.
"""

import asyncio
import hashlib
import shutil
import time
from collections import defaultdict
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from bench.support.processes import Home
from treadle import store
from treadle.contract.ids import PREFIXES, Kind
from treadle.contract.run_steps import (
    FunctionCall,
    FunctionToolCall,
    MessageCreation,
    MessageCreationDetails,
    RunStep,
    StepStatus,
    StepUsage,
    ToolCallsDetails,
)
from treadle.contract.runs import Run, RunStatus, RunUsage
from treadle.contract.threads import Thread
from treadle.contract.tools import ToolResources
from treadle.store import Batch
from treadle.store.batch import Value
from treadle.store.pg_connections import connected
from treadle.store.run_steps import StepRow
from treadle.store.runs import RunRow

RESULTS: Final = Path(__file__).with_name("results")
STEPS_PER_RUN: Final = 100
RUNS_AT_A_TIME: Final = 200
VACUUM_SECONDS: Final = 600
STATEMENTS_PER_BATCH: Final = 1_000
STATEMENTS_AT_ONCE: Final = 20_000
CREATED_AT: Final = 1_760_000_000

# Steps of 930 bytes on average: 580 the messages, 1,280 the calls.
_ARGUMENTS: Final = '{"city":"Kyiv","days":3,"units":"metric","fields":["temperature","wind","humidity"]}'
_REPORT: Final = "Mild and dry, with a light wind from the south-west and some clouds towards the evening. " * 5
_OUTPUT: Final = f'{{"temperature":[21.5,19.0,17.5],"wind":[3.1,4.0,2.2],"humidity":[0.4,0.5,0.6],"text":"{_REPORT}"}}'


def folder(steps: int) -> Path:
    """A data folder with `steps` steps and an API key, made when it is not there yet."""
    made = RESULTS / f"data-{steps // 1000}k"
    if not (made / "complete").exists():
        shutil.rmtree(made, ignore_errors=True)
        asyncio.run(_fill(made, steps))
        (made / "complete").touch()
    return made


def identifier(kind: Kind, *numbers: int) -> str:
    """The id of the thing with these numbers."""
    return PREFIXES[kind] + hashlib.sha256(repr((kind, numbers)).encode()).hexdigest()[:24]


def steps_path(run: int) -> str:
    """The path of listRunSteps for run number `run`."""
    return f"/v1/threads/{identifier('thread', run)}/runs/{identifier('run', run)}/steps"


async def fill_postgres(home: Home, steps: int) -> None:
    """The same rows in an empty PostgreSQL database, and a key for it in the data folder."""
    database = await store.open_database(home.folder, home.url)
    try:
        project_id = await _make_key(database, home.folder)
    finally:
        await database.close()
    async with connected(str(home.url), "treadle bench") as connection:
        statements = _statements(project_id, steps // STEPS_PER_RUN)
        while rows := _by_sql(islice(statements, STATEMENTS_AT_ONCE)):
            for sql, args in rows.items():
                await connection.executemany(sql, args)
        # As autovacuum leaves it: statistics, and pages that are known to hold no row of an open transaction.
        await connection.execute("VACUUM ANALYZE", timeout=VACUUM_SECONDS)


async def _fill(data_dir: Path, steps: int) -> None:
    database = await store.open_database(data_dir)
    try:
        project_id = await _make_key(database, data_dir)
        batch = Batch()
        for statement in _statements(project_id, steps // STEPS_PER_RUN):
            batch.write(statement)
            if len(batch.entries) >= STATEMENTS_PER_BATCH:
                await database.commit(batch)
                batch = Batch()
        await database.commit(batch)
    finally:
        await database.close()


async def _make_key(database: store.Database, data_dir: Path) -> str:
    """A key in the data folder; the id of its project."""
    key = store.keys.new_key()
    await store.keys.create(database, key, name="bench", project=store.keys.DEFAULT_PROJECT, now=int(time.time()))
    (data_dir / "api-key").write_text(key)
    return await store.keys.project_id(database, store.keys.DEFAULT_PROJECT, now=int(time.time()))


def _by_sql(statements: Iterator[store.Statement]) -> dict[str, list[tuple[Value, ...]]]:
    """The arguments of all that are the same but for these."""
    found: dict[str, list[tuple[Value, ...]]] = defaultdict(list)
    for statement in statements:
        found[statement.sql].append(statement.args)
    return found


def _statements(project_id: str, runs: int) -> Iterator[store.Statement]:
    for first in range(0, runs, RUNS_AT_A_TIME):
        group = range(first, min(first + RUNS_AT_A_TIME, runs))
        for run in group:
            yield store.threads.insert(_thread(run), project_id)
            yield store.runs.insert(run_row(run, project_id))
        for seq in range(1, STEPS_PER_RUN + 1):
            for run in group:
                yield store.run_steps.insert(StepRow(step(run, seq), seq, seq // 2))


def _thread(run: int) -> Thread:
    return Thread(
        id=identifier("thread", run), created_at=CREATED_AT + run, tool_resources=ToolResources(), metadata={}
    )


def run_row(run: int, project_id: str) -> RunRow:
    """Run number `run`, completed."""
    completed = Run(
        id=identifier("run", run),
        created_at=CREATED_AT + run,
        thread_id=identifier("thread", run),
        assistant_id=identifier("assistant", 1),
        status=RunStatus.COMPLETED,
        started_at=CREATED_AT + run,
        completed_at=CREATED_AT + run + STEPS_PER_RUN,
        model="gpt-4o",
        instructions="You answer questions about the weather.",
        tools=[],
        usage=RunUsage(completion_tokens=6_000, prompt_tokens=60_000, total_tokens=66_000),
    )
    return RunRow(run=completed, project_id=project_id, due_at=None)


def step(run: int, seq: int) -> RunStep:
    """Step number `seq`, from 1, of run number `run`."""
    said = seq % 2 == 0
    call = FunctionToolCall(
        id=identifier("tool_call", run, seq),
        function=FunctionCall(name="get_weather", arguments=_ARGUMENTS, output=_OUTPUT),
    )
    message = MessageCreation(message_id=identifier("message", run, seq))
    return RunStep(
        id=identifier("run_step", run, seq),
        created_at=CREATED_AT + run + seq,
        assistant_id=identifier("assistant", 1),
        thread_id=identifier("thread", run),
        run_id=identifier("run", run),
        type="message_creation" if said else "tool_calls",
        status=StepStatus.COMPLETED,
        step_details=MessageCreationDetails(message_creation=message) if said else ToolCallsDetails(tool_calls=[call]),
        completed_at=CREATED_AT + run + seq + 1,
        metadata={},
        usage=StepUsage(completion_tokens=60, prompt_tokens=600, total_tokens=660),
    )


if __name__ == "__main__":
    print(folder(1_000_000))
