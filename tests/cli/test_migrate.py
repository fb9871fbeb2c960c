"""`treadle migrate`: PostgreSQL's tables brought up to date, and a data folder moved into PostgreSQL."""

import asyncio
import hashlib
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import apsw
import asyncpg
import pytest
from msgspec.structs import replace

from tests.cli.processes import ask_for_a_run, finished
from tests.support import runs
from tests.support.api import Api
from tests.support.server import KEY, running
from treadle.store import copying, migrations
from treadle.upstream.scripted import ScriptedUpstream, function_call, hang, say

LISTS = ("/assistants", "/threads/{thread}/messages", "/threads/{thread}/runs", "/threads/{thread}/runs/{run}/steps")


class Source:
    """A data folder with something of everything, and what a server answered to questions about it."""

    def __init__(self, settings):
        self.settings, self.folder = settings, settings.data_dir
        self.thread = self.run = self.deleted = None
        self.answers = {}

    async def fill(self, api):
        self.deleted = [(await api.created("/assistants", {"model": "gpt-4o", "name": "gone"}))["id"] for _ in "ab"]
        tool = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}
        assistant = await api.created("/assistants", {"model": "gpt-4o", "name": "Київ ☀", "tools": [tool]})
        self.deleted.append((await api.created("/assistants", {"model": "gpt-4o", "name": "the last"}))["id"])
        thread = await api.created("/threads", {"messages": [{"role": "user", "content": "Yes?\u0000"}]})
        self.thread = thread["id"]
        run = await runs.ran(api, thread, assistant)
        [call] = run["required_action"]["submit_tool_outputs"]["tool_calls"]
        outputs = {"tool_outputs": [{"tool_call_id": call["id"], "output": "sunny"}]}
        run = await api.created(f"{runs.path(run)}/submit_tool_outputs", outputs)
        self.run = (await runs.settled(api, run))["id"]
        for _ in range(5):
            await api.created(f"/threads/{self.thread}/messages", {"role": "user", "content": "And then?"})
        for id in self.deleted:
            await api.delete(f"/assistants/{id}")
        self.answers = await self.asked(api)

    async def asked(self, api):
        """Every list, in pages of two, and from where a deleted one was."""
        paths = [path.format(thread=self.thread, run=self.run) for path in LISTS]
        answers = {path: await everything(api, path) for path in paths}
        answers |= {id: await api.found("/assistants", {"after": id}) for id in self.deleted}
        return {**answers, "thread": await api.found(f"/threads/{self.thread}")}

    def content(self):
        """A hash of what is stored; the index of the log, which readers share, is not."""
        files = [self.folder / name for name in ("treadle.db", "treadle.db-wal")]
        return [hashlib.sha256(file.read_bytes()).digest() for file in files if file.exists() and file.stat().st_size]

    async def copied(self, url, progress=lambda *_: None, **options):
        return await copying.copy(self.folder, url, progress=progress, **options)


async def everything(api, path):
    pages = [await api.found(path, {"limit": 2})]
    while pages[-1]["has_more"]:
        pages.append(await api.found(path, {"limit": 2, "after": pages[-1]["last_id"]}))
    return [one for page in pages for one in page["data"]]


@pytest.fixture
async def source(settings, clock, upstream):
    made = Source(settings)
    upstream.will_say(function_call("get_weather", {"city": "Kyiv"}), say("It is sunny."))
    with running(settings, clock=clock) as live:
        api = Api(live.root, KEY)
        await made.fill(api)
        await api.close()
    return made


@pytest.fixture
def migrate(treadle):
    async def run(*arguments):
        return await treadle("migrate", *arguments)

    return run


def on_database(url, sql, *args):
    """Run one statement from wherever we are; its rows."""

    async def work():
        connection = await asyncpg.connect(url)
        try:
            return [tuple(row) for row in await connection.fetch(sql, *args)]
        finally:
            await connection.close()

    with ThreadPoolExecutor(1) as elsewhere:
        return elsewhere.submit(asyncio.run, work()).result()


