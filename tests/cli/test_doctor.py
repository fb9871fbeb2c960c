"""`treadle doctor`: what it sees, what it advises, and how it ends."""

import json
import re
import socket
from urllib.parse import urlsplit

import pytest
from msgspec.structs import replace

from tests.cli.processes import ask_for_a_run
from tests.support.server import KEY
from treadle.cli import doctor_database
from treadle.settings import Settings
from treadle.store import migrations
from treadle.store.health import Embedded, Health, Shared, Worker

LISTING = b'{"object":"list","data":[{"id":"tiny","object":"model"},{"id":"large","object":"model"}]}'


@pytest.fixture
def diagnose(treadle, told, tmp_path):
    """The findings of `treadle doctor`, by check, and the exit code. Its model server lists `tiny` and `large`."""

    async def run(*arguments):
        told.answer(200, body=LISTING)
        done = await treadle("doctor", "--upstream", told.base_url, *arguments)
        assert done.err == ""
        return {one["check"]: one for one in map(json.loads, done.out.splitlines())}, done.code

    return run


@pytest.fixture
def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@pytest.fixture
def of_server(server, environment):
    """The options with which `server` would have been started."""
    environment["TREADLE_API_KEY"] = KEY
    return ("--data-dir", server.settings.data_dir, "--port", urlsplit(server.root).port)


async def test_on_a_fresh_machine_all_is_well_and_nothing_is_made(diagnose, tmp_path, free_port):
    findings, code = await diagnose("--data-dir", tmp_path / "new", "--port", free_port)

    assert {finding["state"] for finding in findings.values()} == {"ok"}
    assert not any(finding["advice"] for finding in findings.values())
    assert code == 0
    assert not (tmp_path / "new").exists()


async def test_beside_a_running_server_it_sees_the_server_its_keys_and_its_database(diagnose, of_server, thread):
    findings, code = await diagnose(*of_server)

    assert {finding["state"] for finding in findings.values()} == {"ok"}, findings
    assert "Treadle runs on this data folder" in findings["server"]["found"]
    assert ", wal, " in findings["database"]["found"]
    assert findings["keys"]["found"].startswith("1 that work")
    assert findings["runs"]["found"] == "0 active"
    assert code == 0


async def test_a_server_that_does_not_answer_where_it_should_is_a_warning(diagnose, of_server, free_port):
    findings, code = await diagnose(*of_server, "--port", free_port)

    assert findings["server"]["state"] == "warning"
    assert "--port" in findings["server"]["advice"]
    assert code == 0


async def test_the_models_that_the_model_server_lists_are_shown(diagnose, told, tmp_path, free_port):
    findings, _ = await diagnose("--data-dir", tmp_path, "--port", free_port)

    assert findings["model server 'default'"]["found"] == f"{told.base_url} lists tiny, large"
    assert [(seen.method, seen.path) for seen in told.seen] == [("GET", "/v1/models")]


async def test_a_default_model_that_the_server_does_not_have_is_a_warning(diagnose, tmp_path, free_port):
    findings, _ = await diagnose("--data-dir", tmp_path, "--port", free_port, "--model", "huge")

    assert findings["model server 'default'"]["state"] == "warning"
    assert "does not list huge. It lists: tiny, large" in findings["model server 'default'"]["found"]


@pytest.mark.parametrize(
    ("status", "body", "state", "advice"),
    [
        (401, b"{}", "broken", "TREADLE_UPSTREAM_API_KEY"),
        (404, b"Not here", "warning", "URL"),
        (200, b"<html>", "warning", "URL"),
    ],
)
async def test_a_model_server_that_answers_wrongly_is_explained(
    diagnose, told, tmp_path, free_port, status, body, state, advice
):
    told.answer(status, body=body)

    findings, code = await diagnose("--data-dir", tmp_path, "--port", free_port)

    finding = findings["model server 'default'"]
    assert finding["state"] == state
    assert advice in finding["advice"]
    assert code == (state == "broken")


async def test_a_model_server_that_is_not_there_is_broken(diagnose, tmp_path, free_port):
    findings, code = await diagnose("--data-dir", tmp_path, "--port", free_port, "--upstream", "http://127.0.0.1:1/v1")

    assert "http://127.0.0.1:1/v1 does not answer" in findings["model server 'default'"]["found"]
    assert code == 1


async def test_without_any_model_server_it_says_how_to_get_one(treadle, tmp_path, free_port):
    done = await treadle("doctor", "--data-dir", tmp_path, "--port", free_port)

    finding = next(one for one in map(json.loads, done.out.splitlines()) if one["check"] == "model server")
    assert "--upstream URL" in finding["advice"]
    assert "treadle model install" in finding["advice"]
    assert done.code == 1


async def test_an_address_that_another_program_has_is_broken(diagnose, told, tmp_path):
    findings, code = await diagnose("--data-dir", tmp_path, "--port", urlsplit(told.base_url).port)

    assert "the address is taken" in findings["server"]["found"]
    assert "--port" in findings["server"]["advice"]
    assert code == 1


