"""What a page costs: it follows an index, on both databases, wherever it is and however much there is (P-1, P-3)."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from itertools import product
from typing import Any

import apsw
import pytest
from msgspec import json

from tests.store.steps import RUN, add_run, ids, page_of_steps
from treadle import store
from treadle.contract.pages import PageQuery
from treadle.store import pages
from treadle.store.pg_connections import Raw, connect, connected
from treadle.store.sqlite import SqliteDatabase, local

SHAPES = list(product((True, False), (True, False), (True, False)))
COLLECTIONS = {
    "assistants": store.assistants._COLLECTION,
    "messages": store.messages._COLLECTION,
    "messages of a run": store.messages._OF_RUN,
    "runs": store.runs._COLLECTION,
    "steps": store.run_steps.COLLECTION,
}

Measured = list[dict[str, Any]]


class TestOnSqlite:
    @pytest.fixture
    def database_url(self) -> None:
        """The embedded database."""

    @pytest.fixture
    def measured(self, database: SqliteDatabase) -> Iterator[Measured]:
        """What each SELECT of the reader cost, in SQLite's own counts."""
        events: Measured = []
        database._reader.trace_v2(apsw.SQLITE_TRACE_PROFILE, events.append)
        yield events
        database._reader.trace_v2(0, None)

    async def test_a_page_is_one_statement_that_costs_the_same_wherever_it_is_among_50_000_steps(
        self, database, measured
    ):
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

    async def test_a_statement_is_planned_once_whatever_its_limit(self, database: SqliteDatabase):
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

    @pytest.mark.parametrize("collection", COLLECTIONS.values(), ids=COLLECTIONS)
    @pytest.mark.parametrize(("ascending", "after", "before"), SHAPES)
    async def test_every_page_follows_an_index(self, database: SqliteDatabase, collection, ascending, after, before):
        sql = local(pages.select(collection, ascending, after, before))
        arguments = ["x"] * (collection.arguments + after + before) + [20]

        plan = [row[3] for row in database._reader.execute(f"EXPLAIN QUERY PLAN {sql}", arguments)]

        assert any(line.startswith(f"SEARCH {collection.table} USING") for line in plan), plan
        assert not any("TEMP B-TREE" in line or line.startswith("SCAN") for line in plan), plan


# 50,000 of each: half of them in one thread, run or project, the others in many.
FILLED = """
CREATE FUNCTION pg_temp.owner(prefix text, n bigint) RETURNS text LANGUAGE sql
    AS $$ SELECT prefix || CASE WHEN n % 2 = 0 THEN 0 ELSE n END $$;
INSERT INTO threads (id, project_id, created_at, version, doc)
    SELECT pg_temp.owner('thread_', n), 'proj_0', n, 1, '{}' FROM generate_series(1, 50000) AS n
    WHERE n % 2 = 1 OR n = 2;
INSERT INTO runs (thread_id, id, project_id, created_at, status, version, fence, takeovers, turn, needs, include, doc)
    SELECT pg_temp.owner('thread_', n), 'run_' || n, 'proj_0', n / 3, 'completed', 1, 1, 0, 0, '', '', '{}'
    FROM generate_series(0, 50000) AS n;
INSERT INTO run_steps (thread_id, run_id, seq, id, turn, status, created_at, doc)
    SELECT pg_temp.owner('thread_', n), pg_temp.owner('run_', n), n, 'step_' || n, 0, 'completed', n / 3,
           convert_to(repeat('x', 900), 'UTF8')
    FROM generate_series(1, 50000) AS n;
INSERT INTO messages (thread_id, id, run_id, created_at, status, version, doc)
    SELECT pg_temp.owner('thread_', n), 'msg_' || n, pg_temp.owner('run_', n), n / 3, 'completed', 1, '{}'
    FROM generate_series(1, 50000) AS n;
INSERT INTO assistants (id, project_id, created_at, version, doc)
    SELECT 'asst_' || n, pg_temp.owner('proj_', n), n / 3, 1, '{}' FROM generate_series(1, 50000) AS n;
ANALYZE;
"""
# Per collection: the arguments of the large one, the prefix of its members' ids, and the index of its order.
LARGE = {
    "assistants": (["proj_0"], "asst_", "assistants_in_order"),
    "messages": (["thread_0", "proj_0"], "msg_", "messages_in_order"),
    "messages of a run": (["thread_0", "proj_0", "run_0"], "msg_", "messages_of_run"),
    "runs": (["thread_0", "proj_0"], "run_", "runs_in_order"),
    "steps": (["thread_0", "run_0", "proj_0", 1], "step_", "run_steps_pkey"),
}


