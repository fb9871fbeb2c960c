"""`treadle worker`, and servers beside it: several processes on one PostgreSQL database."""

import asyncio
import re
import signal

import psutil
import pytest

from tests.cli.processes import KEY, ask_for_a_run, finished
from treadle.upstream.scripted import ScriptedUpstream, hang, say


@pytest.fixture
async def work(start, postgres):
    """`await work("--upstream", url)`: a worker that works."""

    async def run(*arguments):
        worker = await start("worker", "--database", postgres, *arguments)
        await worker.until_it_says(r"Treadle worker \S+ works on \S+\n")
        return worker

    return run


@pytest.fixture
def serve_requests(serve, postgres):
    """A server that executes no runs."""
    return lambda: serve("--database", postgres, "--no-worker")


async def test_it_executes_the_runs_of_a_server_that_has_no_worker(serve_requests, work, client_of):
    async with ScriptedUpstream(say("hi")) as upstream:
        api = client_of(await serve_requests())
        run = await ask_for_a_run(api)
        await work("--upstream", upstream.base_url)

        run = await finished(api, run)

    assert run["status"] == "completed"


async def test_it_listens_on_no_port(work):
    worker = await work()

    assert [one for one in psutil.Process(worker.process.pid).net_connections() if one.status == "LISTEN"] == []


async def test_it_says_who_it_is_and_where_it_works_without_the_password(start, postgres):
    mark = "&" if "?" in postgres else "?"
    worker = await start("worker", "--database", f"{postgres}{mark}password=hush")

    said = await worker.until_it_says(r"Treadle worker (\S+) works on (\S+)\n")

    assert said[2] == f"{postgres}{mark}password=***"
    assert re.fullmatch(r"\w{8,}", said[1])
    assert await worker.stop() == 0
    assert "hush" not in worker.told


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_it_in_good_order_and_its_run_goes_on_elsewhere_at_once(
    serve_requests, work, client_of, environment, number
):
    environment["TREADLE_LEASE_SECONDS"] = "3600"  # nobody could wait for its end
    async with ScriptedUpstream(hang(say("It is"), after_chunks=2), say("It is sunny.")) as upstream:
        api = client_of(await serve_requests())
        first = await work("--upstream", upstream.base_url)
        run = await ask_for_a_run(api)
        await upstream.request(0)

        code = await first.stop(number)
        await work("--upstream", upstream.base_url)
        run = await finished(api, run)

    assert (code, first.told.count("Traceback")) == (0, 0)
    assert run["status"] == "completed"


async def test_without_the_url_of_a_database_it_explains_itself(start, environment, tmp_path):
    environment["TREADLE_DATA_DIR"] = str(tmp_path / "data")

    code, said = await (await start("worker")).ended()

    assert code == 1
    assert "--database postgresql://USER:PASSWORD@HOST/NAME" in said
    assert "`treadle serve` is the worker" in said
    assert not (tmp_path / "data").exists()


async def test_a_database_that_is_not_migrated_is_told(start, postgres_empty):
    code, said = await (await start("worker", "--database", postgres_empty)).ended()

    assert code == 1
    assert "Run `treadle migrate`." in said.splitlines()[-1]
    assert "Traceback" not in said


async def test_a_database_that_does_not_answer_is_told_without_its_password(start, tmp_path):
    url = f"postgresql://ada:hush@/x?host={tmp_path}"

    code, said = await (await start("worker", "--database", url)).ended()

    assert code == 1
    assert "Error: PostgreSQL cannot be reached" in said
    assert "Traceback" not in said
    assert "hush" not in said


async def test_of_servers_that_start_at_once_one_makes_the_first_key(start, environment, postgres, tmp_path, client_of):
    folders = [tmp_path / name for name in "abc"]
    started = [await start("serve", "--database", postgres, "--port", 0, "--data-dir", folder) for folder in folders]

    for serving in started:
        serving.url = (await serving.until_it_says(r"Treadle serves (http://\S+)\n"))[1]

    [key] = [(folder / "api-key").read_text().strip() for folder in folders if (folder / "api-key").exists()]
    answers = await asyncio.gather(*(client_of(serving, key).get("/assistants") for serving in started))
    assert [answer.status for answer in answers] == [200, 200, 200]


async def test_servers_on_one_database_need_not_share_a_data_folder_but_may(serve, postgres, client_of):
    first, second = [await serve("--database", postgres) for _ in range(2)]

    made = await client_of(first).created("/assistants", {"model": "gpt-4o"})

    assert await client_of(second).found(f"/assistants/{made['id']}") == made


async def test_the_url_may_come_from_the_environment(start, environment, postgres):
    environment |= {"TREADLE_DATABASE": postgres, "TREADLE_API_KEY": KEY}

    worker = await start("worker")

    assert (await worker.until_it_says(r"works on (\S+)\n"))[1] == postgres
