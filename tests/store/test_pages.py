"""Pages as the store reads them: what they cost, and in which order they come. Rules P-1 to P-9."""

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import apsw
import pytest
from msgspec import json
from msgspec.structs import replace

from tests.engine.objects import a_message, a_row, a_run
from tests.store.conftest import PROJECT
from treadle import store
from treadle.contract.assistants import Assistant
from treadle.contract.errors import NotFound
from treadle.contract.messages import Message
from treadle.contract.pages import MessageQuery, PageQuery
from treadle.contract.run_steps import MessageCreation, MessageCreationDetails, RunStep, StepStatus
from treadle.contract.runs import RunStatus as S
from treadle.store import Batch, Database, Statement, pages
from treadle.store.run_steps import StepRow
from treadle.store.sqlite import SqliteDatabase, local

THREAD, RUN = "thread_1", "run_1"
SHAPES = list(product((True, False), (True, False), (True, False)))

Measured = list[dict[str, Any]]


@pytest.fixture
def measured(database: SqliteDatabase) -> Iterator[Measured]:
    """What each SELECT of the reader cost, in SQLite's own counts."""
    events: Measured = []
    database._reader.trace_v2(apsw.SQLITE_TRACE_PROFILE, events.append)
    yield events
    database._reader.trace_v2(0, None)


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


async def test_a_page_is_one_statement_that_costs_the_same_wherever_it_is_among_50_000_steps(database, measured):
    for number in range(500):
        await add_run(database, f"run_{number}", steps=100)
    measured.clear()

    for run_id, after in (("run_0", "step_100"), ("run_250", "step_50"), ("run_499", "step_22")):
        assert len(ids(await page_of_steps(database, PageQuery(after=after), run_id))) == 20

    costs = [event["stmt_status"] for event in measured]
    assert len(costs) == 3
    assert len({cost["SQLITE_STMTSTATUS_VM_STEP"] for cost in costs}) == 1
    for cost in costs:
        assert cost["SQLITE_STMTSTATUS_SORT"] == 0
        assert cost["SQLITE_STMTSTATUS_FULLSCAN_STEP"] == 0


async def test_a_statement_is_planned_once_whatever_its_limit(database: SqliteDatabase):
    await add_run(database, RUN, steps=9)
    planned: list[object] = []

    def authorize(*of_statement: object) -> int:
        planned.append(of_statement)
        return apsw.SQLITE_OK

    # SQLite asks its authorizer whenever it plans a statement.
    database._reader.authorizer = authorize
    await page_of_steps(database, PageQuery(limit=1))
    asked_at_first = len(planned)
    for limit in (2, 3, 4):
        await page_of_steps(database, PageQuery(limit=limit))

    assert asked_at_first > 0
    assert len(planned) == asked_at_first


@pytest.mark.parametrize("collection", ["_ASSISTANTS", "_MESSAGES", "_OF_RUN", "_RUNS", "STEPS"])
@pytest.mark.parametrize(("ascending", "after", "before"), SHAPES)
async def test_every_page_follows_an_index(database: SqliteDatabase, collection, ascending, after, before):
    of = {
        "_ASSISTANTS": store.assistants._COLLECTION,
        "_MESSAGES": store.messages._COLLECTION,
        "_OF_RUN": store.messages._OF_RUN,
        "_RUNS": store.runs._COLLECTION,
        "STEPS": store.run_steps.COLLECTION,
    }[collection]
    sql = local(pages.select(of, ascending, after, before))
    arguments = ["x"] * (of.arguments + after + before) + [20]

    plan = [row[3] for row in database._reader.execute(f"EXPLAIN QUERY PLAN {sql}", arguments)]

    assert any(line.startswith(f"SEARCH {of.table} USING") for line in plan), plan
    assert not any("TEMP B-TREE" in line or line.startswith("SCAN") for line in plan), plan


