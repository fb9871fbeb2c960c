"""The scripted model server, asked by the official client and as a process of its own."""

import asyncio
import json
import pathlib
import signal
import sys
from collections.abc import AsyncIterator

import openai
import pytest

from treadle.upstream.scripted import (
    ScriptedUpstream,
    Steady,
    cut,
    fail,
    function_call,
    hang,
    invalid_json,
    load,
    say,
    say_json,
)

USER = {"role": "user", "content": "How is the weather in Kyiv?"}
CALL = {
    "role": "assistant",
    "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}],
}
OUTPUT = {"role": "tool", "tool_call_id": "call_1", "content": "sunny"}


@pytest.fixture
async def client(server: ScriptedUpstream) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=server.base_url, api_key="any", max_retries=0) as client:
        yield client


async def answer(client: openai.AsyncOpenAI, *messages: object, model: str = "m") -> str | None:
    completion = await client.chat.completions.create(model=model, messages=messages or (USER,))
    return completion.choices[0].message.content


async def test_the_official_client_reads_its_streams(server: ScriptedUpstream, client: openai.AsyncOpenAI):
    server.will_say(say("Let me look.", chunk_size=3) + function_call("get_weather", {"city": "Kyiv"}))

    async with client.chat.completions.stream(
        model="m", messages=[USER], stream_options={"include_usage": True}
    ) as stream:
        completion = await stream.get_final_completion()

    message = completion.choices[0].message
    assert message.content == "Let me look."
    assert [call.function.name for call in message.tool_calls] == ["get_weather"]
    assert json.loads(message.tool_calls[0].function.arguments) == {"city": "Kyiv"}
    assert completion.choices[0].finish_reason == "tool_calls"
    assert completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens > 0


async def test_the_official_client_reads_whole_answers(server: ScriptedUpstream, client: openai.AsyncOpenAI):
    server.will_say(say_json({"sky": "clear"}))

    assert await answer(client) == '{"sky":"clear"}'


async def test_models_and_embeddings(server: ScriptedUpstream, client: openai.AsyncOpenAI):
    models = await client.models.list()
    embedded = await client.embeddings.create(model="m", input=["sunny in Kyiv", "Kyiv is sunny", "a tax form"])
    exact = await client.embeddings.create(model="m", input="sunny in Kyiv", encoding_format="float", dimensions=8)

    assert [model.id for model in models.data] == ["scripted"]
    first, near, far = (item.embedding for item in embedded.data)

    def closeness(other: list[float]) -> float:
        return sum(a * b for a, b in zip(first, other, strict=True))

    assert closeness(first) == pytest.approx(1)
    assert closeness(near) > 0.5 > closeness(far)
    assert len(exact.data[0].embedding) == 8


async def test_requests_are_recorded_in_order_with_headers_and_bodies(
    server: ScriptedUpstream, client: openai.AsyncOpenAI
):
    server.will_say(say("One"), say("Two"))

    await answer(client, model="a")
    await answer(client, model="b")

    assert [request.body["model"] for request in server.requests] == ["a", "b"]
    assert server.requests[0].headers["authorization"] == "Bearer any"
    assert (await server.request(1)).done.is_set()


async def test_a_script_that_is_over_says_so(server: ScriptedUpstream, client: openai.AsyncOpenAI):
    with pytest.raises(openai.BadRequestError, match="no turn left"):
        await answer(client)


async def test_rounds_answer_by_how_far_a_run_has_come_and_how_often_it_asks():
    rounds = [[function_call("get_weather", {}), say("Asked again.")], [say("Sunny."), say("Cloudy.")]]
    async with (
        ScriptedUpstream(rounds=rounds) as server,
        openai.AsyncOpenAI(base_url=server.base_url, api_key="any") as client,
    ):
        first_round = [await answer(client, USER) for _ in range(3)]
        second_round = [await answer(client, USER, CALL, OUTPUT) for _ in range(2)]
        third_round = await answer(client, USER, CALL, OUTPUT, CALL, OUTPUT)
        next_run = await answer(client, USER, CALL, OUTPUT, USER)

    assert first_round == [None, "Asked again.", "Asked again."]
    assert second_round == ["Sunny.", "Cloudy."]
    assert third_round == "Sunny."
    assert next_run is None


async def test_a_model_may_have_rounds_of_its_own():
    async with (
        ScriptedUpstream(rounds=[[say("Any.")]], rounds_of={"sunny": [[say("Sunny.")]]}) as server,
        openai.AsyncOpenAI(base_url=server.base_url, api_key="any") as client,
    ):
        said = [await answer(client, model=model) for model in ("sunny", "cloudy")]
        listed = [model.id async for model in await client.models.list()]

    assert said == ["Sunny.", "Any."]
    assert listed == ["scripted", "sunny"]


