"""`treadle serve` as a process of its own: how it starts, what it says, how it stops."""

import asyncio
import contextlib
import os
import pty
import re
import signal
import socket
import stat
import sys
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.cli.processes import KEY, Started, ask_for_a_run, finished
from treadle.upstream.scripted import ScriptedUpstream, fail, hang, say

ENVELOPE = {"error": {"message": "no", "type": "server_error", "param": None, "code": None}}


async def test_it_says_where_it_serves_and_serves_there(serve, client_of):
    serving = await serve()

    assert urlsplit(serving.url).hostname == "127.0.0.1"
    assert (await client_of(serving).get("/assistants")).status == 200


async def test_an_answer_does_not_tell_what_it_was_made_with(serve):
    serving = await serve()

    async with httpx2.AsyncClient() as http:
        response = await http.get(f"{serving.url}/models")

    assert "server" not in response.headers


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_it_in_good_order(serve, client_of, number):
    serving = await serve()
    api = client_of(serving)
    made = await api.created("/assistants", {"model": "gpt-4o"})

    code = await serving.stop(number)

    assert code == 0
    assert "Traceback" not in serving.told
    again = await serve()
    assert await client_of(again).found(f"/assistants/{made['id']}") == made


async def test_a_run_that_a_stop_interrupts_goes_on_at_the_next_start(serve, client_of):
    async with ScriptedUpstream(hang(say("It is"), after_chunks=2), say("It is sunny.")) as upstream:
        serving = await serve("--upstream", upstream.base_url)
        run = await ask_for_a_run(client_of(serving))
        await upstream.request(0)

        code = await serving.stop()
        again = await serve("--upstream", upstream.base_url)
        run = await finished(client_of(again), run)

    assert code == 0
    assert run["status"] == "completed"


async def test_a_second_serve_on_the_same_folder_is_told_so(serve, client_of, tmp_path):
    first = await serve()

    code, said = await (await serve(wait=False)).ended()

    assert code == 1
    assert f"Error: {tmp_path / 'data'} is in use by another treadle serve." in said
    assert "Traceback" not in said
    assert (await client_of(first).get("/assistants")).status == 200


async def test_a_port_that_is_taken_is_told(serve):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        code, said = await (await serve("--port", port, wait=False)).ended()

    assert code not in (0, None)
    assert "address already in use" in said
    assert str(port) in said
    assert "Traceback" not in said


async def test_beyond_this_machine_it_wants_a_key_made_beforehand(serve, environment, treadle, tmp_path, client_of):
    del environment["TREADLE_API_KEY"]

    code, said = await (await serve("--host", "0.0.0.0", wait=False)).ended()

    assert code == 1
    assert "Error: To listen on 0.0.0.0, make a key first: treadle keys create NAME." in said
    key = (await treadle("keys", "create", "mine", "--data-dir", tmp_path / "data")).out.strip()
    serving = await serve("--host", "0.0.0.0")
    serving.url = serving.url.replace("0.0.0.0", "127.0.0.1")
    assert (await client_of(serving, key).get("/assistants")).status == 200


async def test_without_a_terminal_the_first_key_goes_into_a_file_for_the_owner(serve, environment, tmp_path, client_of):
    del environment["TREADLE_API_KEY"]

    serving = await serve()

    file = tmp_path / "data" / "api-key"
    key = file.read_text().strip()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert str(file) in serving.told
    assert (await client_of(serving, key).get("/assistants")).status == 200
    await serving.stop()
    assert key not in serving.told


async def test_on_a_terminal_the_first_key_is_shown_once_and_written_nowhere(environment, tmp_path, client_of):
    first, second = [await on_a_terminal(environment, tmp_path, client_of) for _ in range(2)]

    assert re.findall(r"Your API key, shown this once: (sk-treadle-\S+)", first)
    assert "sk-treadle-" not in second
    assert not (tmp_path / "data" / "api-key").exists()


async def on_a_terminal(environment, folder, client_of):
    """What a `treadle serve` on a terminal says until it is stopped; a key that it shows must work."""
    ours, its = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "treadle", "serve", "--port", "0", "--data-dir", str(folder / "data")),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=its,
        stderr=its,
        env=environment,
        cwd=folder,
    )
    os.close(its)
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(ours, "rb", buffering=0)
    )
    serving = Started(process, reader)
    try:
        serving.url = (await serving.until_it_says(r"Treadle serves (http://\S+)\s"))[1]
        if shown := re.search(r"shown this once: (\S+)", serving.told):
            assert (await client_of(serving, shown[1]).get("/assistants")).status == 200
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
    finally:
        transport.close()
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    return serving.told


async def test_without_a_model_server_it_says_what_is_missing_and_runs_fail_with_that(serve, client_of):
    serving = await serve()
    assert "No model server is configured, so runs will fail. Name one with --upstream URL" in serving.told
    api = client_of(serving)

    run = await finished(api, await ask_for_a_run(api))

    assert run["status"] == "failed"
    assert run["last_error"]["code"] == "server_error"
    assert "--upstream" in run["last_error"]["message"]


