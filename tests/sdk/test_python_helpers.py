"""The newest official Python SDK: its pollers and stream helpers (sections 7.4 and 13), blocking and async."""

import asyncio

import httpx2
import pytest
from openai import AssistantEventHandler, AsyncAssistantEventHandler

from tests.sdk.flavours import HELPER_FLAVOURS, Sdk, drained, listed
from tests.sdk.strict import checked
from tests.support.api import Json
from treadle.upstream.scripted import ScriptedUpstream, cut, fail, function_call, hang, say

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # the whole API is marked so
    pytest.mark.parametrize("sdk", HELPER_FLAVOURS, indirect=True),
]

HOOKS = sorted(name for name in dir(AssistantEventHandler) if name.startswith("on_"))


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str | None:
    """They use everything that differs: polling and streams of runs, on both databases."""
    return None if request.param == "sqlite" else request.getfixturevalue("postgres")


# Pollers.


async def test_a_run_is_created_and_polled_to_its_end(
    sdk: Sdk, assistant: Json, thread: Json, upstream: ScriptedUpstream
):
    upstream.will_say(say("It is sunny."))

    run = await sdk.beta.threads.runs.create_and_poll(thread_id=thread["id"], assistant_id=assistant["id"])

    assert run.status == "completed"
    assert run.usage.total_tokens == run.usage.prompt_tokens + run.usage.completion_tokens > 0


async def test_polling_stops_at_a_function_call_and_goes_on_after_its_output(
    sdk: Sdk, assistant: Json, thread: Json, upstream: ScriptedUpstream
):
    upstream.will_say(function_call("get_weather", {"city": "Kyiv"}), say("It is sunny."))

    waiting = await sdk.beta.threads.runs.create_and_poll(thread_id=thread["id"], assistant_id=assistant["id"])
    completed = await sdk.beta.threads.runs.submit_tool_outputs_and_poll(
        run_id=waiting.id, thread_id=thread["id"], tool_outputs=outputs(waiting)
    )

    assert waiting.status == "requires_action"
    assert completed.status == "completed"


async def test_a_thread_and_its_run_are_created_and_polled(sdk: Sdk, assistant: Json, upstream: ScriptedUpstream):
    upstream.will_say(say("Hello."))

    run = await sdk.beta.threads.create_and_run_poll(
        assistant_id=assistant["id"], thread={"messages": [{"role": "user", "content": "Hi"}]}
    )

    assert run.status == "completed"


async def test_a_run_is_polled_to_its_end(sdk: Sdk, assistant: Json, thread: Json, upstream: ScriptedUpstream):
    upstream.will_say(say("It is sunny.", first_delay_seconds=0.3))
    created = await sdk.beta.threads.runs.create(thread["id"], assistant_id=assistant["id"])

    run = await sdk.beta.threads.runs.poll(run_id=created.id, thread_id=thread["id"])

    assert (run.id, run.status) == (created.id, "completed")


# Streams, read in each of the ways that the SDK offers.


async def test_a_stream_gives_the_final_run_messages_and_steps(
    sdk: Sdk, assistant: Json, thread: Json, upstream: ScriptedUpstream
):
    upstream.will_say(say("It is sunny.", chunk_size=3))
    handler = recorder(sdk)

    await drained(
        await sdk.beta.threads.runs.stream(thread_id=thread["id"], assistant_id=assistant["id"], event_handler=handler)
    )

    run = await settled(handler.get_final_run())
    [message] = await settled(handler.get_final_messages())
    [step] = await settled(handler.get_final_run_steps())
    assert checked(run).status == "completed"
    assert checked(message).content[0].text.value == "It is sunny."
    assert step.step_details.message_creation.message_id == message.id


@pytest.mark.parametrize("method", ["get_final_run", "get_final_messages", "get_final_run_steps", "until_done"])
async def test_each_way_to_wait_for_the_end_reads_the_stream(
    sdk: Sdk, assistant: Json, thread: Json, upstream: ScriptedUpstream, method: str
):
    upstream.will_say(say("It is sunny."))
    handler = recorder(sdk)
    manager = await sdk.beta.threads.runs.stream(
        thread_id=thread["id"], assistant_id=assistant["id"], event_handler=handler
    )

    await drained(manager, lambda stream: getattr(stream, method)())

    assert handler.events[-1] == "thread.run.completed"
    assert handler.current_run.status == "completed"


