"""The newest official Python SDK: every API method in every flavour. Its pollers and stream helpers: see beside.

That the answers have all declared fields, rightly typed (I-7), is checked by `Sdk` at each call.
"""

import ast
import inspect
from functools import reduce
from pathlib import Path

import pytest
from openai import AsyncOpenAI, NotFoundError, OpenAI, PermissionDeniedError

from tests.sdk.flavours import Sdk, iterated
from tests.support.api import Json
from treadle.upstream.scripted import ScriptedUpstream, function_call, say

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the whole API is marked so

CONTENT = "step_details.tool_calls[*].file_search.results[*].content"


RESOURCES = (
    "beta.assistants",
    "beta.threads",
    "beta.threads.messages",
    "beta.threads.runs",
    "beta.threads.runs.steps",
    "models",
    "embeddings",
)


@pytest.mark.parametrize("client_type", [OpenAI, AsyncOpenAI])
def test_no_public_method_of_the_sdk_is_left_out(client_type):
    client = client_type(api_key="unused")
    public = {
        f"{path}.{name}"
        for path in RESOURCES
        for name, _ in inspect.getmembers(reduce(getattr, path.split("."), client), inspect.isroutine)
        if not name.startswith("_")
    }

    assert public - called_in(Path(__file__).parent.glob("test_python_*.py")) == set()


# Assistants.


async def test_an_assistant_is_created_with_all_that_was_sent(sdk: Sdk):
    created = await sdk.beta.assistants.create(
        model="gpt-4o",
        name="Weather",
        description="Knows the weather.",
        instructions="Be short.",
        tools=[{"type": "function", "function": {"name": "get_weather"}}, {"type": "file_search"}],
        temperature=0,
        top_p=0.5,
        response_format={"type": "text"},
        reasoning_effort="low",
        metadata={"team": "north"},
    )

    assert (created.name, created.instructions, created.temperature, created.top_p) == ("Weather", "Be short.", 0, 0.5)
    assert [tool.type for tool in created.tools] == ["function", "file_search"]
    assert created.tools[0].function.strict is False
    assert created.tools[1].file_search.ranking_options.ranker == "default_2024_08_21"
    assert created.response_format.type == "text"
    assert created.metadata == {"team": "north"}


async def test_an_assistant_is_retrieved_as_it_was_created(sdk: Sdk):
    created = await sdk.beta.assistants.create(model="gpt-4o")

    assert await sdk.beta.assistants.retrieve(created.id) == created


async def test_an_update_changes_what_was_sent_and_nothing_else(sdk: Sdk):
    created = await sdk.beta.assistants.create(model="gpt-4o", name="Old", instructions="Be short.")

    updated = await sdk.beta.assistants.update(created.id, name="New")

    assert (updated.name, updated.instructions) == ("New", "Be short.")


async def test_assistants_are_listed_newest_first(sdk: Sdk):
    ids = [(await sdk.beta.assistants.create(model="gpt-4o")).id for _ in range(3)]

    page = await sdk.beta.assistants.list(limit=2)

    assert [assistant.id for assistant in page.data] == [ids[2], ids[1]]
    assert page.has_more is True


async def test_a_deleted_assistant_is_gone(sdk: Sdk):
    created = await sdk.beta.assistants.create(model="gpt-4o")

    deleted = await sdk.beta.assistants.delete(created.id)

    assert (deleted.id, deleted.object, deleted.deleted) == (created.id, "assistant.deleted", True)  # I-5
    with pytest.raises(NotFoundError, match="No assistant found with id"):  # E-60
        await sdk.beta.assistants.retrieve(created.id)


# Threads.


async def test_a_thread_is_created_with_its_messages(sdk: Sdk):
    created = await sdk.beta.threads.create(messages=[{"role": "user", "content": "Hello"}], metadata={"user": "7"})

    messages = await sdk.beta.threads.messages.list(created.id)

    assert created.metadata == {"user": "7"}
    assert [message.content[0].text.value for message in messages.data] == ["Hello"]


