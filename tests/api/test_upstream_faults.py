"""Faults of the model server, end to end. Contract: docs/behaviour.md, R-60, S-10 and 7.3 (f)."""

import asyncio
import time

import msgspec
import pytest

from tests.support import runs
from tests.support.api import Event, Json
from treadle.upstream.models import UpstreamSettings
from treadle.upstream.scripted import (
    broken_arguments,
    cut,
    empty_choice,
    fail,
    function_call,
    hang,
    invalid_json,
    say,
)

KYIV = function_call("get_weather", {"city": "Kyiv"})


def error(code: str, message: str = "No.") -> Json:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}}


async def streamed(api, thread: Json, assistant: Json) -> list[Event]:
    return await api.events(f"/threads/{thread['id']}/runs", {"assistant_id": assistant["id"]})


async def assert_failed(api, thread: Json, events: list[Event], code: str) -> Json:
    """The run failed as 7.3 (f) and S-10 say, with this code, and its thread is free again. Returns the run."""
    run = events[-2].data
    assert runs.names(events)[-2:] == ["r.failed", "done"]
    assert run == await api.found(runs.path(run))
    assert run["status"] == "failed"
    assert run["last_error"]["code"] == code
    assert (run["expires_at"], run["completed_at"], run["cancelled_at"], run["required_action"]) == (None,) * 4
    assert run["failed_at"] >= run["created_at"]
    for step in await runs.steps_of(api, run):
        assert step["status"] in ("completed", "failed")
        if step["status"] == "failed":
            assert step["failed_at"] == run["failed_at"]
            assert step["last_error"]["message"] == run["last_error"]["message"]
    for message in await runs.messages_of(api, thread):
        assert message["status"] in ("completed", "incomplete")
    await api.created(f"/threads/{thread['id']}/messages", {"role": "user", "content": "Once more?"})
    return run


