"""The SQL and the shell of docs/running do what the pages say, on a PostgreSQL of the newest version we test."""

import asyncio
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.test_names import parse
from tests.docs.blocks import Block, blocks_of
from tests.support import postgres as support
from tests.support.runs import messages_of, ran, steps_of
from tools.docs import ROOT
from tools.postgres import programs
from treadle.contract.pages import PageQuery
from treadle.store import messages, pages, run_steps
from treadle.upstream.scripted import say

PAGES = sorted((ROOT / "docs/running").glob("*.md"))
WITH_SQL = [path for path in PAGES if any(block.language == "sql" for block in blocks_of(path))]
GROWTH = ROOT / "docs/running/growth.md"
SHELL = [block for path in PAGES for block in blocks_of(path) if block.language == "sh"]
ROLES = ROOT / "deploy/roles.sql"


@pytest.fixture(scope="module")
def databases() -> Iterator[support.Databases]:
    """A server of our own, whatever the other suites use: dumps and partitions depend on its version."""
    with support.PostgresServer() as server, support.Databases(server.url) as made:
        # The superuser of these tests has the name of the other role.
        psql(server.url, "CREATE ROLE treadle_owner LOGIN")
        yield made


@pytest.fixture
def database_url(postgres: str) -> str:
    return postgres


@pytest.mark.parametrize("path", WITH_SQL, ids=lambda path: path.name)
def test_the_sql_of_a_page_runs(path, postgres):
    for block in blocks_of(path):
        if block.language == "sql":
            psql(postgres, block.code)


async def test_runs_work_on_partitioned_tables_and_plans_stay_along_the_index_of_one(
    postgres, api, thread, assistant, upstream
):
    upstream.will_say(say("sunny"), say("rainy"))
    before = await ran(api, thread, assistant)

    [partitions] = [block.code for block in blocks_of(GROWTH) if block.language == "sql"]
    psql(postgres, partitions)
    after = await ran(api, thread, assistant)

    assert before["status"] == after["status"] == "completed"
    for run in (before, after):
        assert [step["status"] for step in await steps_of(api, run)] == ["completed"]
    assert [message["role"] for message in await messages_of(api, thread)] == ["user", "assistant", "assistant"]
    for collection in (run_steps.COLLECTION, messages._COLLECTION):
        plan = explained(postgres, collection, PageQuery(limit=20, after="any"))
        assert "Subplans Removed: 15" in plan
        assert len(set(re.findall(rf" on {collection.table}_(\d+)", plan))) == 1
        assert re.search(r"-> +(Incremental )?Sort", plan) is None
        assert "Seq Scan" not in plan
        assert "Filter: (id" not in plan, "a cursor is found by its id"


@pytest.mark.parametrize("path", sorted({block.path for block in SHELL if block.comment.startswith("run")}), ids=str)
def test_the_shell_of_a_page_runs(path, postgres, tmp_path):
    (tmp_path / "data").mkdir(mode=0o700)
    path_of_programs = os.pathsep.join(map(str, (programs(), Path(sys.executable).parent, os.environ["PATH"])))
    here = {**os.environ, "PATH": path_of_programs}
    here |= {"TREADLE_DATA_DIR": str(tmp_path / "data"), "TREADLE_UPSTREAM_URL": "http://127.0.0.1:9/v1"}
    folder = postgres.partition("host=")[2]
    there = {**here, "TREADLE_DATABASE": postgres, "PGHOST": folder, "PGUSER": "treadle", "PGDATABASE": "postgres"}
    for environment in (here, there):
        bash("treadle keys create laptop", environment, tmp_path)

    for block in SHELL:
        if block.path == path and block.comment.startswith("run"):
            bash(block.code, there if block.comment == "run: PostgreSQL" else here, tmp_path)

    restored = postgres.replace(database_of(postgres), "treadle_restored")
    assert "laptop" in psql(restored, "SELECT name FROM keys")
    psql(postgres, "DROP DATABASE treadle_restored")


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_a_block_of_shell_says_whether_it_is_run_and_calls_treadle_as_it_is(block: Block):
    assert re.fullmatch(r"run(: PostgreSQL)?|not run: .+", block.comment)
    calls = re.findall(r"(?:^|\s|/bin/)treadle(?::local)? ([a-z][^\n|#&]*)", block.code.replace("\\\n", ""), re.M)
    for words in calls:
        parse(shlex.split(words))


def test_the_roles_can_serve_and_migrate_and_no_more(databases):
    name = "treadle_roles"
    script = re.sub(r"\btreadle\b", name, ROLES.read_text()).replace("treadle_owner", f"{name}_owner")
    psql(databases.url, script, OWNER_PASSWORD="one", RUNTIME_PASSWORD="two")
    serving, owning = (as_role(databases.url, role, name) for role in (name, f"{name}_owner"))

    asyncio.run(support.store.migrate(owning))

    assert "(1 row)" in psql(serving, "SELECT count(*) FROM runs")
    psql(
        serving,
        "INSERT INTO projects VALUES ('proj_1', 'one', 1); UPDATE projects SET name = 'two'; DELETE FROM projects",
    )
    psql(
        serving,
        "INSERT INTO threads (id, project_id, created_at, version, doc) VALUES ('thread_1', 'proj_1', 1, 1, '')",
    )
    psql(serving, "CREATE FUNCTION pg_temp.one() RETURNS int LANGUAGE sql AS 'SELECT 1'; SELECT pg_temp.one()")
    for refused in ("CREATE TABLE mine (id int)", "DROP TABLE runs", "ALTER TABLE runs ADD x int", "TRUNCATE runs"):
        with pytest.raises(AssertionError, match=r"permission denied|must be owner"):
            psql(serving, refused)


def psql(url: str, script: str, **environment: str) -> str:
    """What psql prints for a script, which must not fail."""
    done = subprocess.run(
        [programs() / "psql", "--no-psqlrc", "--set=ON_ERROR_STOP=1", f"--dbname={url}"],
        input=script,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def bash(code: str, environment: dict[str, str], folder: Path) -> None:
    command = [shutil.which("bash"), "-euo", "pipefail", "-c", code]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{code}{done.stdout}{done.stderr}"


def explained(url: str, collection: pages.Collection, query: PageQuery) -> str:
    """The generic plan of a page after a cursor, which is what our connections use."""
    sql = pages.select(collection, False, query.after is not None, query.before is not None)
    # "1" is a text and a number.
    arguments = ", ".join(["'1'"] * (collection.arguments + 2))
    return psql(
        url,
        f"SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; PREPARE page AS {sql};"
        f"EXPLAIN (COSTS OFF) EXECUTE page({arguments})",
    )


def database_of(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]


def as_role(url: str, role: str, database: str) -> str:
    return url.replace("//treadle@", f"//{role}@").replace("/postgres?", f"/{database}?")