async def test_the_address_of_a_treadle_with_another_data_folder_is_broken(diagnose, server, tmp_path):
    findings, code = await diagnose("--data-dir", tmp_path / "other", "--port", urlsplit(server.root).port)

    assert "a Treadle with another data folder answers" in findings["server"]["found"]
    assert code == 1


async def test_a_file_of_settings_that_cannot_be_read_is_broken_and_the_rest_is_still_looked_at(
    diagnose, tmp_path, free_port
):
    (tmp_path / "treadle.toml").write_text("max_runs = 'many'")

    findings, code = await diagnose("--data-dir", tmp_path, "--port", free_port)

    assert findings["configuration"]["state"] == "broken"
    assert "treadle.toml: Expected `int`, got `str`" in findings["configuration"]["found"]
    assert findings["disk space"]["state"] == "ok"
    assert code == 1


async def test_settings_that_contradict_each_other_are_broken(diagnose, tmp_path, free_port):
    (tmp_path / "treadle.toml").write_text("[models.fast]\nupstream = 'nowhere'\n")

    findings, code = await diagnose("--data-dir", tmp_path, "--port", free_port)

    assert "names the upstream 'nowhere'" in findings["configuration"]["found"]
    assert code == 1


async def test_a_data_folder_that_others_can_enter_is_a_warning(diagnose, tmp_path, free_port):
    (tmp_path / "open").mkdir(mode=0o755)

    findings, code = await diagnose("--data-dir", tmp_path / "open", "--port", free_port)

    assert findings["data folder"]["state"] == "warning"
    assert findings["data folder"]["advice"] == f"chmod 700 {tmp_path / 'open'}"
    assert code == 0


async def test_a_database_that_cannot_be_read_is_broken(diagnose, tmp_path, free_port):
    (tmp_path / "treadle.db").write_bytes(b"This is no database at all. " * 1000)

    findings, code = await diagnose("--data-dir", tmp_path, "--port", free_port)

    assert "treadle.db cannot be opened" in findings["database"]["found"]
    assert "backup" in findings["database"]["advice"]
    assert code == 1


async def test_listening_to_other_machines_without_a_key_is_broken(diagnose, treadle, tmp_path, free_port):
    beyond = ("--data-dir", tmp_path, "--port", free_port, "--host", "0.0.0.0")
    await treadle("keys", "create", "mine", "--data-dir", tmp_path)
    await treadle("keys", "revoke", "mine", "--data-dir", tmp_path)

    findings, code = await diagnose(*beyond)
    await treadle("keys", "create", "another", "--data-dir", tmp_path)
    findings_with_key, code_with_key = await diagnose(*beyond)

    assert (findings["keys"]["state"], findings["keys"]["advice"], code) == ("broken", "treadle keys create NAME", 1)
    assert (findings_with_key["keys"]["found"][:11], code_with_key) == ("1 that work", 0)


class TestWithoutAWorker:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return replace(settings, work=False)

    async def test_runs_that_nobody_takes_up_are_broken(self, diagnose, of_server, api, assistant, thread, clock):
        clock.advance(-60)
        await api.created(f"/threads/{thread['id']}/runs", {"assistant_id": assistant["id"]})

        findings, code = await diagnose(*of_server)

        assert findings["runs"]["state"] == "broken"
        assert findings["runs"]["found"].startswith("1 active; 1 wait for a worker, the first for ")
        assert "--no-worker" in findings["runs"]["advice"]
        assert code == 1


HEALTHY = Health(
    database=Embedded(version="3.54.1", journal_mode="wal", synchronous=2, size_bytes=1),
    keys=[],
    active=0,
    overdue=0,
    held=0,
    waiting=0,
    oldest_waiting_at=None,
)


@pytest.mark.parametrize(
    ("runs", "is_served", "state"),
    [
        ({}, False, "ok"),
        ({"active": 2, "waiting": 1, "oldest_waiting_at": 990}, False, "warning"),
        ({"active": 2, "waiting": 1, "oldest_waiting_at": 990}, True, "ok"),
        ({"active": 2, "waiting": 1, "oldest_waiting_at": 900}, True, "broken"),
        ({"active": 2, "overdue": 1}, True, "warning"),
    ],
)
def test_what_runs_mean_depends_on_whether_a_server_works_on_them(runs, is_served, state):
    finding = doctor_database.runs(replace(HEALTHY, **runs), 1000, is_served=is_served)

    assert finding.state == state
    assert bool(finding.advice) is (state != "ok")


@pytest.mark.parametrize("change", [{"journal_mode": "delete"}, {"synchronous": 1}])
def test_a_database_that_could_lose_an_answer_is_broken(change):
    assert doctor_database.embedded(HEALTHY.database).state == "ok"
    assert doctor_database.embedded(replace(HEALTHY.database, **change)).state == "broken"


async def test_on_a_terminal_it_is_a_table(on_terminal, tmp_path, free_port):
    done = await on_terminal("doctor", "--data-dir", tmp_path, "--port", free_port)

    assert "what to do" in done.out
    assert "━" in done.out
    assert "treadle serve --upstream URL" in done.out
    assert done.code == 1


