"""The official SDKs, old and new, in environments of their own: each runs the same scenarios with the same results.

A scenario is a script in `scenarios/` (Python) or `node/` (Node) that knows nothing of Treadle: it reads
OPENAI_BASE_URL and OPENAI_API_KEY like any program and prints one JSON object. `make sdk` and `make node` make the
environments; the names of scenarios are those of the published compatibility table.
"""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.sdk.steps import with_copies_of_its_step
from tests.support.api import Api, Json
from tests.support.server import KEY, LiveServer
from treadle.upstream.scripted import ScriptedUpstream, fail, function_call, say

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
ENVIRONMENTS = HERE.parents[1] / ".venvs"
TIMEOUT_SECONDS = 60


class Program(NamedTuple):
    """What runs scenarios: `interpreter folder/<scenario><suffix>`, once `make <target>` has set it up."""

    interpreter: Path
    folder: Path
    suffix: str
    target: str

    @property
    def is_ready(self) -> bool:
        return self.interpreter.exists() and (self.suffix == ".py" or (self.folder / "node_modules").exists())


def python(interpreter: Path) -> Program:
    return Program(interpreter, HERE / "scenarios", ".py", "sdk")


# The oldest release that has version 2 of the API, the last of major version 2, the newest; and Node's newest.
PROGRAMS = {
    "python 1.21": python(ENVIRONMENTS / "sdk-1.21" / "bin" / "python"),
    "python 2": python(ENVIRONMENTS / "sdk-2" / "bin" / "python"),
    "python 3": python(Path(sys.executable)),
    "node": Program(ENVIRONMENTS / "node" / "bin" / "node", HERE / "node", ".mjs", "node"),
}

RunScenario = Callable[..., Awaitable[Json]]


