"""Streams. Contract: docs/behaviour.md, section 7."""

import asyncio
import json

import msgspec
import pytest

from tests.support import runs
from tests.support.api import Event, Json
from treadle.contract.events import DATA, EventName
from treadle.upstream.scripted import cut, function_call, hang, refuse, say

KYIV = function_call("get_weather", {"city": "Kyiv"})
LVIV = function_call("get_weather", {"city": "Lviv"})

MESSAGE_BLOCK = ["s.created", "s.in_progress", "m.created", "m.in_progress", "m.delta", "m.completed", "s.completed"]
CALLS_BLOCK = ["s.created", "s.in_progress", "s.delta"]


async def streamed(api, thread: Json, assistant: Json, **body: Json) -> list[Event]:
    return await api.events(f"/threads/{thread['id']}/runs", {"assistant_id": assistant["id"], **body})


async def submitted(api, events: list[Event], text: str = "sunny") -> list[Event]:
    """The next leg, after a stream that ended with requires_action."""
    run = events[-2].data
    return await api.events(f"{runs.path(run)}/submit_tool_outputs", runs.outputs(run, text))


def joined_text(events: list[Event]) -> str:
    deltas = runs.of_kind(events, "thread.message.delta")
    return "".join(part["text"]["value"] for delta in deltas for part in delta["delta"]["content"])


def call_deltas(events: list[Event]) -> list[Json]:
    deltas = runs.of_kind(events, "thread.run.step.delta")
    return [call for delta in deltas for call in delta["delta"]["step_details"]["tool_calls"]]


