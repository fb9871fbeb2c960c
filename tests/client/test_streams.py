"""Event streams as typed events. Contract: docs/behaviour.md, section 7."""

import asyncio

import pytest

from treadle.client import ConnectionFailed, Event
from treadle.contract.chat import ChatCompletionChunk
from treadle.contract.errors import InvalidRequest, NotFound, RateLimited, ServerFault
from treadle.contract.events import EventName, MessageDelta, RunStepDelta
from treadle.contract.runs import Run, RunStatus
from treadle.upstream.scripted import function_call, say

STREAM = {"content-type": "text/event-stream; charset=utf-8"}


def said(events: list[Event]) -> str:
    return "".join(event.data.delta.content[0].text.value for event in events if isinstance(event.data, MessageDelta))


async def test_w_2_events_have_their_names_and_typed_data(ours_async, assistant, thread, upstream):
    upstream.will_say(say("It is sunny."))

    stream = await ours_async.create_run(thread_id=thread["id"], assistant_id=assistant["id"], stream=True)
    events = [event async for event in stream]

    assert [event.name for event in events][:2] == [EventName.RUN_CREATED, EventName.RUN_QUEUED]
    assert said(events) == "It is sunny."
    assert isinstance(events[-1].data, Run)
    assert events[-1].data.status == RunStatus.COMPLETED


async def test_the_synchronous_client_streams_the_same(ours, assistant, thread, upstream):
    upstream.will_say(function_call("get_weather", {"city": "Kyiv"}))
    upstream.will_say(say("It is sunny."))

    def work() -> tuple[list[Event], list[Event]]:
        first = list(ours.createRun(thread_id=thread["id"], assistant_id=assistant["id"], stream=True))
        run = first[-1].data
        calls = run.required_action.submit_tool_outputs.tool_calls
        with ours.submitToolOuputsToRun(
            thread_id=run.thread_id,
            run_id=run.id,
            tool_outputs=[{"tool_call_id": call.id, "output": "sunny"} for call in calls],
            stream=True,
        ) as stream:
            return first, list(stream)

    # The scripted model lives on this loop.
    first, second = await asyncio.to_thread(work)

    assert first[-1].name == EventName.RUN_REQUIRES_ACTION
    assert any(isinstance(event.data, RunStepDelta) for event in first)
    assert said(second) == "It is sunny."


async def test_w_9_a_reader_goes_on_after_the_last_event_it_has_seen(ours_async, assistant, thread, upstream):
    upstream.will_say(say("One two three four five six.", chunk_size=4, delay_seconds=0.01))
    stream = await ours_async.create_run(thread_id=thread["id"], assistant_id=assistant["id"], stream=True)
    before = []
    async with stream:
        async for event in stream:
            before.append(event)
            if event.name == EventName.MESSAGE_DELTA:
                break

    run = before[0].data
    rest = await ours_async.stream_run(thread_id=run.thread_id, run_id=run.id, last_event_id=before[-1].id)
    after = [event async for event in rest]

    assert said(before) + said(after) == "One two three four five six."
    assert int(after[0].id) == int(before[-1].id) + 1
    assert after[-1].name == EventName.RUN_COMPLETED


async def test_w_7_an_error_before_the_stream_opens_is_raised_by_the_call(ours_async, ours, thread):
    with pytest.raises(NotFound):
        await ours_async.create_run(thread_id=thread["id"], assistant_id="asst_unknown", stream=True)
    with pytest.raises(NotFound):
        ours.stream_run(thread_id=thread["id"], run_id="run_unknown")


async def test_a_chat_completion_streams_typed_chunks(ours_async, upstream):
    upstream.will_say(say("Hello there."))

    stream = await ours_async.create_chat_completion(
        model="gpt-4o", messages=[{"role": "user", "content": "Hi"}], stream=True
    )
    chunks = [chunk async for chunk in stream]

    assert {type(chunk) for chunk in chunks} == {ChatCompletionChunk}
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "Hello there."


def test_w_4_an_event_that_this_version_does_not_know_is_passed_over(told, connect):
    told.answer(200, STREAM, b'event: thread.novelty\ndata: {"a":1}\n\nevent: done\ndata: [DONE]\n\n')

    assert list(connect().stream_run(thread_id="thread_a", run_id="run_b")) == []


@pytest.mark.parametrize(
    ("type", "kind"),
    [
        ("server_error", ServerFault),
        ("rate_limit_error", RateLimited),
        ("invalid_request_error", InvalidRequest),
        ("novel_error", ServerFault),
    ],
)
def test_w_8_an_error_event_is_raised(told, connect, type, kind):
    detail = f'"message":"Broken.","type":"{type}","param":null,"code":null'
    told.answer(200, STREAM, f'event: error\ndata: {{{detail},"error":{{{detail}}}}}\n\n'.encode())

    with pytest.raises(kind, match="Broken"):
        list(connect().stream_run(thread_id="thread_a", run_id="run_b"))


def test_w_8_the_bare_form_of_the_error_event_is_raised_too(told, connect):
    told.answer(200, STREAM, b'event: error\ndata: {"message":"Broken.","type":"server_error"}\n\n')

    with pytest.raises(ServerFault, match="Broken"):
        list(connect().stream_run(thread_id="thread_a", run_id="run_b"))


def test_an_error_inside_a_passed_through_stream_is_raised(told, connect):
    told.answer(200, STREAM, b'data: {"error":{"message":"Out of memory.","type":"server_error"}}\n\n')
    client = connect()

    with pytest.raises(ServerFault, match="Out of memory"):
        list(client.create_chat_completion(model="m", messages=[{"role": "user", "content": "Hi"}], stream=True))


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (STREAM, b""),
        (STREAM, b'event: thread.created\ndata: {"id":"thread_a","crea'),
        ({**STREAM, "content-length": "99"}, b"\n"),
    ],
    ids=["nothing", "half an event", "half a body"],
)
def test_w_3_a_stream_without_its_last_event_has_broken_off(told, connect, headers, body):
    told.answer(200, {**headers, "connection": "close"}, body)

    with pytest.raises(ConnectionFailed, match="broke off"):
        list(connect().stream_run(thread_id="thread_a", run_id="run_b"))


async def test_w_6_a_stream_read_to_its_end_leaves_the_connection_usable(
    ours_async, assistant, thread, upstream, until
):
    upstream.will_say(say("Yes."))
    stream = await ours_async.create_run(thread_id=thread["id"], assistant_id=assistant["id"], stream=True)
    async for _ in stream:
        pass

    await ours_async.get_thread(thread_id=thread["id"])

    assert len(ours_async._http._transport._pool.connections) == 1