@pytest.mark.parametrize(
    ("turn", "code", "said"),
    [
        (fail(401, body=error("invalid_api_key", "Incorrect API key provided.")), "server_error", "answered 401"),
        (fail(403, body=error("forbidden")), "server_error", "answered 403"),
        (fail(404, body=error("model_not_found")), "server_error", "answered 404"),
        (fail(400, body=error("bad_request", "Unknown field.")), "server_error", "Unknown field."),
        (fail(302, {"Location": "http://127.0.0.1:9/"}), "server_error", "redirects"),
        (fail(400, body=error("context_length_exceeded", "Too long.")), "invalid_prompt", "Too long."),
        (fail(400, body=error("content_filter", "Filtered.")), "invalid_prompt", "Filtered."),
        (fail(429, body=error("insufficient_quota", "Pay first.")), "rate_limit_exceeded", "Pay first."),
        (fail(429, {"Retry-After": "3600"}), "rate_limit_exceeded", "3600 s"),
        (empty_choice(), "server_error", "without any choice"),
        (invalid_json(), "server_error", "cannot read"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_r_60_what_waiting_will_not_mend_fails_the_run_at_once(
    api, assistant, thread, upstream, turn, code, said
):
    upstream.will_say(turn, say("Not asked for."))

    events = await streamed(api, thread, assistant)

    run = await assert_failed(api, thread, events, code)
    assert said in run["last_error"]["message"]
    assert runs.names(events) == ["r.created", "r.queued", "r.in_progress", "r.failed", "done"]
    assert await runs.steps_of(api, run) == []
    assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    "turn",
    [fail(429), fail(429, {"Retry-After": "0"}), fail(500), fail(503), cut(after_chunks=0)],
    ids=["429", "429 with Retry-After", "500", "503", "cut before the first token"],
)
async def test_what_waiting_may_mend_is_tried_again(api, assistant, thread, upstream, turn):
    upstream.will_say(turn, say("Sunny."))

    events = await streamed(api, thread, assistant)

    assert runs.names(events)[-3:] == ["s.completed", "r.completed", "done"]
    assert runs.text_of((await runs.messages_of(api, thread))[-1]) == "Sunny."
    assert len(upstream.requests) == 2


@pytest.mark.parametrize(
    ("turn", "code"),
    [
        (fail(429, body=error("rate_limit_exceeded", "Slow down.")), "rate_limit_exceeded"),
        (fail(500, body=error("internal", "Out of order.")), "server_error"),
        (cut(after_chunks=0), "server_error"),
    ],
    ids=["429", "500", "cut before the first token"],
)
async def test_r_60_when_the_tries_are_spent_the_run_fails(api, assistant, thread, upstream, turn, code):
    upstream.will_say(turn, turn)

    events = await streamed(api, thread, assistant)

    await assert_failed(api, thread, events, code)
    assert len(upstream.requests) == 2


async def test_a_retry_waits_for_as_long_as_the_server_asks(api, assistant, thread, upstream):
    upstream.will_say(fail(429, {"Retry-After": "1"}), say("Sunny."))
    started = time.monotonic()

    events = await streamed(api, thread, assistant)

    assert events[-2].name == "thread.run.completed"
    assert time.monotonic() - started >= 1


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("after_chunks", [2, 3])
async def test_s_10_an_answer_that_is_cut_in_the_middle_keeps_its_text(
    api, assistant, thread, upstream, inside, after_chunks
):
    upstream.will_say(runs.broken_off(say("It is sunny.", chunk_size=4), after_chunks=after_chunks, inside=inside))

    events = await streamed(api, thread, assistant)

    run = await assert_failed(api, thread, events, "server_error")
    [step] = await runs.steps_of(api, run)
    message = (await runs.messages_of(api, thread))[1]
    assert runs.names(events)[-5:] == ["m.delta", "m.incomplete", "s.failed", "r.failed", "done"]
    assert step["status"] == "failed"
    assert message["incomplete_details"] == {"reason": "run_failed"}
    assert runs.text_of(message) == "It is sunny."[: 4 * (after_chunks - 1)]
    assert len(upstream.requests) == 1


async def test_s_10_invalid_json_in_the_middle_keeps_the_text_before_it(api, assistant, thread, upstream):
    upstream.will_say(invalid_json(say("It is sunny.", chunk_size=4), after_chunks=2))

    events = await streamed(api, thread, assistant)

    run = await assert_failed(api, thread, events, "server_error")
    assert "cannot read" in run["last_error"]["message"]
    assert runs.text_of((await runs.messages_of(api, thread))[1]) == "It i"


async def test_s_10_a_call_that_is_cut_fails_its_step_and_keeps_the_message_before_it(api, assistant, thread, upstream):
    upstream.will_say(runs.broken_off(say("Let me look. ") + KYIV, after_chunks=5))

    events = await streamed(api, thread, assistant)

    run = await assert_failed(api, thread, events, "server_error")
    said, called = await runs.steps_of(api, run)
    assert (said["status"], called["status"]) == ("completed", "failed")
    assert called["step_details"]["tool_calls"][0]["function"]["arguments"] == '{"city":'
    assert (await runs.messages_of(api, thread))[1]["status"] == "completed"


async def test_s_10_a_failure_in_a_later_turn_leaves_completed_steps_as_they_are(api, assistant, thread, upstream):
    upstream.will_say(KYIV, fail(400, body=error("content_filter", "Filtered.")))
    first = await streamed(api, thread, assistant)
    run = first[-2].data

    events = await api.events(f"{runs.path(run)}/submit_tool_outputs", runs.outputs(run))

    run = await assert_failed(api, thread, events, "invalid_prompt")
    [step] = await runs.steps_of(api, run)
    assert step["status"] == "completed"
    assert run["usage"]["total_tokens"] == step["usage"]["total_tokens"] > 0


async def test_s_10_a_step_knows_no_invalid_prompt(api, assistant, thread, upstream):
    broken_off = {"error": {"message": "context_length_exceeded: the context window is full", "code": None}}
    chunk = {"choices": [{"index": 0, "delta": {"content": "It is"}}]}
    upstream.will_say(msgspec.structs.replace(say(""), chunks=(chunk, broken_off)))

    events = await streamed(api, thread, assistant)

    run = await assert_failed(api, thread, events, "invalid_prompt")
    [step] = await runs.steps_of(api, run)
    assert step["last_error"]["code"] == "server_error"


async def test_r_40_broken_arguments_are_the_clients_to_judge(api, assistant, thread, upstream):
    upstream.will_say(broken_arguments("get_weather"), say("Sunny."))

    run = await runs.ran(api, thread, assistant)

    [call] = run["required_action"]["submit_tool_outputs"]["tool_calls"]
    assert call["function"]["arguments"] == '{"city": "Ky'
    assert (await runs.answered(api, run, "That is no JSON."))["status"] == "completed"


async def test_a_content_filter_in_the_middle_makes_the_run_incomplete(api, assistant, thread, upstream):
    upstream.will_say(say("It is su", finish_reason="content_filter"))

    run = await runs.ran(api, thread, assistant)

    message = (await runs.messages_of(api, thread))[-1]
    assert (run["status"], run["last_error"]) == ("incomplete", None)
    assert message["incomplete_details"] == {"reason": "content_filter"}


async def test_ci_9_a_built_in_tool_that_is_called_and_not_here_fails_the_run(api, thread, upstream):
    upstream.will_say(function_call("code_interpreter", {"input": "1 + 1"}))
    assistant = await api.created("/assistants", {"model": "gpt-4o", "tools": [{"type": "code_interpreter"}]})

    events = await streamed(api, thread, assistant)

    run = await assert_failed(api, thread, events, "server_error")
    assert run["last_error"]["message"] == "code_interpreter is not available on this server."


async def test_r_62_a_run_that_never_comes_to_an_end_is_stopped(api, assistant, thread, upstream):
    upstream.will_say(*[KYIV] * 65)
    run = await runs.ran(api, thread, assistant)

    while run["status"] == "requires_action":
        run = await runs.answered(api, run)

    assert run["status"] == "failed"
    assert run["last_error"]["code"] == "server_error"
    assert "too many steps" in run["last_error"]["message"]
    assert len(upstream.requests) == len(await runs.steps_of(api, run)) == 64


class TestSilence:
    """A model server that says nothing for too long; the times are settings."""

    @pytest.fixture
    def settings(self, settings):
        [server] = settings.upstreams
        quick = msgspec.structs.replace(server, first_token_timeout_seconds=0.5, silence_timeout_seconds=0.5)
        return msgspec.structs.replace(settings, upstreams=(quick,))

    async def test_before_the_first_token_it_is_tried_again(self, api, assistant, thread, upstream):
        upstream.will_say(hang(), say("Sunny."))

        events = await streamed(api, thread, assistant)

        assert events[-2].name == "thread.run.completed"
        assert len(upstream.requests) == 2

    async def test_again_and_again_it_fails_the_run(self, api, assistant, thread, upstream):
        upstream.will_say(hang(), hang())

        events = await streamed(api, thread, assistant)

        run = await assert_failed(api, thread, events, "server_error")
        assert "said nothing for 0.5 s" in run["last_error"]["message"]

    async def test_in_the_middle_of_the_answer_it_fails_the_run_and_hangs_up(self, api, assistant, thread, upstream):
        upstream.will_say(hang(say("It is sunny.", chunk_size=4), after_chunks=3))

        events = await streamed(api, thread, assistant)

        run = await assert_failed(api, thread, events, "server_error")
        assert "said nothing for 0.5 s" in run["last_error"]["message"]
        assert runs.text_of((await runs.messages_of(api, thread))[1]) == "It is su"
        await asyncio.wait_for(upstream.requests[0].dropped.wait(), 10)


class TestNobodyThere:
    @pytest.fixture
    def settings(self, settings, unused_tcp_port):
        nobody = UpstreamSettings(
            name="gone", base_url=f"http://127.0.0.1:{unused_tcp_port}/v1", tries=2, wait_initial_seconds=0.01
        )
        return msgspec.structs.replace(settings, upstreams=(nobody,))

    async def test_r_60_a_refused_connection_fails_the_run(self, api, assistant, thread):
        events = await streamed(api, thread, assistant)

        run = await assert_failed(api, thread, events, "server_error")
        assert "is not reachable" in run["last_error"]["message"]


class TestWithoutAnyModelServer:
    @pytest.fixture
    def settings(self, settings):
        return msgspec.structs.replace(settings, upstreams=())

    async def test_the_run_fails_and_says_what_is_missing(self, api, assistant, thread):
        events = await streamed(api, thread, assistant)

        run = await assert_failed(api, thread, events, "server_error")
        assert run["last_error"]["message"].startswith("No model server is configured.")


class TestSecrets:
    @pytest.fixture
    def settings(self, settings):
        [server] = settings.upstreams
        return msgspec.structs.replace(settings, upstreams=(msgspec.structs.replace(server, api_key="sk-very-secret"),))

    async def test_a_key_that_the_model_server_repeats_is_not_shown(self, api, assistant, thread, upstream):
        upstream.will_say(fail(401, body=error("invalid_api_key", "Incorrect API key provided: sk-very-secret.")))

        events = await streamed(api, thread, assistant)

        assert "sk-very-secret" not in events[-2].data["last_error"]["message"]