class TestOrder:
    """Section 7.3: the exact sequence of events of each kind of run."""

    async def test_a_plain_text(self, api, assistant, thread, upstream):
        upstream.will_say(say("It is sunny in Kyiv."))

        events = await streamed(api, thread, assistant)

        assert runs.names(events) == [
            "r.created",
            "r.queued",
            "r.in_progress",
            "s.created",
            "s.in_progress",
            "m.created",
            "m.in_progress",
            "m.delta",
            "m.completed",
            "s.completed",
            "r.completed",
            "done",
        ]

    async def test_b_a_function_call(self, api, assistant, thread, upstream):
        upstream.will_say(KYIV, say("Sunny."))

        first = await streamed(api, thread, assistant)
        second = await submitted(api, first)

        assert runs.names(first) == [
            "r.created",
            "r.queued",
            "r.in_progress",
            "s.created",
            "s.in_progress",
            "s.delta",
            "r.requires_action",
            "done",
        ]
        assert runs.names(second) == [
            "s.completed",
            "r.queued",
            "r.in_progress",
            *MESSAGE_BLOCK,
            "r.completed",
            "done",
        ]

    async def test_b_text_before_the_calls_has_a_whole_message_block_of_its_own(self, api, assistant, thread, upstream):
        upstream.will_say(say("Let me look. ") + KYIV)

        events = await streamed(api, thread, assistant)

        assert runs.names(events)[3:] == [*MESSAGE_BLOCK, *CALLS_BLOCK, "r.requires_action", "done"]
        [message_step, tool_step] = await runs.steps_of(api, events[-2].data)
        assert (message_step["status"], tool_step["status"]) == ("completed", "in_progress")
        assert joined_text(events) == "Let me look. "

    async def test_b_two_rounds(self, api, assistant, thread, upstream):
        upstream.will_say(KYIV, LVIV, say("Sunny."))

        first = await streamed(api, thread, assistant)
        second = await submitted(api, first)
        third = await submitted(api, second)

        assert runs.names(second) == [
            "s.completed",
            "r.queued",
            "r.in_progress",
            *CALLS_BLOCK,
            "r.requires_action",
            "done",
        ]
        assert runs.names(third)[-2:] == ["r.completed", "done"]

    async def test_e_a_new_thread_comes_first(self, api, assistant, upstream):
        upstream.will_say(say("Sunny."))
        thread = {"messages": [{"role": "user", "content": "Weather?"}], "metadata": {"ticket": "7"}}

        events = await api.events("/threads/runs", {"assistant_id": assistant["id"], "thread": thread})

        assert runs.names(events) == [
            "thread.created",
            "r.created",
            "r.queued",
            "r.in_progress",
            *MESSAGE_BLOCK,
            "r.completed",
            "done",
        ]
        assert events[0].data == await api.found(f"/threads/{events[1].data['thread_id']}")

    async def test_f_failed_in_a_message(self, api, assistant, thread, upstream):
        upstream.will_say(runs.broken_off(say("It is sunny in Kyiv."), after_chunks=2))

        events = await streamed(api, thread, assistant)

        assert runs.names(events)[3:] == [
            "s.created",
            "s.in_progress",
            "m.created",
            "m.in_progress",
            "m.delta",
            "m.incomplete",
            "s.failed",
            "r.failed",
            "done",
        ]
        assert events[-4].data["incomplete_details"] == {"reason": "run_failed"}
        assert events[-2].data["last_error"]["code"] == "server_error"

    async def test_f_failed_before_anything_was_said(self, api, assistant, thread, upstream):
        upstream.will_say(cut(after_chunks=0), cut(after_chunks=0))

        events = await streamed(api, thread, assistant)

        assert runs.names(events) == ["r.created", "r.queued", "r.in_progress", "r.failed", "done"]

    async def test_f_failed_in_a_call(self, api, assistant, thread, upstream):
        upstream.will_say(runs.broken_off(KYIV, after_chunks=3))

        events = await streamed(api, thread, assistant)

        assert runs.names(events)[3:] == [*CALLS_BLOCK, "s.failed", "r.failed", "done"]

    async def test_f_cancelled(self, api, assistant, thread, upstream):
        upstream.will_say(hang(say("It is sunny.", chunk_size=4), after_chunks=3))
        body = {"assistant_id": assistant["id"], "stream": True}
        seen = []

        async with api.stream("POST", f"/threads/{thread['id']}/runs", body=body) as events:
            async for event in events:
                seen.append(event)
                if joined_text(seen) == "It is su":
                    break
            await api.created(f"{runs.path(seen[0].data)}/cancel")
            seen += [event async for event in events]

        assert runs.names(seen)[7:] == [
            "m.delta",
            "r.cancelling",
            "m.incomplete",
            "s.cancelled",
            "r.cancelled",
            "done",
        ]
        message = seen[-4].data
        assert message["incomplete_details"] == {"reason": "run_cancelled"}
        assert runs.text_of(message) == "It is su"

    async def test_f_expired(self, api, assistant, thread, upstream, clock):
        upstream.will_say(hang(KYIV, after_chunks=3))
        body = {"assistant_id": assistant["id"], "stream": True}
        seen = []

        async with api.stream("POST", f"/threads/{thread['id']}/runs", body=body) as events:
            async for event in events:
                seen.append(event)
                if event.name == "thread.run.step.delta":
                    clock.advance(601)

        assert runs.names(seen)[-4:] == ["s.delta", "s.expired", "r.expired", "done"]

    @pytest.mark.parametrize(
        ("finish_reason", "message_reason", "run_details"),
        [
            ("length", "max_tokens", {"reason": "max_completion_tokens"}),
            ("content_filter", "content_filter", {}),
        ],
    )
    async def test_f_incomplete(self, api, assistant, thread, upstream, finish_reason, message_reason, run_details):
        upstream.will_say(say("It is su", finish_reason=finish_reason))

        events = await streamed(api, thread, assistant)

        assert runs.names(events)[-5:] == ["m.delta", "m.incomplete", "s.completed", "r.incomplete", "done"]
        assert events[-4].data["incomplete_details"] == {"reason": message_reason}
        assert events[-2].data["incomplete_details"] == run_details

    async def test_f_incomplete_in_a_call(self, api, assistant, thread, upstream):
        upstream.will_say(msgspec.structs.replace(KYIV, finish_reason="length"))

        events = await streamed(api, thread, assistant)

        assert runs.names(events)[3:] == [*CALLS_BLOCK, "s.completed", "r.incomplete", "done"]

    async def test_f_a_budget_that_forbids_to_ask(self, api, assistant, thread, upstream):
        used = {"prompt_tokens": 9, "completion_tokens": 256, "total_tokens": 265}
        upstream.will_say(msgspec.structs.replace(KYIV, usage=used))

        first = await streamed(api, thread, assistant, max_completion_tokens=256)
        second = await submitted(api, first)

        assert runs.names(second) == ["s.completed", "r.queued", "r.in_progress", "r.incomplete", "done"]

    async def test_w_20_a_run_whose_model_says_nothing_still_completes(self, api, assistant, thread, upstream):
        upstream.will_say(say(""))

        events = await streamed(api, thread, assistant)

        without_delta = [name for name in MESSAGE_BLOCK if name != "m.delta"]
        assert runs.names(events)[3:] == [*without_delta, "r.completed", "done"]
        [message] = runs.of_kind(events, "thread.message.completed")
        assert runs.text_of(message) == ""