async def test_an_empty_database_gets_its_tables_and_a_second_time_nothing_is_done(migrate, postgres_empty):
    names = [name for name, _sql in migrations.available("postgres")]

    first, second = [await migrate("--database", postgres_empty) for _ in range(2)]

    assert (first.code, first.err) == (0, "")
    assert first.out.splitlines() == [*(f"Applied {name}" for name in names), f"{postgres_empty} is up to date."]
    assert second.out == f"{postgres_empty} is up to date.\n"


async def test_the_password_is_not_shown(migrate, postgres_empty):
    mark = "&" if "?" in postgres_empty else "?"

    done = await migrate("--database", f"{postgres_empty}{mark}password=hush")

    assert done.code == 0
    assert "password=***" in done.out
    assert "hush" not in done.out + done.err


async def test_the_data_folder_s_own_database_is_migrated_by_serve(migrate):
    done = await migrate()

    assert done.code == 0
    assert "migrated by `treadle serve`" in done.out


@pytest.mark.parametrize("option", ["--to", "--database"])
async def test_a_database_that_is_not_postgresql_is_refused(migrate, option):
    done = await migrate(option, "mysql://ada:hush@db/x")

    assert done.code == 1
    assert done.err.startswith(f"Error: {option} is 'mysql://ada:***@db/x'. Expected the URL of a PostgreSQL database")


@pytest.fixture
def of_a_reader(databases, postgres_empty):
    """The URL of a database in which our role may make nothing."""
    [(name,)] = on_database(postgres_empty, "SELECT current_database()::text")
    for sql in (f"CREATE ROLE r_{name}", f"ALTER DATABASE {name} SET role = r_{name}"):
        on_database(databases.url, sql)
    yield postgres_empty
    for sql in (f"ALTER DATABASE {name} RESET role", f"DROP ROLE r_{name}"):
        on_database(databases.url, sql)


async def test_a_role_that_may_make_no_tables_is_told(migrate, of_a_reader):
    done = await migrate("--database", of_a_reader)

    assert done.code == 1
    assert re.fullmatch("Error: .*permission denied for schema public.*\n", done.err)


async def test_everything_is_there_afterwards_and_the_folder_is_as_it_was(source, migrate, postgres_empty, clock):
    before = source.content()

    done = await migrate("--to", postgres_empty, "--data-dir", source.folder)

    assert (done.code, done.err) == (0, "")
    assert f"Now serve from there: treadle serve --database {postgres_empty}\n" in done.out
    assert re.search(r"^\d\d rows, the same in both databases\.$", done.out, re.M)
    assert source.content() == before
    with running(replace(source.settings, database=postgres_empty), clock=clock) as live:
        api = Api(live.root, KEY)
        assert await source.asked(api) == source.answers
        await api.close()


async def test_the_counts_of_every_table_are_shown(source, migrate, postgres):
    done = await migrate("--to", postgres, "--data-dir", source.folder)

    rows = {cells[1]: cells[2:] for line in done.out.splitlines() if len(cells := re.split(r"\s*│\s*", line)) == 7}
    assert rows["messages"][:2] == ["7", "7"]
    assert rows["run_steps"][:2] == ["2", "2"]
    assert rows["tombstones"][:2] == ["3", "3"]
    assert all(here == there for here, there, checksum_here, checksum_there, _ in rows.values())
    assert all(checksum_here == checksum_there for _, _, checksum_here, checksum_there, _ in rows.values())
    assert {"assistants", "keys", "projects", "threads", "runs", "turns", "deleted_threads"} < set(rows)


