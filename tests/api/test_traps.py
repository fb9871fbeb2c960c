"""Faults that other servers of this API have had, and what breaks in clients. Contract: docs/behaviour.md, "Traps".

Each test has the number of its trap. Traps 23 and 24 are of vector stores and their citations.
"""

import asyncio
import json

import pytest

from tests.support import runs
from tests.support.api import Api, Event, Json
from tests.support.server import KEY
from treadle.upstream.scripted import cut, function_call, hang, say

KYIV = function_call("get_weather", {"city": "Kyiv"})
LVIV = function_call("get_weather", {"city": "Lviv"})


async def streamed(api: Api, thread: Json, assistant: Json) -> list[Event]:
    return await api.events(f"/threads/{thread['id']}/runs", {"assistant_id": assistant["id"]})


def objects_in(value: Json):
    """The value and every object inside it."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from objects_in(inner)


async def test_trap_1_events_are_bare_objects_without_an_envelope(api, assistant, thread, upstream):
    upstream.will_say(say("Let me look. ") + KYIV)

    *events, _ = await streamed(api, thread, assistant)

    for event in events:
        assert event.data["object"].startswith("thread.")
        assert not {"event", "data"} & set(event.data)


async def test_trap_2_times_are_whole_seconds(api, assistant, thread, upstream):
    upstream.will_say(say("Let me look. ") + KYIV, say("Sunny."))
    events = await streamed(api, thread, assistant)
    run = await runs.answered(api, events[-2].data)
    everything = [
        *(event.data for event in events[:-1]),
        run,
        await api.found(f"{runs.path(run)}/steps"),
        await api.found(f"/threads/{thread['id']}/messages"),
        thread,
        assistant,
    ]

    times = [
        value
        for found in objects_in(everything)
        for name, value in found.items()
        if name.endswith("_at") and value is not None
    ]

    assert len(times) > 30
    assert {type(time) for time in times} == {int}
    assert all(abs(time - run["created_at"]) <= 700 for time in times)


async def test_trap_3_iteration_does_not_stop_at_20(api, thread):
    for number in range(25):
        await api.created(f"/threads/{thread['id']}/messages", {"role": "user", "content": str(number)})
    path, query, seen = f"/threads/{thread['id']}/messages", {}, []

    while True:
        page = await api.found(path, query)
        seen += [message["id"] for message in page["data"]]
        if not page["has_more"]:
            break
        query["after"] = seen[-1]

    assert len(seen) == len(set(seen)) == 26


async def test_trap_4_an_empty_page_has_null_for_its_ids(api, thread):
    page = await api.found(f"/threads/{thread['id']}/runs")

    assert page == {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}


async def test_trap_5_a_cursor_stands_where_its_object_was_created_whatever_its_id(api, thread):
    created = [
        await api.created(f"/threads/{thread['id']}/messages", {"role": "user", "content": str(n)}) for n in range(12)
    ]
    ids = [message["id"] for message in created]
    assert ids != sorted(ids), "twelve random ids in order would prove nothing"

    for position, id in enumerate(ids):
        page = await api.found(f"/threads/{thread['id']}/messages", {"after": id, "order": "asc"})
        assert [message["id"] for message in page["data"]] == ids[position + 1 :]


@pytest.mark.parametrize("turn", [say("Sunny."), KYIV, cut(say("Sunny."), after_chunks=1)])
async def test_trap_6_every_stream_ends_with_done(api, assistant, thread, upstream, turn):
    upstream.will_say(turn)

    events = await streamed(api, thread, assistant)

    assert events[-1] == Event("done", "[DONE]", None)


async def test_trap_7_nothing_is_completed_after_requires_action(api, assistant, thread, upstream):
    upstream.will_say(KYIV)

    events = await streamed(api, thread, assistant)

    assert runs.names(events)[-2:] == ["r.requires_action", "done"]
    assert "r.completed" not in runs.names(events)
    assert (await api.found(runs.path(events[-2].data)))["status"] == "requires_action"


async def test_trap_8_zero_and_empty_override_the_assistant(api, thread, upstream):
    upstream.will_say(say("Yes."))
    tool = {"type": "function", "function": {"name": "roll"}}
    assistant = await api.created(
        "/assistants", {"model": "gpt-4o", "temperature": 0.9, "instructions": "Rhyme.", "tools": [tool]}
    )

    run = await runs.ran(api, thread, assistant, temperature=0, instructions="", tools=[])

    sent = (await upstream.request(0)).body
    assert (run["temperature"], run["instructions"], run["tools"]) == (0, "", [])
    assert sent["temperature"] == 0
    assert "tools" not in sent
    assert [message["role"] for message in sent["messages"]] == ["user"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/assistants", {"model": 7}, 400),
        ("POST", "/assistants", {"model": "gpt-4o", "temperature": 200}, 400),
        ("POST", "/assistants", {}, 400),
        ("GET", "/assistants?limit=0", None, 400),
        ("GET", "/nowhere", None, 404),
        ("PUT", "/assistants", None, 405),
        ("PATCH", "/threads/thread_1", {}, 405),
    ],
)
async def test_trap_9_every_error_has_the_envelope_and_none_is_422(api, method, path, body, status):
    answer = await api.request(method, path, body=body)

    assert answer.status == status
    assert answer.error["type"] == "invalid_request_error"


async def test_trap_10_a_locked_thread_is_400_and_not_409(api, assistant, thread, upstream):
    upstream.will_say(hang())
    await runs.begun(api, thread, assistant)

    for path, body in (
        (f"/threads/{thread['id']}/runs", {"assistant_id": assistant["id"]}),
        (f"/threads/{thread['id']}/messages", {"role": "user", "content": "Hello"}),
    ):
        assert (await api.post(path, body)).status == 400


async def test_trap_11_the_poll_header_is_a_whole_number(api, assistant, thread, upstream):
    upstream.will_say(KYIV)
    run = await runs.ran(api, thread, assistant)

    value = (await api.get(runs.path(run))).headers["openai-poll-after-ms"]

    assert value.isdecimal()
    assert int(value) >= 100


async def test_trap_12_some_of_the_outputs_are_not_accepted(api, assistant, thread, upstream):
    upstream.will_say(KYIV + LVIV)
    run = await runs.ran(api, thread, assistant)
    first, second = runs.call_ids(run)

    answer = await api.post(
        f"{runs.path(run)}/submit_tool_outputs", {"tool_outputs": [{"tool_call_id": first, "output": "sun"}]}
    )

    assert answer.status == 400
    assert answer.error["message"] == f"Expected tool outputs for call_ids ['{first}', '{second}'], got ['{first}']"
    assert await api.found(runs.path(run)) == run


async def test_trap_13_outputs_go_back_as_tool_messages_tied_to_their_calls(api, assistant, thread, upstream):
    upstream.will_say(KYIV + LVIV, say("Sunny."))
    run = await runs.ran(api, thread, assistant)
    first, second = runs.call_ids(run)
    outputs = [{"tool_call_id": second, "output": "rain"}, {"tool_call_id": first, "output": "sun"}]

    await runs.settled(api, await api.created(f"{runs.path(run)}/submit_tool_outputs", {"tool_outputs": outputs}))

    sent = (await upstream.request(1)).body["messages"]
    assert [call["id"] for call in sent[1]["tool_calls"]] == [first, second]
    answers = {message["tool_call_id"]: message["content"] for message in sent if message["role"] == "tool"}
    assert answers == {first: "sun", second: "rain"}
    assert len([message for message in sent if message["role"] == "user"]) == 1


async def test_trap_14_a_clients_fault_is_never_a_500(api, assistant, thread, upstream):
    upstream.will_say(say("Sunny."))
    run = await runs.ran(api, thread, assistant)
    unknown = {"tool_outputs": [{"tool_call_id": "call_0", "output": "sun"}]}

    assert (await api.post(f"{runs.path(run)}/submit_tool_outputs", unknown)).status == 400
    assert (await api.post(f"{runs.path(run)}/cancel")).status == 400


async def test_trap_15_a_waiting_run_can_be_cancelled_and_is_not_cancelled_before_its_time(
    api, assistant, thread, upstream
):
    upstream.will_say(KYIV)
    run = await runs.ran(api, thread, assistant)

    answer = await api.created(f"{runs.path(run)}/cancel")

    assert (answer["status"], answer["cancelled_at"]) == ("cancelling", None)
    assert (await runs.settled(api, answer))["cancelled_at"] is not None
    await api.created(f"/threads/{thread['id']}/messages", {"role": "user", "content": "Hello"})


async def test_trap_16_cancelling_ends(api, assistant, thread, upstream):
    upstream.will_say(hang(say("It is"), after_chunks=2))
    run = await runs.begun(api, thread, assistant)
    await upstream.request(0)

    answer = await api.created(f"{runs.path(run)}/cancel")

    async with asyncio.timeout(10):
        assert (await runs.settled(api, answer))["status"] == "cancelled"


async def test_trap_17_ids_and_names_come_once_and_text_in_fragments(api, assistant, thread, upstream):
    upstream.will_say(say("Let me look it up. ") + KYIV)

    events = await streamed(api, thread, assistant)

    calls = [
        call
        for delta in runs.of_kind(events, "thread.run.step.delta")
        for call in delta["delta"]["step_details"]["tool_calls"]
    ]
    text = [
        part["text"]["value"]
        for delta in runs.of_kind(events, "thread.message.delta")
        for part in delta["delta"]["content"]
    ]
    assert ["id" in call for call in calls] == [True] + [False] * (len(calls) - 1)
    assert ["name" in call["function"] for call in calls] == [True] + [False] * (len(calls) - 1)
    assert "".join(call["function"]["arguments"] for call in calls) == '{"city":"Kyiv"}'
    assert "".join(text) == "Let me look it up. "


async def test_trap_18_a_step_is_created_without_calls_and_every_delta_has_an_index(api, assistant, thread, upstream):
    upstream.will_say(KYIV + LVIV)

    events = await streamed(api, thread, assistant)

    [created] = runs.of_kind(events, "thread.run.step.created")
    assert created["step_details"]["tool_calls"] == []
    for delta in runs.of_kind(events, "thread.run.step.delta"):
        assert {type(call["index"]) for call in delta["delta"]["step_details"]["tool_calls"]} == {int}


async def test_trap_19_a_turn_of_calls_alone_leaves_no_message(api, assistant, thread, upstream):
    upstream.will_say(say("\n\n") + KYIV, say("Sunny."))

    run = await runs.answered(api, await runs.ran(api, thread, assistant))

    assert [step["type"] for step in await runs.steps_of(api, run)] == ["tool_calls", "message_creation"]
    assert [runs.text_of(message) for message in await runs.messages_of(api, thread)] == [
        "What is the weather in Kyiv?",
        "Sunny.",
    ]


async def test_trap_20_the_steps_of_a_run_are_listed_with_their_times_and_usage(api, assistant, thread, upstream):
    upstream.will_say(KYIV, say("Sunny."))

    run = await runs.answered(api, await runs.ran(api, thread, assistant))

    steps = await runs.steps_of(api, run)
    assert len(steps) == 2
    for step in steps:
        assert step["completed_at"] >= step["created_at"]
        assert step["usage"]["total_tokens"] > 0


async def test_trap_21_the_function_step_is_completed_at_the_submit_with_its_output(api, assistant, thread, upstream):
    upstream.will_say(KYIV, say("Sunny."))
    first = await streamed(api, thread, assistant)
    run = first[-2].data
    assert "s.completed" not in runs.names(first)

    second = await api.events(f"{runs.path(run)}/submit_tool_outputs", runs.outputs(run, "sun"))

    assert runs.names(second)[0] == "s.completed"
    assert second[0].data["step_details"]["tool_calls"][0]["function"]["output"] == "sun"


async def test_trap_22_a_completed_message_is_whole(api, assistant, thread, upstream):
    upstream.will_say(say("It is sunny in Kyiv.", chunk_size=2))

    events = await streamed(api, thread, assistant)

    [message] = runs.of_kind(events, "thread.message.completed")
    assert runs.text_of(message) == "It is sunny in Kyiv."


async def test_trap_25_a_model_name_with_a_slash_is_not_decoded_too_early(api):
    answer = await api.get("/models/org%2Fname")

    assert answer.status == 404
    assert answer.error["message"] == "The model 'org/name' does not exist"


async def test_trap_26_the_beta_header_is_asked_for_where_clients_send_it_only(server, thread):
    plain = Api(server.root, KEY)
    del plain.http.headers["OpenAI-Beta"]

    models = await plain.get("/models")
    thread_ = await plain.get(f"/threads/{thread['id']}")

    assert models.status == 200
    assert thread_.error["code"] == "invalid_beta"
    await plain.close()


@pytest.mark.parametrize("name", ["include[]", "include%5B%5D", "include", "include[0]"])
async def test_trap_27_include_is_read_with_brackets_and_without(api, assistant, thread, upstream, name):
    upstream.will_say(say("Sunny."))
    run = await runs.ran(api, thread, assistant)

    answer = await api.get(f"{runs.path(run)}/steps", f"{name}=nonsense")

    assert answer.status == 400, "an include that is not read would be accepted"
    assert answer.error["param"] == "include[0]"


async def test_trap_28_editing_the_assistant_does_not_change_a_run(api, assistant, thread, upstream):
    upstream.will_say(KYIV, say("Sunny."))
    run = await runs.ran(api, thread, assistant)

    await api.created(f"/assistants/{assistant['id']}", {"model": "other", "instructions": "Rhyme.", "tools": []})

    done = await runs.answered(api, run)
    assert (done["model"], done["instructions"], done["tools"]) == (run["model"], run["instructions"], run["tools"])
    assert (await upstream.request(1)).body["model"] == run["model"]


async def test_trap_29_a_double_click_creates_one_run(api, assistant, thread, upstream):
    upstream.will_say(hang())
    body = {"assistant_id": assistant["id"]}

    answers = await asyncio.gather(*(api.post(f"/threads/{thread['id']}/runs", body) for _ in range(2)))

    assert sorted(answer.status for answer in answers) == [200, 400]
    assert len((await api.found(f"/threads/{thread['id']}/runs"))["data"]) == 1


async def test_trap_30_events_are_not_held_back_and_not_compressed(api, assistant, thread, upstream):
    upstream.will_say(hang(say("It is sunny."), after_chunks=2))
    body = json.dumps({"assistant_id": assistant["id"], "stream": True})
    headers = {"Content-Type": "application/json", "Accept-Encoding": "gzip, deflate, br"}
    raw = b""

    async with (
        asyncio.timeout(10),
        api.http.stream("POST", f"/v1/threads/{thread['id']}/runs", content=body, headers=headers) as response,
    ):
        async for piece in response.aiter_raw():
            raw += piece
            if b"thread.message.delta" in raw:
                break

    assert "content-encoding" not in response.headers
    assert response.headers["x-accel-buffering"] == "no"