class TestWire:
    """Section 7.1: what goes over the wire, byte for byte."""

    async def test_w_1_and_w_2_headers_and_frames(self, api, assistant, thread, upstream):
        upstream.will_say(say("Sunny."))
        body = json.dumps({"assistant_id": assistant["id"], "stream": True})
        headers = {"Content-Type": "application/json", "Accept-Encoding": "gzip, deflate"}

        async with api.http.stream(
            "POST", f"/v1/threads/{thread['id']}/runs", content=body, headers=headers
        ) as response:
            raw = b"".join([piece async for piece in response.aiter_raw()])

        assert response.status_code == 200
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert response.headers["cache-control"] == "no-cache"
        assert "content-encoding" not in response.headers
        assert "content-length" not in response.headers
        *frames, end = raw.decode().split("\n\n")
        assert end == ""
        assert frames[-1] == "event: done\ndata: [DONE]"
        for frame in frames[:-1]:
            name, data = frame.split("\n")
            assert name.startswith("event: thread.")
            assert data.startswith("data: {")
            assert "object" in json.loads(data.removeprefix("data: "))

    async def test_w_1_events_come_while_the_model_still_speaks(self, api, assistant, thread, upstream):
        upstream.will_say(hang(say("It is sunny."), after_chunks=2))
        body = {"assistant_id": assistant["id"], "stream": True}

        async with api.stream("POST", f"/threads/{thread['id']}/runs", body=body) as events, asyncio.timeout(10):
            async for event in events:
                if event.name == "thread.message.delta":
                    break

        assert event.data["delta"]["content"][0]["text"]["value"] == "It is su"

    async def test_w_3_and_w_6_the_body_ends_right_after_done(self, api, assistant, thread, upstream):
        upstream.will_say(say("Sunny."))

        async with asyncio.timeout(10):
            events = await streamed(api, thread, assistant)

        assert events[-1] == Event("done", "[DONE]")

    async def test_w_7_an_error_before_the_stream_opens_is_an_ordinary_error(self, api, assistant, thread):
        body = {"assistant_id": "asst_0", "stream": True}

        answer = await api.post(f"/threads/{thread['id']}/runs", body)

        assert answer.status == 404
        assert answer.error["message"] == "No assistant found with id 'asst_0'."

    async def test_w_7_a_refused_submit_is_an_ordinary_error(self, api, assistant, thread, upstream):
        upstream.will_say(KYIV)
        run = await runs.ran(api, thread, assistant)

        answer = await api.post(f"{runs.path(run)}/submit_tool_outputs", {"tool_outputs": [], "stream": True})

        assert answer.status == 400
        assert answer.error["message"].startswith("Expected tool outputs for call_ids")

    async def test_w_9_without_being_asked_no_event_has_an_id(self, api, assistant, thread, upstream):
        upstream.will_say(say("Sunny."))

        events = await streamed(api, thread, assistant)

        assert {event.id for event in events} == {None}

    async def test_w_9_ids_increase_over_the_legs_when_they_are_asked_for(self, api, assistant, thread, upstream):
        upstream.will_say(KYIV, say("Sunny."))
        headers = {"X-Treadle-Event-Ids": "1"}

        first = await api.events(f"/threads/{thread['id']}/runs", {"assistant_id": assistant["id"]}, headers=headers)
        run = first[-2].data
        second = await api.events(f"{runs.path(run)}/submit_tool_outputs", runs.outputs(run), headers=headers)

        assert first[-1].id is second[-1].id is None
        ids = [int(event.id) for event in [*first[:-1], *second[:-1]]]
        assert ids == list(range(ids[0], ids[0] + len(ids)))

    async def test_w_9_a_client_that_hangs_up_does_not_stop_the_run(self, api, assistant, thread, upstream):
        upstream.will_say(say("It is sunny in Kyiv.", chunk_size=1, delay_seconds=0.01))
        body = {"assistant_id": assistant["id"], "stream": True}

        async with api.stream("POST", f"/threads/{thread['id']}/runs", body=body) as events:
            async for event in events:
                if event.name == "thread.message.delta":
                    break
        [run] = (await api.found(f"/threads/{thread['id']}/runs"))["data"]
        run = await runs.settled(api, run)

        assert run["status"] == "completed"
        assert runs.text_of((await runs.messages_of(api, thread))[-1]) == "It is sunny in Kyiv."

    async def test_w_9_a_client_that_does_not_read_holds_up_nobody_and_misses_nothing(
        self, api, assistant, thread, upstream
    ):
        text = "It is sunny in Kyiv. " * 50_000
        upstream.will_say(say(text, chunk_size=2_000))
        body = {"assistant_id": assistant["id"], "stream": True}

        async with api.stream("POST", f"/threads/{thread['id']}/runs", body=body) as events:
            first = await anext(events)
            run = await runs.settled(api, first.data)
            seen = [event async for event in events]

        assert run["status"] == "completed"
        assert joined_text(seen) == text
        assert runs.names(seen)[-1] == "done"

    async def test_w_10_a_stream_covers_one_leg(self, api, assistant, thread, upstream):
        upstream.will_say(KYIV, say("Sunny."))

        first = await streamed(api, thread, assistant)
        second = await submitted(api, first)

        assert "thread.run.created" in {event.name for event in first}
        assert "thread.run.created" not in {event.name for event in second}
        assert second[0].data["id"] == runs.of_kind(first, "thread.run.step.created")[0]["id"]

    async def test_w_10_and_r_43_a_submit_without_stream_after_a_streamed_leg(self, api, assistant, thread, upstream):
        upstream.will_say(KYIV, say("Sunny."))
        first = await streamed(api, thread, assistant)

        assert (await runs.answered(api, first[-2].data))["status"] == "completed"