async def test_with_one_it_does_not(serve, client_of):
    async with ScriptedUpstream(say("hi")) as upstream:
        serving = await serve("--upstream", upstream.base_url, "--model", "tiny")
        api = client_of(serving)
        run = await finished(api, await ask_for_a_run(api))

    assert "No model server" not in serving.told
    assert (run["status"], run["model"]) == ("completed", "gpt-4o")
    assert upstream.requests[0].body["model"] == "tiny"


async def test_with_no_worker_runs_wait(serve, client_of):
    async with ScriptedUpstream(say("hi")) as upstream:
        first = await serve("--upstream", upstream.base_url, "--no-worker")
        run = await ask_for_a_run(client_of(first))
        assert (await first.stop(), run["status"], upstream.requests) == (0, "queued", [])

        second = await serve("--upstream", upstream.base_url)
        run = await finished(client_of(second), run)

    assert run["status"] == "completed"


async def test_variables_work_as_flags_do_and_flags_win(serve, environment, client_of, tmp_path):
    environment |= {"TREADLE_HOST": "0.0.0.0", "TREADLE_PORT": "1", "TREADLE_DATA_DIR": str(tmp_path / "unused")}

    serving = await serve("--host", "127.0.0.1")

    assert urlsplit(serving.url).hostname == "127.0.0.1"
    assert urlsplit(serving.url).port != 1
    assert not (tmp_path / "unused").exists()


async def test_the_file_of_the_working_folder_is_read(serve, client_of, tmp_path):
    async with ScriptedUpstream(say("hi"), models=["llama"]) as upstream:
        text = f'[upstreams.mine]\nbase_url = "{upstream.base_url}"\n[models."gpt-4o"]\nmodel = "llama"\n'
        (tmp_path / "treadle.toml").write_text(text)

        serving = await serve()
        listed = await client_of(serving).found("/models")

    assert [model["id"] for model in listed["data"]] == ["gpt-4o", "llama"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("max_run = 5", r"treadle\.toml: .*max_run"),
        ("[models.m]\nupstream = 'none'", r"models\.m names the upstream 'none'"),
        ("= 5", r"treadle\.toml: "),
    ],
)
async def test_a_file_that_cannot_be_used_is_told_and_nothing_is_made(serve, tmp_path, text, told):
    (tmp_path / "treadle.toml").write_text(text)

    code, said = await (await serve(wait=False)).ended()

    assert code == 1
    assert re.search(f"^Error: .*{told}", said, re.MULTILINE), said
    assert "Traceback" not in said
    assert not (tmp_path / "data").exists()


async def test_a_variable_that_cannot_be_used_is_told(serve, environment):
    environment["TREADLE_LOG_LEVEL"] = "loud"

    code, said = await (await serve(wait=False)).ended()

    assert (code, said) == (1, "Error: TREADLE_LOG_LEVEL is 'loud'. Expected one of debug, info, warning, error.\n")


async def test_a_data_folder_that_cannot_be_made_is_told(serve, tmp_path):
    (tmp_path / "file").write_text("")

    code, said = await (await serve("--data-dir", tmp_path / "file" / "data", wait=False)).ended()

    assert code == 1
    assert str(tmp_path / "file") in said
    assert "Traceback" not in said


async def test_no_secret_is_logged_not_even_at_debug_level(serve, environment, client_of):
    """Keys of ours, wrong ones, the upstream's, and what people said to the assistant."""
    environment["TREADLE_UPSTREAM_API_KEY"] = upstream_key = "sk-the-key-of-the-upstream-98765"
    wrong_key = "sk-a-key-that-is-wrong-abcdefghijkl"
    secret = "the-secret-of-the-message"
    async with ScriptedUpstream(say("hi"), fail(401), fail(500, {}, ENVELOPE)) as upstream:
        serving = await serve("--upstream", upstream.base_url, "--log-level", "debug")
        api = client_of(serving)
        message = {"role": "user", "content": secret}
        await api.created("/threads", {"messages": [message], "metadata": {"k": secret}})
        await api.post("/threads", {"messages": secret}, headers={"X-Stainless-Lang": "python"})
        await api.get("/assistants", {"after": secret})
        await finished(api, await ask_for_a_run(api))
        await finished(api, await ask_for_a_run(api))
        await api.post("/chat/completions", {"model": "m", "messages": [message]}, headers={"Cookie": f"a={secret}"})
        await client_of(serving, wrong_key).get("/assistants")
        async with httpx2.AsyncClient(auth=("", KEY)) as http:
            await http.get(f"{serving.url}/assistants")

        code = await serving.stop()

    assert code == 0
    assert '"event": "request"' in serving.told
    assert '"x-stainless-lang": "python"' in serving.told
    for hidden in (KEY, upstream_key, wrong_key, secret, "Bearer", "Basic"):
        assert hidden not in serving.told