async def test_the_text_deltas_are_the_text_in_pieces(
    sdk: Sdk, assistant: Json, thread: Json, upstream: ScriptedUpstream
):
    upstream.will_say(say("It is sunny.", chunk_size=3))
    manager = await sdk.beta.threads.runs.stream(thread_id=thread["id"], assistant_id=assistant["id"])

    pieces = await drained(manager, lambda stream: listed(stream.text_deltas))

    assert "".join(pieces) == "It is sunny."  # D-8


async def test_the_events_are_those_of_the_wire(sdk: Sdk, assistant: Json, thread: Json, upstream: ScriptedUpstream):
    upstream.will_say(say("Sunny."))
    manager = await sdk.beta.threads.runs.create_and_stream(thread_id=thread["id"], assistant_id=assistant["id"])

    events = await drained(manager, listed)

    assert [event.event for event in events] == [  # 7.3 (a)
        "thread.run.created",
        "thread.run.queued",
        "thread.run.in_progress",
        "thread.run.step.created",
        "thread.run.step.in_progress",
        "thread.message.created",
        "thread.message.in_progress",
        "thread.message.delta",
        "thread.message.completed",
        "thread.run.step.completed",
        "thread.run.completed",
    ]


async def test_a_thread_and_its_run_are_created_and_streamed(sdk: Sdk, assistant: Json, upstream: ScriptedUpstream):
    upstream.will_say(say("Hello."))
    handler = recorder(sdk)

    await drained(await sdk.beta.threads.create_and_run_stream(assistant_id=assistant["id"], event_handler=handler))

    assert handler.events[0] == "thread.created"  # 7.3 (e)
    assert handler.events[-1] == "thread.run.completed"


# Event handlers that override every hook.


async def test_the_hooks_for_a_text(sdk: Sdk, assistant: Json, thread: Json, upstream: ScriptedUpstream):
    upstream.will_say(say("It is sunny.", chunk_size=100))
    handler = recorder(sdk)

    await drained(
        await sdk.beta.threads.runs.stream(thread_id=thread["id"], assistant_id=assistant["id"], event_handler=handler)
    )

    assert handler.calls_but("on_event") == [
        "on_run_step_created",
        "on_message_created",
        "on_text_created",
        "on_text_delta It is sunny.",
        "on_message_delta",
        "on_text_done It is sunny.",
        "on_message_done",
        "on_run_step_done",
        "on_end",
    ]
    assert len(handler.events) == handler.calls.count("on_event")


async def test_the_hooks_for_two_function_calls_and_for_the_leg_after_them(
    sdk: Sdk, assistant: Json, thread: Json, upstream: ScriptedUpstream
):
    calls = function_call("get_weather", {"city": "Kyiv"}) + function_call("get_weather", {"city": "Oslo"})
    upstream.will_say(calls, say("Sunny."))
    before, after = recorder(sdk), recorder(sdk)

    await drained(
        await sdk.beta.threads.runs.stream(thread_id=thread["id"], assistant_id=assistant["id"], event_handler=before)
    )
    run = await settled(before.get_final_run())
    await drained(
        await sdk.beta.threads.runs.submit_tool_outputs_stream(
            run_id=run.id, thread_id=thread["id"], tool_outputs=outputs(run), event_handler=after
        )
    )

    # C-8: a call is done when the next begins, and at requires_action.
    assert without_repeats(before.calls_but("on_event", "on_run_step_delta")) == [
        "on_run_step_created",
        "on_tool_call_created get_weather",
        "on_tool_call_delta",
        'on_tool_call_done {"city":"Kyiv"}',
        "on_tool_call_created get_weather",
        "on_tool_call_delta",
        'on_tool_call_done {"city":"Oslo"}',
        "on_end",
    ]
    assert before.calls.count("on_run_step_delta") == before.events.count("thread.run.step.delta")
    assert without_repeats(after.calls_but("on_event")) == [
        "on_run_step_done",
        "on_run_step_created",
        "on_message_created",
        "on_text_created",
        "on_text_delta Sunny.",
        "on_message_delta",
        "on_text_done Sunny.",
        "on_message_done",
        "on_run_step_done",
        "on_end",
    ]