@pytest.fixture(params=PROGRAMS)
def sdk_name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def run_scenario(
    sdk_name: str, request: pytest.FixtureRequest, server: LiveServer, record_property: Callable[[str, object], None]
) -> RunScenario:
    """`await run_scenario()` runs the script named after the test, and gives what it printed."""
    program = PROGRAMS[sdk_name]
    if not program.is_ready:
        pytest.skip(f"{sdk_name} is not installed: make {program.target}")
    scenario = request.function.__name__.removeprefix("test_")
    record_property("sdk", sdk_name)
    record_property("scenario", scenario)

    async def run(**environment: str) -> Json:
        script = program.folder / f"{scenario}{program.suffix}"
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "PYTHON"))}
        process = await asyncio.create_subprocess_exec(
            program.interpreter,
            script,
            env={**clean, "OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": KEY, **environment},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                output, errors = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode == 0, errors.decode()
        return json.loads(output)

    return run


async def test_assistants(run_scenario: RunScenario):
    assert await run_scenario() == {
        "tools": ["get_weather"],
        "metadata": {"team": "north"},
        "retrieved": True,
        "names": ["Weather", "Tides"],
        "iterated": True,
        "deleted": True,
        "after": "not found",
    }


async def test_threads_and_messages(run_scenario: RunScenario, sdk_name: str):
    assert await run_scenario() == {
        "listed": [["text"], ["text"], ["text", "image_url"]],
        "text": "Two.",
        "role": "user",
        "message_metadata": {"seen": "yes"},
        "deleted": None if sdk_name == "python 1.21" else True,
        "thread_metadata": {"user": "8"},
        "thread_deleted": True,
    }


async def test_create_and_poll(run_scenario: RunScenario, upstream: ScriptedUpstream):
    upstream.will_say(say("It is sunny."))

    assert await run_scenario() == {
        "status": "completed",
        "temperature": 0,
        "instructions": "Be short.",
        "usage_adds_up": True,
        "text": "It is sunny.",
        "step": ["message_creation", "completed"],
        "step_names_message": True,
    }


async def test_create_thread_and_run(run_scenario: RunScenario, upstream: ScriptedUpstream):
    upstream.will_say(say("It is sunny."), say("It is sunny."))

    assert await run_scenario() == {
        "polled": "completed",
        "first_event": "thread.created",
        "last_event": "thread.run.completed",
    }


async def test_function_calls(run_scenario: RunScenario, upstream: ScriptedUpstream):
    calls = function_call("get_weather", {"city": "Kyiv"}) + function_call("get_weather", {"city": "Oslo"})
    upstream.will_say(calls, say("Neither."))

    assert await run_scenario() == {
        "statuses": ["requires_action", "completed"],
        "required": ["get_weather", "get_weather"],
        "steps": [["tool_calls", "completed"], ["message_creation", "completed"]],
        "outputs": ["20 degrees in Kyiv", "20 degrees in Oslo"],
        "retrieved": True,
        "usage_adds_up": True,
    }


async def test_streaming(run_scenario: RunScenario, upstream: ScriptedUpstream):
    upstream.will_say(say("It is sunny today.", chunk_size=4, delay_seconds=0.15))

    result = await run_scenario()

    events = result.pop("events")
    assert [name for name in events if name != "thread.message.delta"] == [
        "thread.run.created",
        "thread.run.queued",
        "thread.run.in_progress",
        "thread.run.step.created",
        "thread.run.step.in_progress",
        "thread.message.created",
        "thread.message.in_progress",
        "thread.message.completed",
        "thread.run.step.completed",
        "thread.run.completed",
    ]
    assert result == {
        "text": "It is sunny today.",
        "in_pieces": True,
        "done": ["message", "step", "end"],
        "final_text": "It is sunny today.",
        "final_run": "completed",
        "final_steps": ["message_creation"],
    }


async def test_streaming_function_calls(run_scenario: RunScenario, upstream: ScriptedUpstream):
    upstream.will_say(function_call("get_weather", {"city": "Kyiv"}), say("It is sunny."))

    assert await run_scenario() == {
        "created": ["get_weather"],
        "arguments": {"city": "Kyiv"},
        "done": [{"city": "Kyiv"}],
        "statuses": ["requires_action", "completed"],
        "text": "It is sunny.",
    }


async def test_cancelling(run_scenario: RunScenario, upstream: ScriptedUpstream):
    upstream.will_say(function_call("get_weather", {"city": "Kyiv"}), say("It is sunny."))

    assert await run_scenario() == {
        "statuses": ["requires_action", "cancelling", "cancelled", "completed"],
        "locked": True,
        "steps": ["cancelled"],
    }


async def test_failing(run_scenario: RunScenario, upstream: ScriptedUpstream):
    refusal = {"error": {"message": "Rate limit reached.", "type": "requests", "code": "rate_limit_exceeded"}}
    # The server tries twice before it gives up.
    upstream.will_say(*[fail(429, body=refusal)] * 4)

    assert await run_scenario() == {
        "statuses": ["failed", "failed"],
        "codes": ["rate_limit_exceeded", "rate_limit_exceeded"],
        "usage": 0,
    }


async def test_incomplete(run_scenario: RunScenario, upstream: ScriptedUpstream):
    upstream.will_say(say("It is sunny and", finish_reason="length"))

    assert await run_scenario() == {
        "last_event": "thread.run.incomplete",
        "run": ["incomplete", "max_completion_tokens"],
        "message": ["incomplete", "max_tokens"],
        "text": "It is sunny and",
    }


async def test_paging(
    run_scenario: RunScenario, api: Api, assistant: Json, upstream: ScriptedUpstream, server: LiveServer
):
    thread = await api.created("/threads", {"messages": [{"role": "user", "content": "Hi"}] * 32})
    for _ in range(12):
        await api.created(f"/threads/{thread['id']}/messages", {"role": "user", "content": "Hi"})
    run = await finished_run(api, assistant, thread, upstream)
    with_copies_of_its_step(server, run["thread_id"], run["id"], count=250)

    assert await run_scenario(THREAD_ID=thread["id"], RUN_ID=run["id"]) == {
        "steps": 250,
        "each_once": True,
        "reversed": True,
        "before": True,
        "messages": 45,
    }


async def test_including(
    run_scenario: RunScenario, api: Api, assistant: Json, thread: Json, upstream: ScriptedUpstream
):
    run = await finished_run(api, assistant, thread, upstream)

    assert await run_scenario(THREAD_ID=thread["id"], RUN_ID=run["id"]) == {
        "listed": 1,
        "retrieved": True,
        "refused": "include[0]",
    }


async def test_errors(run_scenario: RunScenario):
    assert await run_scenario() == {
        "wrong key": ["AuthenticationError", 401, "invalid_api_key", None, True],
        "unknown thread": ["NotFoundError", 404, None, None, True],
        "id of another kind": ["BadRequestError", 400, "invalid_value", "thread_id", True],
        "value out of range": ["BadRequestError", 400, "decimal_above_max_value", "temperature", True],
        "missing parameter": ["BadRequestError", 400, "missing_required_parameter", "tools[0].function", True],
        "unknown parameter": ["BadRequestError", 400, "unknown_parameter", "colour", True],
        "unknown model": ["NotFoundError", 404, "model_not_found", "model", True],
    }


async def test_models_chat_embeddings(run_scenario: RunScenario, upstream: ScriptedUpstream):
    upstream.will_say(say("It is sunny."), say("It is sunny."))

    assert await run_scenario() == {
        "retrieved": True,
        "completion": "It is sunny.",
        "streamed": "It is sunny.",
        "embeddings": [True, True],
    }


@pytest.mark.parametrize("sdk_name", [name for name in PROGRAMS if name != "node"], indirect=True)
async def test_async_client(run_scenario: RunScenario, upstream: ScriptedUpstream):
    upstream.will_say(function_call("get_weather", {}), say("It is sunny."), say("It is sunny still."))

    assert await run_scenario() == {
        "statuses": ["requires_action", "completed", "completed"],
        "text": "It is sunny still.",
        "roles": ["assistant", "assistant", "user"],
    }


@pytest.mark.parametrize("sdk_name", ["node"], indirect=True)
async def test_helper_events(run_scenario: RunScenario, upstream: ScriptedUpstream):
    # Each text and each argument list is one fragment.
    upstream.will_say(say("Hm.") + function_call("get_weather", {}), say("Sunny."))
    message = ["messageCreated", "textCreated", "messageDelta", "textDelta", "textDone", "messageDone", "runStepDone"]

    assert await run_scenario() == {
        "before": [
            "connect",
            *["runStepCreated", *message],
            *["runStepCreated", "toolCallCreated", "runStepDelta", "toolCallDelta", "runStepDelta", "toolCallDone"],
            *["run", "end"],
        ],
        "after": ["connect", "runStepDone", "runStepCreated", *message, "run", "end"],
    }


async def finished_run(api: Api, assistant: Json, thread: Json, upstream: ScriptedUpstream) -> Json:
    """A completed run with one step, a message."""
    upstream.will_say(say("It is sunny."))
    events = await api.events(f"/threads/{thread['id']}/runs", {"assistant_id": assistant["id"]})
    assert events[-2].name == "thread.run.completed"
    return events[-2].data