class TestSilence:
    @pytest.fixture
    def settings(self, settings):
        return msgspec.structs.replace(settings, keep_alive_seconds=0.05)

    async def test_w_5_comments_keep_a_silent_stream_alive(self, api, assistant, thread, upstream):
        upstream.will_say(hang())
        body = json.dumps({"assistant_id": assistant["id"], "stream": True})
        raw = b""

        async with (
            asyncio.timeout(10),
            api.http.stream(
                "POST", f"/v1/threads/{thread['id']}/runs", content=body, headers={"Content-Type": "application/json"}
            ) as response,
        ):
            async for piece in response.aiter_raw():
                raw += piece
                if raw.count(b": keep-alive\n\n") == 3:
                    break

        assert raw.endswith(b"}\n\n: keep-alive\n\n: keep-alive\n\n: keep-alive\n\n")

    async def test_w_5_comments_do_not_disturb_the_events(self, api, assistant, thread, upstream):
        upstream.will_say(say("Sunny.", first_delay_seconds=0.3))

        events = await streamed(api, thread, assistant)

        assert runs.names(events) == ["r.created", "r.queued", "r.in_progress", *MESSAGE_BLOCK, "r.completed", "done"]


class TestDeltas:
    """Sections 7.2 and 7.4: fragments, each sent once, that add up to the final object."""

    async def test_d_1_and_d_8_text_comes_in_fragments_that_add_up(self, api, assistant, thread, upstream):
        text = "It is sunny in Kyiv. ☀️ Сонячно."
        upstream.will_say(say(text, chunk_size=3, delay_seconds=0.02))

        events = await streamed(api, thread, assistant)

        first, *others = runs.of_kind(events, "thread.message.delta")
        [message] = runs.of_kind(events, "thread.message.completed")
        assert first == {
            "id": message["id"],
            "object": "thread.message.delta",
            "delta": {"content": [{"index": 0, "type": "text", "text": {"value": "It ", "annotations": []}}]},
        }
        assert others
        for delta in others:
            [part] = delta["delta"]["content"]
            assert (delta["id"], part["index"], set(part["text"])) == (message["id"], 0, {"value"})
        assert joined_text(events) == runs.text_of(message) == text

    async def test_c_2_and_c_3_a_message_begins_empty_and_ends_whole(self, api, assistant, thread, upstream):
        upstream.will_say(say("It is sunny."))

        events = await streamed(api, thread, assistant)

        [created] = runs.of_kind(events, "thread.message.created")
        [in_progress] = runs.of_kind(events, "thread.message.in_progress")
        [completed] = runs.of_kind(events, "thread.message.completed")
        assert created["content"] == []
        assert in_progress == created
        assert completed["content"] == [{"type": "text", "text": {"value": "It is sunny.", "annotations": []}}]

    async def test_c_4_a_tool_step_begins_without_calls(self, api, assistant, thread, upstream):
        upstream.will_say(KYIV)

        events = await streamed(api, thread, assistant)

        [created] = runs.of_kind(events, "thread.run.step.created")
        assert created["step_details"] == {"type": "tool_calls", "tool_calls": []}
        assert runs.of_kind(events, "thread.run.step.in_progress") == [created]

    async def test_d_5_each_call_has_one_head_and_then_fragments_of_arguments(self, api, assistant, thread, upstream):
        upstream.will_say(KYIV + LVIV)

        events = await streamed(api, thread, assistant)

        required = events[-2].data["required_action"]["submit_tool_outputs"]["tool_calls"]
        for index, call in enumerate(required):
            head, *fragments = [delta for delta in call_deltas(events) if delta["index"] == index]
            assert head == {
                "index": index,
                "id": call["id"],
                "type": "function",
                "function": {"name": "get_weather", "arguments": "", "output": None},
            }
            for fragment in fragments:
                assert set(fragment) == {"index", "type", "function"}
                assert set(fragment["function"]) == {"arguments"}
            joined = "".join(fragment["function"]["arguments"] for fragment in fragments)
            assert joined == call["function"]["arguments"]

    async def test_d_9_and_c_5_indexes_begin_at_0_for_each_step(self, api, assistant, thread, upstream):
        upstream.will_say(KYIV + LVIV, KYIV, say("Sunny."))

        first = await streamed(api, thread, assistant)
        second = await submitted(api, first)

        assert list(dict.fromkeys(call["index"] for call in call_deltas(first))) == [0, 1]
        assert list(dict.fromkeys(call["index"] for call in call_deltas(second))) == [0]

    async def test_c_1_and_c_6_deltas_come_between_created_and_the_end(self, api, assistant, thread, upstream):
        upstream.will_say(say("Let me look. ") + KYIV + LVIV, say("Sunny."))
        first = await streamed(api, thread, assistant)
        events = first + await submitted(api, first)

        open_now: set[str] = set()
        for event in events:
            kind = event.name.rpartition(".")[2]
            if not event.name.startswith(("thread.message.", "thread.run.step.")):
                continue
            if kind == "created":
                open_now.add(event.data["id"])
            assert event.data["id"] in open_now, event
            if kind == "completed":
                open_now.remove(event.data["id"])
        assert open_now == set()

    async def test_a_refusal_has_a_block_and_deltas_of_its_own(self, api, assistant, thread, upstream):
        upstream.will_say(refuse("I cannot help with that."))

        events = await streamed(api, thread, assistant)

        parts = [part for delta in runs.of_kind(events, "thread.message.delta") for part in delta["delta"]["content"]]
        [message] = runs.of_kind(events, "thread.message.completed")
        assert {(part["index"], part["type"]) for part in parts} == {(0, "refusal")}
        assert "".join(part["refusal"] for part in parts) == "I cannot help with that."
        assert message["content"] == [{"type": "refusal", "refusal": "I cannot help with that."}]
        assert (await runs.messages_of(api, thread))[-1] == message

    async def test_d_9_a_refusal_after_text_is_the_second_block(self, api, assistant, thread, upstream):
        upstream.will_say(msgspec.structs.replace(refuse("I cannot help with that."), text="Hm. "))

        events = await streamed(api, thread, assistant)

        [message] = runs.of_kind(events, "thread.message.completed")
        parts = [part for delta in runs.of_kind(events, "thread.message.delta") for part in delta["delta"]["content"]]
        assert list(dict.fromkeys((part["index"], part["type"]) for part in parts)) == [(0, "text"), (1, "refusal")]
        assert [part["type"] for part in message["content"]] == ["text", "refusal"]

    @pytest.mark.parametrize("space", ["\n\n", " ", "\n \t"])
    async def test_s_4_white_space_before_the_calls_makes_no_message(self, api, assistant, thread, upstream, space):
        upstream.will_say(say(space) + KYIV)

        events = await streamed(api, thread, assistant)

        assert runs.names(events)[3:] == [*CALLS_BLOCK, "r.requires_action", "done"]
        assert len(await runs.messages_of(api, thread)) == 1

    async def test_d_8_white_space_before_text_is_kept(self, api, assistant, thread, upstream):
        upstream.will_say(say("\n\nSunny.", chunk_size=1))

        events = await streamed(api, thread, assistant)

        assert joined_text(events) == "\n\nSunny."
        assert runs.text_of((await runs.messages_of(api, thread))[-1]) == "\n\nSunny."


