"""getRunStep. Contract: docs/behaviour.md, section 6."""

import pytest

from tests.support import runs
from tests.support.api import Json
from treadle.upstream.scripted import function_call, say


@pytest.fixture
async def run(api, assistant, thread, upstream) -> Json:
    """A completed run of two steps."""
    upstream.will_say(function_call("get_weather", {"city": "Kyiv"}), say("Sunny."))
    return await runs.answered(api, await runs.ran(api, thread, assistant))


@pytest.fixture
async def tool_step(api, run) -> Json:
    return (await runs.steps_of(api, run))[0]


async def test_s_1_a_step_shows_every_field_and_null_for_what_did_not_happen(api, run, tool_step, assistant):
    step = await api.found(f"{runs.path(run)}/steps/{tool_step['id']}")

    [call] = step["step_details"]["tool_calls"]
    assert step == {
        "id": step["id"],
        "object": "thread.run.step",
        "created_at": step["created_at"],
        "assistant_id": assistant["id"],
        "thread_id": run["thread_id"],
        "run_id": run["id"],
        "type": "tool_calls",
        "status": "completed",
        "step_details": {"type": "tool_calls", "tool_calls": [call]},
        "last_error": None,
        "expires_at": None,
        "expired_at": None,
        "cancelled_at": None,
        "failed_at": None,
        "completed_at": step["completed_at"],
        "metadata": {},
        "usage": step["usage"],
    }
    assert call == {
        "id": call["id"],
        "type": "function",
        "function": {"name": "get_weather", "arguments": '{"city":"Kyiv"}', "output": "sunny"},
    }


async def test_s_3_a_message_step_names_the_message_it_wrote(api, run, thread):
    step = (await runs.steps_of(api, run))[1]

    message_id = step["step_details"]["message_creation"]["message_id"]
    message = await api.found(f"/threads/{thread['id']}/messages/{message_id}")

    assert (step["type"], step["status"]) == ("message_creation", "completed")
    assert message["status"] == "completed"
    assert (message["run_id"], message["assistant_id"]) == (run["id"], run["assistant_id"])
    assert runs.text_of(message) == "Sunny."


async def test_s_9_and_r_35_the_usage_of_the_steps_sums_up_to_that_of_the_run(api, assistant, thread, upstream):
    first = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    details = {"prompt_tokens_details": {"cached_tokens": 7}, "completion_tokens_details": {"reasoning_tokens": 3}}
    second = {"prompt_tokens": 20, "completion_tokens": 8, "total_tokens": 28, **details}
    upstream.will_say(
        say("Let me look. ", usage=first) + function_call("get_weather", {"city": "Kyiv"}), say("Sunny.", usage=second)
    )

    run = await runs.answered(api, await runs.ran(api, thread, assistant))

    usages = [step["usage"] for step in await runs.steps_of(api, run)]
    assert usages == [
        {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
        {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
        {"prompt_tokens": 20, "completion_tokens": 8, "total_tokens": 28},
    ]
    assert run["usage"] == {
        "prompt_tokens": 30,
        "completion_tokens": 13,
        "total_tokens": 43,
        "prompt_token_details": {"cached_tokens": 7},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }


async def test_s_16_no_step_is_older_than_the_one_before_it(api, assistant, thread, upstream, clock):
    upstream.will_say(function_call("get_weather", {"city": "Kyiv"}), say("Sunny."))
    run = await runs.ran(api, thread, assistant)

    clock.advance(-100)
    run = await runs.answered(api, run)

    first, second = await runs.steps_of(api, run)
    assert second["created_at"] == first["created_at"]


async def test_e_62_an_unknown_step_is_404(api, run):
    answer = await api.get(f"{runs.path(run)}/steps/step_0")

    assert answer.status == 404
    assert answer.error["message"] == "No run step found with id 'step_0'."


async def test_e_63_the_step_of_another_run_is_404(api, run, tool_step, assistant, thread, upstream):
    upstream.will_say(say("Hello."))
    other = await runs.ran(api, thread, assistant)

    answer = await api.get(f"{runs.path(other)}/steps/{tool_step['id']}")

    assert answer.status == 404
    assert answer.error["message"] == f"No run step found with id '{tool_step['id']}'."


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/threads/thread_0/runs/run_0/steps/step_0", "No thread found with id 'thread_0'."),
        ("/threads/{thread_id}/runs/run_0/steps/step_0", "No run found with id 'run_0'."),
    ],
)
async def test_o_1_what_is_missing_is_named_outermost_first(api, thread, path, message):
    answer = await api.get(path.format(thread_id=thread["id"]))

    assert answer.status == 404
    assert answer.error["message"] == message


async def test_e_42_a_step_id_with_the_wrong_prefix_is_400(api, run):
    answer = await api.get(f"{runs.path(run)}/steps/msg_1")

    assert answer.status == 400
    assert answer.error["message"] == "Invalid 'step_id': 'msg_1'. Expected an ID that begins with 'step'."


async def test_p_12_include_is_accepted_and_p_13_another_value_refused(api, run, tool_step):
    path = f"{runs.path(run)}/steps/{tool_step['id']}"

    shown = await api.found(path, "include[]=step_details.tool_calls[*].file_search.results[*].content")
    refused = await api.get(path, "include[]=everything")

    assert shown == tool_step
    assert refused.status == 400
    assert (refused.error["param"], refused.error["code"]) == ("include[0]", "invalid_value")


async def test_r_6_a_step_of_an_overdue_run_is_shown_expired(api, assistant, thread, upstream, clock):
    upstream.will_say(function_call("get_weather", {"city": "Kyiv"}))
    run = await runs.ran(api, thread, assistant)
    [step] = await runs.steps_of(api, run)

    clock.advance(601)

    assert (await api.found(f"{runs.path(run)}/steps/{step['id']}"))["status"] == "expired"