async def test_of_a_postgresql_database_it_tells_the_schema_the_workers_and_the_runs(
    diagnose, environment, serve, start, client_of, postgres
):
    serving = await serve("--database", postgres, "--no-worker")
    await ask_for_a_run(client_of(serving))
    alone, _ = await diagnose("--database", postgres, "--port", urlsplit(serving.url).port)
    worker = await start("worker", "--database", postgres)
    name = (await worker.until_it_says(r"Treadle worker (\S+) works"))[1]

    findings, _ = await diagnose("--database", postgres, "--port", urlsplit(serving.url).port)

    known = len(migrations.available("postgres"))
    assert f", migration {known} (this version knows {known}), synchronous_commit=on, " in findings["database"]["found"]
    assert findings["server"]["found"] == f"Treadle answers at 127.0.0.1:{urlsplit(serving.url).port}."
    assert findings["signals"]["state"] == "ok"
    assert findings["clock"]["state"] == "ok"
    assert re.fullmatch(r"\d+ of \d+ in use", findings["connections"]["found"])
    assert alone["runs"]["found"] == "1 active, 0 held, 1 waiting for a worker"
    assert (alone["workers"]["state"], alone["workers"]["found"]) == ("warning", "None")
    assert findings["workers"]["state"] == "ok"
    assert findings["workers"]["found"].startswith(f"{name} (")
    assert findings["keys"]["found"].startswith("1 that work")


async def test_a_postgresql_database_that_is_not_migrated_is_broken(diagnose, postgres_empty, free_port):
    findings, code = await diagnose("--database", postgres_empty, "--port", free_port)

    assert findings["database"]["state"] == "broken"
    assert findings["database"]["advice"] == "treadle migrate"
    assert "keys" not in findings
    assert code == 1


async def test_a_postgresql_database_that_does_not_answer_is_broken(diagnose, tmp_path, free_port):
    findings, code = await diagnose("--database", f"postgresql://ada:hush@/x?host={tmp_path}", "--port", free_port)

    assert findings["database"]["state"] == "broken"
    assert "cannot be reached" in findings["database"]["found"]
    assert "hush" not in str(findings)
    assert code == 1


async def test_a_url_that_cannot_be_used_is_broken_and_nothing_else_is_looked_at_in_its_place(diagnose, free_port):
    findings, code = await diagnose("--database", "mysql://ada:hush@db/x", "--port", free_port)

    assert findings["configuration"]["state"] == "broken"
    assert "mysql://ada:***@db/x" in findings["configuration"]["found"]
    assert "database" not in findings
    assert code == 1


SHARED = Shared(
    version="18.1",
    migration=2,
    known=2,
    synchronous_commit="on",
    fsync="on",
    read_only=False,
    size_bytes=1,
    connections=5,
    max_connections=100,
    workers=[],
    clock_ahead_seconds=0.1,
    hears=True,
)


@pytest.mark.parametrize(
    ("change", "check", "state", "advice"),
    [
        ({}, None, "ok", ""),
        ({"fsync": "off"}, "database", "broken", "fsync = on"),
        ({"read_only": True}, "database", "broken", "target_session_attrs=read-write"),
        ({"connections": 91}, "connections", "warning", "max_connections"),
        ({"hears": False}, "signals", "warning", "session mode"),
        ({"clock_ahead_seconds": 6.0}, "clock", "warning", "NTP"),
        ({"clock_ahead_seconds": -6.0}, "clock", "warning", "NTP"),
    ],
)
def test_what_postgresql_tells_of_itself_is_judged(change, check, state, advice):
    findings = {finding.check: finding for finding in doctor_database.shared(replace(SHARED, **change))}

    assert {one.check for one in findings.values() if one.state != "ok"} == ({check} if check else set())
    assert all(one.state == state for one in findings.values() if one.check == check)
    assert advice in "".join(one.advice for one in findings.values())
    assert state == "ok" or advice


def test_a_worker_that_was_lost_is_told_and_is_none():
    lost = Worker(id="worker_a", lease_seconds_left=-1.0, runs=3)

    finding = doctor_database.workers(replace(SHARED, workers=[lost]))

    assert (finding.state, finding.found) == ("warning", "None; 1 lost, whose runs go to others")


@pytest.mark.parametrize(
    ("runs", "state"),
    [
        ({}, "ok"),
        ({"active": 2, "held": 1, "waiting": 1, "oldest_waiting_at": 990}, "ok"),
        ({"active": 2, "held": 1, "waiting": 1, "oldest_waiting_at": 900}, "broken"),
        ({"active": 2, "overdue": 1}, "warning"),
    ],
)
def test_runs_of_a_shared_database_that_wait_long_are_broken(runs, state):
    finding = doctor_database.shared_runs(replace(HEALTHY, database=SHARED, **runs), 1000)

    assert finding.state == state
    assert bool(finding.advice) is (state != "ok")