async def test_keys_open_the_same_doors(source, treadle, migrate, postgres, clock):
    key = (await treadle("keys", "create", "mine", "--project", "ours", "--data-dir", source.folder)).out.strip()

    await migrate("--to", postgres, "--data-dir", source.folder)

    with running(replace(source.settings, database=postgres), clock=clock) as live:
        api = Api(live.root, key)
        assert await everything(api, "/assistants") == []
        await api.close()


async def test_what_is_made_later_comes_behind_everything_that_ever_was(source, migrate, postgres, clock):
    """Also behind what was deleted: the client that pages on from there must not miss the new one."""
    await migrate("--to", postgres, "--data-dir", source.folder)

    with running(replace(source.settings, database=postgres), clock=clock) as live:
        api = Api(live.root, KEY)
        made = await api.created("/assistants", {"model": "gpt-4o"})
        page = await api.found("/assistants", {"order": "asc", "after": source.deleted[-1]})
        await api.created(f"/threads/{source.thread}/messages", {"role": "user", "content": "More?"})
        await api.close()

    assert [one["id"] for one in page["data"]] == [made["id"]]


async def test_a_run_that_was_under_way_goes_on_at_the_new_place(serve, client_of, migrate, postgres, tmp_path):
    async with ScriptedUpstream(hang(say("It is"), after_chunks=2), say("It is sunny.")) as upstream:
        serving = await serve("--upstream", upstream.base_url)
        run = await ask_for_a_run(client_of(serving))
        await upstream.request(0)
        await serving.stop(signal.SIGKILL)
        log = tmp_path / "data" / "treadle.db-wal"
        before = log.read_bytes()

        done = await migrate("--to", postgres, "--data-dir", tmp_path / "data")
        again = await serve("--database", postgres, "--upstream", upstream.base_url)
        run = await finished(client_of(again), run)

    assert done.code == 0
    assert before != b""
    assert log.read_bytes() == before
    assert run["status"] == "completed"


async def test_a_folder_that_a_server_uses_is_refused(server, migrate, postgres):
    done = await migrate("--to", postgres, "--data-dir", server.settings.data_dir)

    assert done.code == 1
    assert done.err.startswith(f"Error: {server.settings.data_dir} is in use by another treadle serve. Stop it")
    assert on_database(postgres, "SELECT count(*) FROM projects") == [(0,)]


async def test_a_folder_without_a_database_is_told(migrate, postgres, tmp_path):
    done = await migrate("--to", postgres, "--data-dir", tmp_path / "none")

    assert done.code == 1
    assert f"There is no database at {tmp_path / 'none' / 'treadle.db'}." in done.err
    assert not (tmp_path / "none").exists()


async def test_a_database_that_holds_other_data_is_refused_and_left_alone(source, treadle, migrate, postgres):
    await treadle("keys", "create", "theirs", "--database", postgres)

    done = await migrate("--to", postgres, "--data-dir", source.folder)

    assert done.code == 1
    assert "The database holds other data (rows: 1 in keys, 1 in projects)." in done.err
    assert on_database(postgres, "SELECT name FROM keys") == [("theirs",)]


async def test_a_second_time_it_says_that_it_was_done_also_while_the_new_place_is_used(
    source, treadle, migrate, postgres
):
    first = await migrate("--to", postgres, "--data-dir", source.folder)
    await treadle("keys", "create", "new", "--database", postgres)

    second = await migrate("--to", postgres, "--data-dir", source.folder)

    assert (first.code, second.code) == (0, 0)
    assert f"{source.folder} was copied into {postgres} before; nothing was done." in second.out
    assert on_database(postgres, "SELECT name FROM keys") == [("new",)]


async def test_a_folder_that_was_used_again_after_its_copy_is_not_mixed_into_it(source, treadle, migrate, postgres):
    await migrate("--to", postgres, "--data-dir", source.folder)
    await treadle("keys", "create", "late", "--data-dir", source.folder)

    done = await migrate("--to", postgres, "--data-dir", source.folder)

    assert done.code == 1
    assert "The database holds other data" in done.err