@pytest.fixture(scope="module")
def database_urls(databases) -> Iterator[dict[str, str]]:
    with databases.database() as empty, databases.database() as filled:
        asyncio.run(fill(filled))
        yield {"empty": empty, "filled": filled}


class TestOnPostgres:
    @pytest.fixture
    async def connection(self, database_urls, rows) -> AsyncIterator[Raw]:
        """As the server makes them."""
        connection = await connect(database_urls[rows])
        yield connection
        await connection.close()

    @pytest.mark.parametrize("rows", ["empty", "filled"])
    @pytest.mark.parametrize("collection", COLLECTIONS)
    @pytest.mark.parametrize(("ascending", "after", "before"), SHAPES)
    async def test_every_page_follows_an_index(self, connection, rows, collection, ascending, after, before):
        """Also as planned when the tables were still empty: a plan may be kept for long."""
        arguments, prefix, index = LARGE[collection]
        first, last = ("20000", "40000") if ascending else ("40000", "20000")
        cursors = [prefix + first] * after + [prefix + last] * before

        plan = await explained(
            connection, pages.select(COLLECTIONS[collection], ascending, after, before), [*arguments, *cursors, 21]
        )

        nodes = list(nodes_of(plan))
        assert {node["Node Type"] for node in nodes} <= {"Limit", "Result", "Append", "Index Scan"}
        assert nodes[-1]["Index Name"] == index
        assert {node["Index Name"] for node in nodes[:-1] if "Index Name" in node} <= {
            "assistants_by_id",
            "threads_by_id",
            "messages_by_id",
            "runs_by_id",
            "run_steps_by_id",
            "tombstones_pkey",
        }
        if rows == "filled":
            # No row is read that is not shown, wherever the page begins.
            assert nodes[-1]["Actual Rows"] == 21
            assert nodes[-1].get("Rows Removed by Filter", 0) == 0

    @pytest.mark.parametrize("rows", ["empty", "filled"])
    @pytest.mark.parametrize(
        ("statement", "index"),
        [
            ("SELECT id FROM runs WHERE thread_id = $1 AND status IN " + store.runs.ACTIVE, "runs_active"),
            ("SELECT 1 FROM runs WHERE thread_id = $1 AND id = $2 AND fence = $3 FOR UPDATE", "runs_by_id"),
            ("SELECT 1 FROM threads WHERE id = $1 AND project_id = $2 FOR UPDATE", "threads_by_id"),
            ("SELECT doc FROM messages WHERE thread_id = $1 AND id = $2", "messages_by_id"),
            ("SELECT doc FROM assistants WHERE id = $1 AND project_id = $2", "assistants_by_id"),
            ("SELECT id FROM runs WHERE due_at IS NOT NULL AND due_at <= $1 ORDER BY due_at LIMIT $2", "runs_due"),
            ("SELECT id FROM runs WHERE status IN " + store.runs.WORK + " ORDER BY seq LIMIT $1", "runs_to_work_on"),
        ],
        ids=lambda value: value.split(" ")[0] if " " in value else value,
    )
    async def test_what_happens_all_the_time_is_a_look_up(self, connection, statement, index):
        """Of two indexes that would do, the one that finds one row: a thread may have many runs and messages."""
        types = [type.name for type in (await connection.prepare(statement)).get_parameters()]

        plan = await explained(connection, statement, [1 if type == "int8" else "thread_0" for type in types])

        assert [node["Index Name"] for node in nodes_of(plan) if "Index Name" in node] == [index]


async def fill(url: str) -> None:
    async with connected(url, "test") as connection:
        await connection.execute(FILLED)


async def explained(connection: Raw, sql: str, arguments: list[Any]) -> dict[str, Any]:
    """The plan of a prepared statement, carried out."""
    types = [type.name for type in (await connection.prepare(sql)).get_parameters()]
    await connection.execute(f"PREPARE asked({', '.join(types)}) AS {sql}")
    values = ", ".join(repr(argument) for argument in arguments)
    text = await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE asked({values})")
    return json.decode(text)[0]["Plan"]


def nodes_of(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Depth first: what a page reads comes last, behind the look-ups of its conditions."""
    yield plan
    for below in plan.get("Plans", []):
        yield from nodes_of(below)