class TestTheOrder:
    """P-3: `created_at` is in whole seconds and ties; the order of insertion breaks the ties."""

    @pytest.fixture
    async def messages(self, database: Database, add_thread: Callable[[str], Statement]) -> list[Message]:
        """Nine messages, three a second, whose ids say nothing of their order."""
        names = ["q", "c", "x", "a", "m", "b", "z", "k", "d"]
        made = [a_message(f"msg_{name}", name) for name in names]
        for index, message in enumerate(made):
            message.created_at = 1000 + index // 3
        batch = Batch()
        batch.write(add_thread(THREAD))
        for message in made:
            batch.write(store.messages.insert(message))
        await database.commit(batch)
        return made

    @pytest.mark.parametrize("order", ["asc", "desc"])
    @pytest.mark.parametrize("limit", [1, 2, 4, 9, 20])
    async def test_pages_behind_one_another_show_each_message_once(self, database, messages, order, limit):
        expected = [message.id for message in (messages if order == "asc" else messages[::-1])]

        seen: list[str] = []
        more = True
        while more:
            query = MessageQuery(limit=limit, order=order, after=seen[-1] if seen else None)
            page = json.decode(await store.messages.list_page(database, PROJECT, THREAD, query))
            seen += ids(page)
            more = page["has_more"]

        assert seen == expected

    @pytest.mark.parametrize("order", ["asc", "desc"])
    @pytest.mark.parametrize("limit", [1, 2, 4, 9, 20])
    async def test_pages_before_one_another_show_each_message_once(self, database, messages, order, limit):
        """P-6: a page before a cursor is the one that ends right there, in the requested order."""
        expected = [message.id for message in (messages if order == "asc" else messages[::-1])]

        seen = expected[-1:]
        more = True
        while more:
            query = MessageQuery(limit=limit, order=order, before=seen[0])
            page = json.decode(await store.messages.list_page(database, PROJECT, THREAD, query))
            seen = ids(page) + seen
            more = page["has_more"]

        assert seen == expected

    @pytest.mark.parametrize("order", ["asc", "desc"])
    async def test_between_two_cursors_the_page_begins_at_the_first(self, database, messages, order):
        expected = [message.id for message in (messages if order == "asc" else messages[::-1])]

        query = MessageQuery(limit=3, order=order, after=expected[1], before=expected[7])
        page = json.decode(await store.messages.list_page(database, PROJECT, THREAD, query))

        assert (ids(page), page["has_more"]) == (expected[2:5], True)

    async def test_p_8_a_cursor_that_was_deleted_still_says_where_to_go_on(self, database, messages):
        for message in messages[3:6]:
            batch = Batch()
            store.messages.delete(batch, THREAD, message.id)
            await database.commit(batch)

        after = json.decode(
            await store.messages.list_page(database, PROJECT, THREAD, MessageQuery(order="asc", after=messages[4].id))
        )

        assert ids(after) == [message.id for message in messages[6:]]

    async def test_p_8_a_cursor_that_was_never_here_is_not_found_also_on_an_empty_page(self, database, messages):
        for query in (MessageQuery(after="msg_none"), MessageQuery(limit=1, before="msg_none")):
            with pytest.raises(NotFound, match="msg_none"):
                await store.messages.list_page(database, PROJECT, THREAD, query)


async def test_documents_go_out_as_they_are_stored(database, add_thread):
    """Unread: also what this version would not write."""
    document = b'{"id":"asst_1", "from": "a later version", "name":"\\u0000 \xf0\x9f\x99\x82"}'
    batch = Batch()
    batch.write(store.assistants.insert(Assistant(id="asst_1", created_at=1, model="gpt-4o"), PROJECT))
    batch.write(Statement("UPDATE assistants SET doc = $1", (document,)))
    await database.commit(batch)

    page = await store.assistants.list_page(database, PROJECT, PageQuery())

    assert page == (
        b'{"object":"list","data":[' + document + b'],"first_id":"asst_1","last_id":"asst_1","has_more":false}'
    )


async def test_p_2_an_empty_page_has_no_ids(database):
    page = json.decode(await store.assistants.list_page(database, PROJECT, PageQuery()))

    assert page == {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}


@pytest.mark.parametrize(("limit", "has_more"), [(2, True), (3, False), (4, False)])
async def test_p_4_there_is_more_only_when_another_item_follows(database, limit, has_more):
    await add_run(database, RUN, steps=3)

    assert (await page_of_steps(database, PageQuery(limit=limit)))["has_more"] is has_more


async def test_the_steps_of_one_run_are_no_cursors_in_another(database):
    await add_run(database, "run_1", steps=3)
    await add_run(database, "run_2", steps=2)

    with pytest.raises(NotFound, match="step_3"):
        await page_of_steps(database, PageQuery(after="step_3"), "run_2")


async def test_steps_of_another_project_or_of_an_overdue_run_are_not_shown(database):
    """The caller finds out which of both it is, and expires the run (R-6)."""
    batch = Batch()
    batch.write(store.runs.insert(a_row(a_run(S.IN_PROGRESS))))
    batch.write(store.run_steps.insert(StepRow(a_step(1), 1, 0)))
    await database.commit(batch)

    async def found(project_id: str, now: int) -> bool:
        page = await store.run_steps.find_page(database, project_id, THREAD, RUN, PageQuery(), now=now)
        return page is not None

    assert [await found(PROJECT, 1599), await found(PROJECT, 1600), await found("proj_2", 1599)] == [True, False, False]