async def test_a_thread_may_be_created_from_nothing(sdk: Sdk):
    created = await sdk.beta.threads.create()

    assert await sdk.beta.threads.retrieve(created.id) == created  # E-20


async def test_a_thread_is_updated(sdk: Sdk, thread: Json):
    updated = await sdk.beta.threads.update(thread["id"], metadata={"user": "8"})

    assert updated.metadata == {"user": "8"}


async def test_a_deleted_thread_is_gone(sdk: Sdk, thread: Json):
    deleted = await sdk.beta.threads.delete(thread["id"])

    assert (deleted.id, deleted.object) == (thread["id"], "thread.deleted")
    with pytest.raises(NotFoundError, match="No thread found with id"):  # E-61
        await sdk.beta.threads.retrieve(thread["id"])


async def test_a_thread_and_its_run_are_created_together(sdk: Sdk, assistant: Json, upstream: ScriptedUpstream):
    upstream.will_say(say("Hello."))

    run = await sdk.beta.threads.create_and_run(
        assistant_id=assistant["id"], thread={"messages": [{"role": "user", "content": "Hi"}]}
    )

    assert run.status == "queued"
    assert (await sdk.beta.threads.retrieve(run.thread_id)).id == run.thread_id


async def test_a_thread_and_its_run_are_created_together_and_streamed(
    sdk: Sdk, assistant: Json, upstream: ScriptedUpstream
):
    upstream.will_say(say("Hello."))

    events = await sdk.beta.threads.create_and_run(assistant_id=assistant["id"], stream=True)

    assert events[0].event == "thread.created"  # 7.3 (e)
    assert events[-1].event == "thread.run.completed"


# Messages.


async def test_a_message_is_created_from_parts(sdk: Sdk, thread: Json):
    image = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    parts = [{"type": "text", "text": "What is this?"}, image]

    created = await sdk.beta.threads.messages.create(thread["id"], role="user", content=parts, metadata={"k": "v"})

    assert created.content[0].text.value == "What is this?"  # M-2
    assert created.content[1].image_url.detail == "auto"
    assert created.status == "completed"  # M-5


async def test_a_message_is_retrieved_as_it_was_created(sdk: Sdk, thread: Json):
    created = await sdk.beta.threads.messages.create(thread["id"], role="user", content="Hello")

    assert await sdk.beta.threads.messages.retrieve(created.id, thread_id=thread["id"]) == created


async def test_a_message_is_updated(sdk: Sdk, thread: Json):
    created = await sdk.beta.threads.messages.create(thread["id"], role="user", content="Hello")

    updated = await sdk.beta.threads.messages.update(created.id, thread_id=thread["id"], metadata={"seen": "yes"})

    assert updated == created.model_copy(update={"metadata": {"seen": "yes"}})  # M-14


async def test_messages_are_listed_by_the_run_that_made_them(
    sdk: Sdk, assistant: Json, thread: Json, upstream: ScriptedUpstream
):
    upstream.will_say(say("Sunny."))
    events = await sdk.beta.threads.runs.create(thread["id"], assistant_id=assistant["id"], stream=True)

    page = await sdk.beta.threads.messages.list(thread["id"], run_id=events[-1].data.id, order="asc")

    assert [message.content[0].text.value for message in page.data] == ["Sunny."]  # M-16


async def test_a_deleted_message_is_gone(sdk: Sdk, thread: Json):
    created = await sdk.beta.threads.messages.create(thread["id"], role="user", content="Hello")

    deleted = await sdk.beta.threads.messages.delete(created.id, thread_id=thread["id"])

    assert (deleted.id, deleted.object) == (created.id, "thread.message.deleted")
    with pytest.raises(NotFoundError, match="No message found with id"):  # E-62
        await sdk.beta.threads.messages.retrieve(created.id, thread_id=thread["id"])


# Runs.


