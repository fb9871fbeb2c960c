"""Runs with steps, and pages of them."""

from typing import Any

from msgspec import json
from msgspec.structs import replace

from tests.engine.objects import a_row, a_run
from tests.store.conftest import PROJECT
from treadle import store
from treadle.contract.pages import PageQuery
from treadle.contract.run_steps import MessageCreation, MessageCreationDetails, RunStep, StepStatus
from treadle.contract.runs import RunStatus as S
from treadle.store import Batch, Database
from treadle.store.run_steps import StepRow

THREAD, RUN = "thread_1", "run_1"


def a_step(number: int, run_id: str = RUN) -> RunStep:
    return RunStep(
        id=f"step_{number}",
        created_at=1000,
        assistant_id="asst_1",
        thread_id=THREAD,
        run_id=run_id,
        type="message_creation",
        status=StepStatus.COMPLETED,
        step_details=MessageCreationDetails(message_creation=MessageCreation(message_id=f"msg_{number}")),
    )


async def add_run(database: Database, run_id: str, *, steps: int) -> None:
    batch = Batch()
    batch.write(store.runs.insert(a_row(replace(a_run(S.COMPLETED), id=run_id))))
    for number in range(1, steps + 1):
        batch.write(store.run_steps.insert(StepRow(a_step(number, run_id), number, 0)))
    await database.commit(batch)


async def page_of_steps(database: Database, query: PageQuery, run_id: str = RUN) -> Any:
    page = await store.run_steps.find_page(database, PROJECT, THREAD, run_id, query, now=1)
    return None if page is None else json.decode(page)


def ids(page: Any) -> list[str]:
    return [item["id"] for item in page["data"]]