class TestObjects:
    """W-21 and S-11: an event's object is what GET shows at that moment, or already a later state."""

    async def test_every_event_is_whole_and_of_its_type(self, api, assistant, thread, upstream):
        upstream.will_say(say("Let me look. ") + KYIV, say("Sunny."))
        first = await streamed(api, thread, assistant)

        for event in first + await submitted(api, first):
            if event.name != "done":
                decoded = msgspec.convert(event.data, DATA[EventName(event.name)])
                assert msgspec.to_builtins(decoded) == event.data

    async def test_on_each_event_a_read_shows_that_state_or_a_later_one(self, api, assistant, thread, upstream):
        upstream.will_say(say("Let me look. ", delay_seconds=0.01) + KYIV)
        body = {"assistant_id": assistant["id"], "stream": True}
        rank = {"queued": 0, "in_progress": 1, "requires_action": 2, "completed": 2}
        compared = 0

        async with api.stream("POST", f"/threads/{thread['id']}/runs", body=body) as events:
            async for event in events:
                if event.name == "done" or event.name.endswith(".delta"):
                    continue
                shown = event.data
                found = await api.found(place_of(shown))
                assert rank[found["status"]] >= rank[shown["status"]], event
                if found["status"] == shown["status"] != "in_progress":
                    assert found == shown
                    compared += 1
                if shown["object"] == "thread.run.step":
                    listed = await api.found(f"/threads/{thread['id']}/runs/{shown['run_id']}/steps")
                    assert shown["id"] in [step["id"] for step in listed["data"]]

        assert compared >= 3  # the message and its step, both completed, and the waiting run

    async def test_the_final_objects_are_those_that_get_shows(self, api, assistant, thread, upstream):
        upstream.will_say(KYIV, say("Sunny."))
        first = await streamed(api, thread, assistant)
        assert first[-2].data == await api.found(place_of(first[-2].data))

        second = await submitted(api, first)

        ended = [event.data for event in second if event.name.endswith("completed")]
        assert [shown["object"] for shown in ended] == [
            "thread.run.step",
            "thread.message",
            "thread.run.step",
            "thread.run",
        ]
        for shown in ended:
            assert await api.found(place_of(shown)) == shown

    async def test_r_2_the_created_and_queued_events_show_the_run_as_createrun_answers_it(
        self, api, assistant, thread, upstream
    ):
        upstream.will_say(say("Sunny."))

        created, queued, in_progress, *_ = await streamed(api, thread, assistant)

        assert created.data == queued.data
        assert (queued.data["status"], queued.data["started_at"]) == ("queued", None)
        assert in_progress.data == {
            **queued.data,
            "status": "in_progress",
            "started_at": in_progress.data["started_at"],
        }


def place_of(shown: Json) -> str:
    thread = f"/threads/{shown['thread_id']}"
    match shown["object"]:
        case "thread.run":
            return f"{thread}/runs/{shown['id']}"
        case "thread.run.step":
            return f"{thread}/runs/{shown['run_id']}/steps/{shown['id']}"
        case _:
            return f"{thread}/messages/{shown['id']}"