class Interrupted(Exception):
    """Stands for whatever ends a copy."""


async def test_interrupted_at_any_point_and_begun_again_it_ends_the_same(source, postgres, databases):
    steps = []
    whole = await source.copied(postgres, lambda *step: steps.append(step), batch_rows=2)
    attempts = 0

    with databases.database() as url:
        for survived in range(1, len(steps)):

            def interrupt(*_step, left=[survived]):  # noqa: B006 - one list for each attempt
                left[0] -= 1
                if left[0] < 0:
                    raise Interrupted

            try:
                again = await source.copied(url, interrupt, batch_rows=2)
                break
            except Interrupted:
                attempts += 1
        told = await source.copied(url)

    assert attempts >= 3
    assert len(steps) > 30
    assert again == whole
    assert told == replace(whole, is_old=True)


WAIT = """
CREATE TABLE copied (state BYTEA NOT NULL);
CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN PERFORM pg_advisory_xact_lock_shared(42); RETURN NULL; END';
"""


@pytest.mark.parametrize(
    ("where", "arrived"), [("INSERT ON runs", 7), ("UPDATE ON copied", 0)], ids=["with its rows", "with its note"]
)
async def test_killed_in_the_midst_of_a_batch_it_goes_on_where_it_was(
    source, start, migrate, postgres, until, where, arrived
):
    """The process and its connection are gone while PostgreSQL lets it wait; messages come before runs."""
    before = source.content()
    blocking = await asyncpg.connect(postgres)
    await blocking.execute(WAIT)
    await blocking.execute(f"CREATE TRIGGER wait AFTER {where} EXECUTE FUNCTION wait()")
    await blocking.execute("SELECT pg_advisory_lock(42)")
    killed = await start("migrate", "--to", postgres, "--data-dir", source.folder)
    waiting = "FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    await until(lambda: blocking.fetchval(f"SELECT count(*) {waiting}"))

    await killed.stop(signal.SIGKILL)
    await blocking.execute(f"SELECT pg_terminate_backend(pid, 10000) {waiting}")
    await blocking.close()
    there = on_database(postgres, "SELECT ctid, xmin FROM messages")
    done = await migrate("--to", postgres, "--data-dir", source.folder)

    assert (done.code, done.err) == (0, "")
    assert "the same in both databases" in done.out
    assert len(there) == arrived
    assert on_database(postgres, "SELECT ctid, xmin FROM messages")[:arrived] == there
    assert source.content() == before


async def interrupted_at(source, url, table):
    """A copy that ends when it comes to `table`."""

    def interrupt(_doing, name, _done, _total):
        if name == table:
            raise Interrupted

    with pytest.raises(Interrupted):
        await source.copied(url, interrupt)


async def test_a_folder_that_changed_after_an_interrupted_copy_is_copied_anew(source, treadle, postgres):
    await interrupted_at(source, postgres, "messages")
    await treadle("keys", "create", "late", "--data-dir", source.folder)

    copied = await source.copied(postgres)

    assert [one.table for one in copied.tables if one.source != one.target] == []
    assert on_database(postgres, "SELECT name FROM keys") == [("late",)]


async def test_a_database_that_was_used_after_an_interrupted_copy_is_refused(source, treadle, migrate, postgres):
    await interrupted_at(source, postgres, "messages")
    await treadle("keys", "create", "theirs", "--database", postgres)

    done = await migrate("--to", postgres, "--data-dir", source.folder)

    assert done.code == 1
    assert "The database holds other data" in done.err
    assert "1 in keys" in done.err


async def test_a_difference_is_found_however_small(source, postgres):
    def spoil(doing, table, _done, _total):
        if (doing, table) == ("comparing", "assistants"):
            on_database(postgres, "UPDATE messages SET doc = doc || ' ' WHERE seq = 3")

    with pytest.raises(copying.CopyDiffers, match=r"^Not the same in both databases: messages\. Somebody else writes"):
        await source.copied(postgres, spoil)

    with pytest.raises(copying.CopyDiffers):
        await source.copied(postgres)


