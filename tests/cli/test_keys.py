"""`treadle keys`: shown once, stored as a hash, and understood by a running server."""

import re
import stat

import apsw
import pytest

from tests.support.api import Api
from tests.support.server import running
from treadle.settings import Settings


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def keys(treadle, folder):
    async def run(*arguments):
        return await treadle("keys", *arguments, "--data-dir", folder)

    return run


@pytest.fixture
def keys_of_postgres(treadle, environment, postgres):
    environment["TREADLE_DATABASE"] = postgres

    async def run(*arguments):
        return await treadle("keys", *arguments)

    return run


async def test_a_key_is_printed_alone_so_that_a_script_can_take_it(keys):
    made = await keys("create", "ci")

    assert (made.code, made.err) == (0, "")
    assert made.out.startswith("sk-treadle-")
    assert made.out.count("\n") == 1
    assert len(made.out.strip()) >= len("sk-treadle-") + 43  # 256 bits


async def test_every_key_is_another(keys):
    made = [(await keys("create", name)).out for name in ("a", "b")]

    assert made[0] != made[1]


async def test_the_folder_is_the_owners_and_holds_no_key(keys, folder):
    key = (await keys("create", "ci")).out.strip()

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert all(key.encode() not in file.read_bytes() for file in folder.rglob("*") if file.is_file())
    database = apsw.Connection(str(folder / "treadle.db"))
    hashes = [row[0] for row in database.execute("SELECT hash FROM keys")]
    database.close()
    assert [len(one) for one in hashes] == [32]


async def test_keys_are_listed_masked_with_their_project_and_state(keys):
    key = (await keys("create", "ci")).out.strip()
    await keys("create", "old", "--project", "research")
    await keys("revoke", "old")

    listed = await keys("list")

    assert listed.code == 0
    assert key not in listed.out
    assert key[:8] in listed.out
    assert key[-4:] in listed.out
    rows = {row.split()[1]: row for row in listed.out.splitlines() if " ci " in row or " old " in row}
    assert "default" in rows["ci"]
    assert "works" in rows["ci"]
    assert "research" in rows["old"]
    assert "revoked" in rows["old"]


async def test_a_name_is_taken_for_good(keys):
    await keys("create", "ci")
    await keys("revoke", "ci")

    again = await keys("create", "ci", "--project", "other")

    assert again.code == 1
    assert again.out == ""
    assert again.err == "Error: There is already a key named 'ci'. Choose another name.\n"


@pytest.mark.parametrize("name", ["nobody", "old"])
async def test_only_a_working_key_can_be_revoked(keys, name):
    await keys("create", "old")
    await keys("revoke", "old")

    done = await keys("revoke", name)

    assert done.code == 1
    assert done.err == f"Error: There is no working key named '{name}'. See `treadle keys list`.\n"


@pytest.mark.parametrize("name", ["", " ", "a\nb"])
async def test_a_name_can_be_read_and_typed(keys, name):
    done = await keys("create", name)

    assert done.code == 2
    assert done.out == ""


async def test_keys_are_made_and_revoked_beside_a_running_server(keys, folder, clock, until):
    with running(Settings(data_dir=folder, api_key="sk-treadle-of-the-test"), clock=clock) as live:
        key = (await keys("create", "ci")).out.strip()
        client = Api(live.root, key)
        assert (await client.get("/assistants")).status == 200

        done = await keys("revoke", "ci")

        async def is_refused():
            return (await client.get("/assistants")).status == 401

        assert done.out == "The key 'ci' is revoked.\n"
        await until(is_refused)
        await client.close()


async def test_the_data_folder_may_come_from_the_environment(treadle, environment, folder):
    environment["TREADLE_DATA_DIR"] = str(folder)

    await treadle("keys", "create", "ci")

    assert " ci " in (await treadle("keys", "list")).out
    assert (folder / "treadle.db").is_file()


@pytest.mark.parametrize("below", ["", "data"])
async def test_a_folder_that_cannot_be_one_is_told(treadle, tmp_path, below):
    (tmp_path / "file").write_text("x")

    done = await treadle("keys", "list", "--data-dir", tmp_path / "file" / below)

    assert done.code in (1, 2)
    assert str(tmp_path / "file") in done.err
    assert "Traceback" not in done.err


async def test_keys_of_a_postgresql_database_are_made_listed_and_revoked_beside_a_running_server(
    keys_of_postgres, folder, postgres, clock, until
):
    with running(Settings(data_dir=folder, database=postgres, api_key="sk-treadle-of-the-test"), clock=clock) as live:
        key = (await keys_of_postgres("create", "ci", "--project", "research")).out.strip()
        client = Api(live.root, key)
        assert (await client.get("/assistants")).status == 200
        again = await keys_of_postgres("create", "ci")
        listed = await keys_of_postgres("list")

        done = await keys_of_postgres("revoke", "ci")

        async def is_refused():
            return (await client.get("/assistants")).status == 401

        await until(is_refused)
        await client.close()

    assert again.err == "Error: There is already a key named 'ci'. Choose another name.\n"
    assert re.search(rf"ci +│ research +│ {re.escape(key[:8])}\S+ +│ .* │ works", listed.out)
    assert done.out == "The key 'ci' is revoked.\n"


async def test_the_option_wins_over_the_variable(keys_of_postgres, treadle, environment, postgres):
    environment["TREADLE_DATABASE"] = "postgresql://nowhere.invalid/x"

    done = await treadle("keys", "list", "--database", postgres)

    assert done.code == 0


async def test_keys_of_a_database_without_tables_are_told_what_is_missing(treadle, postgres_empty):
    done = await treadle("keys", "list", "--database", postgres_empty)

    assert done.code == 1
    assert done.err.startswith("Error: The database is at migration 0;")
    assert "Run `treadle migrate`." in done.err