async def test_a_run_is_created_with_all_overrides(sdk: Sdk, assistant: Json, thread: Json, upstream: ScriptedUpstream):
    upstream.will_say(say("Sunny."))

    run = await sdk.beta.threads.runs.create(
        thread["id"],
        assistant_id=assistant["id"],
        include=[CONTENT],
        model="gpt-4o-mini",
        instructions="Be short.",
        additional_instructions="Be kind.",
        additional_messages=[{"role": "user", "content": "And tomorrow?"}],
        tools=[{"type": "function", "function": {"name": "get_tide"}}],
        temperature=0,
        top_p=0.5,
        max_prompt_tokens=5000,
        max_completion_tokens=500,
        truncation_strategy={"type": "last_messages", "last_messages": 5},
        tool_choice="none",
        parallel_tool_calls=False,
        response_format={"type": "json_object"},
        metadata={"k": "v"},
    )

    assert run.status == "queued"
    assert run.instructions == "Be short.\nBe kind."
    assert (run.model, run.temperature, run.max_prompt_tokens) == ("gpt-4o-mini", 0, 5000)
    assert run.truncation_strategy.last_messages == 5
    assert (run.tool_choice, run.parallel_tool_calls) == ("none", False)
    assert run.expires_at == run.created_at + 600


async def test_a_streamed_run_ends_with_its_final_state(
    sdk: Sdk, assistant: Json, thread: Json, upstream: ScriptedUpstream
):
    upstream.will_say(say("It is sunny."))

    events = await sdk.beta.threads.runs.create(thread["id"], assistant_id=assistant["id"], stream=True)

    assert await sdk.beta.threads.runs.retrieve(events[-1].data.id, thread_id=thread["id"]) == events[-1].data  # W-21


async def test_a_run_is_updated(sdk: Sdk, assistant: Json, thread: Json, upstream: ScriptedUpstream):
    upstream.will_say(function_call("get_weather", {"city": "Kyiv"}))
    events = await sdk.beta.threads.runs.create(thread["id"], assistant_id=assistant["id"], stream=True)

    updated = await sdk.beta.threads.runs.update(events[-1].data.id, thread_id=thread["id"], metadata={"k": "v"})

    assert updated == events[-1].data.model_copy(update={"metadata": {"k": "v"}})


async def test_runs_are_listed_newest_first(sdk: Sdk, assistant: Json, thread: Json, upstream: ScriptedUpstream):
    upstream.will_say(say("One."), say("Two."))
    first = await sdk.beta.threads.runs.create(thread["id"], assistant_id=assistant["id"], stream=True)
    second = await sdk.beta.threads.runs.create(thread["id"], assistant_id=assistant["id"], stream=True)

    page = await sdk.beta.threads.runs.list(thread["id"])

    assert page.data == [second[-1].data, first[-1].data]


async def test_a_waiting_run_is_cancelled(sdk: Sdk, assistant: Json, thread: Json, upstream: ScriptedUpstream, until):
    upstream.will_say(function_call("get_weather", {"city": "Kyiv"}))
    events = await sdk.beta.threads.runs.create(thread["id"], assistant_id=assistant["id"], stream=True)
    run = events[-1].data

    cancelling = await sdk.beta.threads.runs.cancel(run.id, thread_id=thread["id"])

    assert (cancelling.status, cancelling.required_action) == ("cancelling", None)

    async def is_cancelled():
        return (await sdk.beta.threads.runs.retrieve(run.id, thread_id=thread["id"])).status == "cancelled"

    await until(is_cancelled)


async def test_tool_outputs_are_submitted(sdk: Sdk, assistant: Json, thread: Json, upstream: ScriptedUpstream):
    upstream.will_say(function_call("get_weather", {"city": "Kyiv"}), say("It is sunny."))
    events = await sdk.beta.threads.runs.create(thread["id"], assistant_id=assistant["id"], stream=True)
    run = events[-1].data

    submitted = await sdk.beta.threads.runs.submit_tool_outputs(
        run.id, thread_id=thread["id"], tool_outputs=outputs(run, "sunny")
    )

    assert (submitted.id, submitted.status, submitted.required_action) == (run.id, "queued", None)