async def test_the_hooks_for_a_failed_run(sdk: Sdk, assistant: Json, thread: Json, upstream: ScriptedUpstream):
    upstream.will_say(fail(400, body={"error": {"message": "No."}}))
    handler = recorder(sdk)

    await drained(
        await sdk.beta.threads.runs.stream(thread_id=thread["id"], assistant_id=assistant["id"], event_handler=handler)
    )

    run = await settled(handler.get_final_run())
    assert checked(run).status == "failed"  # W-7: an event like any other, no exception
    assert run.last_error.message
    assert handler.calls_but("on_event") == ["on_end"]


async def test_the_hooks_for_a_run_that_fails_in_the_middle_of_its_message(
    sdk: Sdk, assistant: Json, thread: Json, upstream: ScriptedUpstream
):
    upstream.will_say(cut(say("It is", delay_seconds=0.1), after_chunks=2))
    handler = recorder(sdk)

    await drained(
        await sdk.beta.threads.runs.stream(thread_id=thread["id"], assistant_id=assistant["id"], event_handler=handler)
    )

    [message] = await settled(handler.get_final_messages())
    assert (message.status, message.incomplete_details.reason) == ("incomplete", "run_failed")  # M-12
    assert (await settled(handler.get_final_run())).status == "failed"
    assert handler.events[-3:] == ["thread.message.incomplete", "thread.run.step.failed", "thread.run.failed"]  # (f)
    assert handler.calls_but("on_event")[-4:] == [
        "on_text_done It is",
        "on_message_done",
        "on_run_step_done",
        "on_end",
    ]


async def test_the_hooks_for_a_reader_who_waits_no_longer(
    sdk: Sdk, assistant: Json, thread: Json, upstream: ScriptedUpstream
):
    upstream.will_say(hang(say("It is sunny."), after_chunks=2))
    handler = recorder(sdk)

    with pytest.raises(httpx2.ReadTimeout):
        await drained(
            await sdk.beta.threads.runs.stream(
                thread_id=thread["id"], assistant_id=assistant["id"], event_handler=handler, timeout=1.0
            )
        )

    assert handler.calls[-3:] == ["on_timeout", "on_exception ReadTimeout", "on_end"]


async def test_the_hooks_for_a_fault_of_the_callers_own(
    sdk: Sdk, assistant: Json, thread: Json, upstream: ScriptedUpstream
):
    upstream.will_say(say("It is sunny."))
    handler = recorder(sdk, fault_in="on_message_created")

    with pytest.raises(ZeroDivisionError):
        await drained(
            await sdk.beta.threads.runs.stream(
                thread_id=thread["id"], assistant_id=assistant["id"], event_handler=handler
            )
        )

    assert handler.calls[-3:] == ["on_message_created", "on_exception ZeroDivisionError", "on_end"]


def recorder(sdk: Sdk, *, fault_in: str = ""):
    """An event handler of the SDK's kind that overrides every hook and notes its call, with what it was told."""

    class Recording:
        def __init__(self) -> None:
            super().__init__()
            self.calls: list[str] = []
            self.events: list[str] = []

        def note(self, hook: str, *values: object) -> None:
            if hook == "on_event":
                self.events.append(values[0].event)
            self.calls.append(f"{hook} {told(hook, *values)}".rstrip())
            if hook == fault_in:
                raise ZeroDivisionError

        def calls_but(self, *hooks: str) -> list[str]:
            return [call for call in self.calls if call not in hooks]

    def blocking(hook):
        return lambda self, *values: self.note(hook, *values)

    def awaited(hook):
        async def call(self, *values):
            self.note(hook, *values)

        return call

    base = AsyncAssistantEventHandler if sdk.is_async else AssistantEventHandler
    overriding = awaited if sdk.is_async else blocking
    return type("Recorder", (Recording, base), {hook: overriding(hook) for hook in HOOKS})()


def told(hook: str, *values) -> str:
    """What the test wants to see of a hook's arguments."""
    match hook:
        case "on_text_delta" | "on_text_done":
            return values[-1].value
        case "on_tool_call_created":
            return values[0].function.name
        case "on_tool_call_done":
            return values[0].function.arguments
        case "on_exception":
            return type(values[0]).__name__
        case _:
            return ""


def without_repeats(calls: list[str]) -> list[str]:
    return [call for index, call in enumerate(calls) if index == 0 or calls[index - 1] != call]


async def settled(value):
    return await value if asyncio.iscoroutine(value) else value


def outputs(run) -> list[dict[str, str]]:
    """The same output for every call that the run waits for."""
    return [{"tool_call_id": call.id, "output": "sunny"} for call in run.required_action.submit_tool_outputs.tool_calls]