async def test_a_function_may_choose_the_turn():
    async with (
        ScriptedUpstream(choose=lambda request: say(request.body["model"])) as server,
        openai.AsyncOpenAI(base_url=server.base_url, api_key="any") as client,
    ):
        assert await answer(client, model="echo") == "echo"


@pytest.mark.parametrize(
    ("turn", "error"),
    [
        (fail(500, body={"error": {"message": "Broken"}}), openai.InternalServerError),
        (cut(say("Half")), openai.APIConnectionError),
        (invalid_json(say("Half")), json.JSONDecodeError),
    ],
    ids=["fail", "cut", "invalid_json"],
)
async def test_faults_reach_a_whole_answer_too(
    server: ScriptedUpstream, client: openai.AsyncOpenAI, turn, error: type[Exception]
):
    server.will_say(turn)

    with pytest.raises(error):
        await answer(client)


async def test_a_client_that_hangs_up_is_noticed(server: ScriptedUpstream, client: openai.AsyncOpenAI):
    server.will_say(hang())
    asking = asyncio.create_task(answer(client))
    received = await server.request(0)

    asking.cancel()

    await asyncio.wait_for(received.dropped.wait(), 5)
    assert not received.done.is_set()


async def test_a_key_can_be_required():
    async with ScriptedUpstream(say("Hi"), api_key="right") as server:
        async with openai.AsyncOpenAI(base_url=server.base_url, api_key="wrong") as client:
            with pytest.raises(openai.AuthenticationError):
                await answer(client)
        async with openai.AsyncOpenAI(base_url=server.base_url, api_key="right") as client:
            assert await answer(client) == "Hi"


async def test_a_steady_stream_has_its_tokens_at_its_rate():
    async with (
        ScriptedUpstream(steady=Steady(tokens=10, interval_seconds=0.02)) as server,
        openai.AsyncOpenAI(base_url=server.base_url, api_key="any") as client,
    ):
        loop = asyncio.get_running_loop()
        began = loop.time()
        stream = await client.chat.completions.create(model="m", messages=[USER], stream=True)
        pieces = [chunk.choices[0].delta.content or "" async for chunk in stream]

    assert "".join(pieces) == "token " * 10
    assert loop.time() - began >= 0.2


JSON_SCRIPT = """{"turns": [
    {"text": "From a file.", "chunk_size": 4, "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}},
    {"calls": [{"name": "get_weather", "arguments": {"city": "Kyiv"}, "id": "call_1"}]},
    {"text": "Half", "fault": {"type": "cut", "after_chunks": 1, "inside": true}},
    {"fault": {"type": "fail", "status": 429, "headers": {"Retry-After": "1"}}}
]}"""
TOML_SCRIPT = """
rounds = [
    [{ calls = [{ name = "get_weather", arguments = '{"city": "Ky' }] }],
    [{ text = "Sunny.", fault = { type = "hang", after_chunks = 2 } }, { text = "Cloudy." }],
]
"""


def test_a_script_file_holds_what_the_functions_build(tmp_path: pathlib.Path):
    (tmp_path / "script.json").write_text(JSON_SCRIPT)
    (tmp_path / "script.toml").write_text(TOML_SCRIPT)

    usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    assert load(tmp_path / "script.json").turns == (
        say("From a file.", chunk_size=4, usage=usage),
        function_call("get_weather", {"city": "Kyiv"}, id="call_1"),
        cut(say("Half"), after_chunks=1, inside=True),
        fail(429, {"Retry-After": "1"}),
    )
    assert load(tmp_path / "script.toml").rounds == (
        (function_call("get_weather", '{"city": "Ky'),),
        (hang(say("Sunny."), after_chunks=2), say("Cloudy.")),
    )


@pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM kills at once on Windows")
@pytest.mark.parametrize("steady", [False, True], ids=["script", "steady"])
async def test_as_a_process_it_names_its_address_and_ends_on_sigterm(tmp_path: pathlib.Path, steady: bool):
    script = tmp_path / "script.json"
    script.write_text(JSON_SCRIPT)
    options = ("--tokens", "2", "--interval", "1") if steady else ("--script", str(script))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "treadle.upstream.scripted", "--port", "0", *options), stdout=asyncio.subprocess.PIPE
    )
    try:
        base_url = json.loads(await asyncio.wait_for(process.stdout.readline(), 20))["base_url"]
        async with openai.AsyncOpenAI(base_url=base_url, api_key="any") as client:
            stream = await client.chat.completions.create(model="m", messages=[USER], stream=True)
            text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
        process.send_signal(signal.SIGTERM)
        status = await asyncio.wait_for(process.wait(), 10)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()

    assert text == ("token token " if steady else "From a file.")
    assert status == 0