async def test_who_writes_to_the_new_database_meanwhile_is_noticed(source, postgres):
    def write(doing, table, _done, _total):
        if (doing, table) == ("copying", "projects"):
            on_database(postgres, "INSERT INTO projects VALUES ('proj_theirs', 'default', 1)")

    with pytest.raises(copying.CopyDiffers, match="Somebody else writes to the new database"):
        await source.copied(postgres, write)


async def test_a_folder_that_is_written_to_meanwhile_is_noticed_and_then_copied_whole(source, treadle, postgres):
    made = []

    def make_a_key(_doing, table, _done, _total):
        if table == "turns" and not made:
            made.append(
                subprocess.run(
                    [sys.executable, "-m", "treadle", "keys", "create", "late", "--data-dir", source.folder], check=True
                )
            )

    with pytest.raises(copying.CopyDiffers, match="has changed since the copy began"):
        await source.copied(postgres, make_a_key)
    await source.copied(postgres)

    assert on_database(postgres, "SELECT name FROM keys") == [("late",)]


@pytest.fixture
def of_the_first_version(tmp_path):
    """A data folder as the first version of treadle left it."""
    path = tmp_path / "old" / "treadle.db"
    path.parent.mkdir()
    database = apsw.Connection(str(path))
    migrations.apply(database, path, migrations.available("sqlite")[:1])
    database.execute(
        "INSERT INTO runs (thread_id, id, project_id, created_at, status, version, fence, takeovers, turn, needs, "
        "include, doc) VALUES ('thread_1', 'run_1', 'proj_1', 1, 'completed', 1, 1, 0, 0, '', '', x'7B7D')"
    )
    database.close()
    return path.parent


async def test_a_folder_of_an_earlier_version_is_copied_without_being_migrated(of_the_first_version, migrate, postgres):
    before = (of_the_first_version / "treadle.db").read_bytes()

    done = await migrate("--to", postgres, "--data-dir", of_the_first_version)

    assert done.code == 0
    assert on_database(postgres, "SELECT id, doc, reader FROM runs") == [("run_1", b"{}", None)]
    assert (of_the_first_version / "treadle.db").read_bytes() == before


async def test_a_folder_that_is_too_old_for_the_new_tables_must_be_migrated_first(
    of_the_first_version, migrate, postgres
):
    on_database(postgres, "UPDATE migrations SET works_from = 2 WHERE number = 2")

    done = await migrate("--to", postgres, "--data-dir", of_the_first_version)

    assert done.code == 1
    assert "is at migration 1, too old to be copied. Start `treadle serve` on the data folder once" in done.err


async def test_a_folder_of_a_later_version_is_refused(of_the_first_version, migrate, postgres):
    database = apsw.Connection(str(of_the_first_version / "treadle.db"))
    database.execute("INSERT INTO migrations VALUES (2, 'b', 1), (3, 'c', 1), (4, 'd', 1)")
    database.close()

    done = await migrate("--to", postgres, "--data-dir", of_the_first_version)

    assert done.code == 1
    assert "is at migration 4; this version of treadle knows" in done.err


async def test_a_file_that_is_no_database_is_told(migrate, postgres, tmp_path):
    (tmp_path / "treadle.db").write_bytes(b"This is no database at all. " * 1000)

    done = await migrate("--to", postgres, "--data-dir", tmp_path)

    assert done.code == 1
    assert f"Error: {tmp_path / 'treadle.db'} cannot be read: " in done.err
    assert "Traceback" not in done.err


async def test_on_a_terminal_the_way_is_shown(source, on_terminal, postgres):
    done = await on_terminal("migrate", "--to", postgres, "--data-dir", source.folder)

    assert done.code == 0
    assert "copying run_steps" in done.out
    assert "100%" in done.out