async def test_tool_outputs_are_submitted_and_the_next_leg_is_streamed(
    sdk: Sdk, assistant: Json, thread: Json, upstream: ScriptedUpstream
):
    upstream.will_say(function_call("get_weather", {"city": "Kyiv"}), say("It is sunny."))
    events = await sdk.beta.threads.runs.create(thread["id"], assistant_id=assistant["id"], stream=True)
    run = events[-1].data

    events = await sdk.beta.threads.runs.submit_tool_outputs(
        run.id, thread_id=thread["id"], tool_outputs=outputs(run, "sunny"), stream=True
    )

    assert events[0].event == "thread.run.step.completed"  # 7.3 (b)
    assert events[0].data.step_details.tool_calls[0].function.output == "sunny"
    assert events[-1].event == "thread.run.completed"


# Run steps.


async def test_steps_are_listed_and_retrieved_with_contents_included(
    sdk: Sdk, assistant: Json, thread: Json, upstream: ScriptedUpstream
):
    upstream.will_say(say("Let me look.") + function_call("get_weather", {"city": "Kyiv"}), say("It is sunny."))
    events = await sdk.beta.threads.runs.create(thread["id"], assistant_id=assistant["id"], stream=True)
    run = events[-1].data
    await sdk.beta.threads.runs.submit_tool_outputs(
        run.id, thread_id=thread["id"], tool_outputs=outputs(run, "sunny"), stream=True
    )
    of_run = {"thread_id": thread["id"], "run_id": run.id}

    page = await sdk.beta.threads.runs.steps.list(
        run.id, thread_id=thread["id"], order="asc", limit=100, include=[CONTENT]
    )

    assert [step.type for step in page.data] == ["message_creation", "tool_calls", "message_creation"]  # S-4
    for step in page.data:
        assert await sdk.beta.threads.runs.steps.retrieve(step.id, **of_run, include=[CONTENT]) == step  # 6.1, item 13


# Models, chat, embeddings.


async def test_models_are_listed_retrieved_and_never_deleted(sdk: Sdk):
    models = await iterated(await sdk.models.list())

    assert [await sdk.models.retrieve(model.id) for model in models] == models  # MD-1
    assert models
    with pytest.raises(PermissionDeniedError):  # MD-2
        await sdk.models.delete(models[0].id)


async def test_a_chat_completion_is_passed_through(sdk: Sdk, upstream: ScriptedUpstream):
    upstream.will_say(say("Hello."))

    completion = await sdk.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "Hi"}])

    assert completion.choices[0].message.content == "Hello."  # MD-4


async def test_a_chat_completion_is_passed_through_as_a_stream(sdk: Sdk, upstream: ScriptedUpstream):
    upstream.will_say(say("It is sunny."))

    chunks = await sdk.chat.completions.create(
        model="gpt-4o", messages=[{"role": "user", "content": "Hi"}], stream=True
    )

    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "It is sunny."


async def test_embeddings_are_passed_through(sdk: Sdk):
    answer = await sdk.embeddings.create(model="gpt-4o", input=["sun", "rain"])

    assert [embedding.index for embedding in answer.data] == [0, 1]
    assert len(answer.data[0].embedding) == len(answer.data[1].embedding) > 0


def outputs(run, output: str) -> list[dict[str, str]]:
    """The same output for every call that the run waits for."""
    return [{"tool_call_id": call.id, "output": output} for call in run.required_action.submit_tool_outputs.tool_calls]


def called_in(files) -> set[str]:
    """The methods that the tests call as `sdk.<resource>.<method>(...)`."""
    calls = (node for file in files for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call))
    paths = (ast.unparse(call.func).partition(".") for call in calls)
    return {path for name, _, path in paths if name == "sdk"}
