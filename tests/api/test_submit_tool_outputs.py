"""submitToolOuputsToRun (the contract's spelling). Contract: docs/behaviour.md, section 5.3."""

import asyncio

import pytest

from tests.support import runs
from tests.support.api import Json
from treadle.upstream.scripted import cut, function_call, hang, say

KYIV = function_call("get_weather", {"city": "Kyiv"})
LVIV = function_call("get_weather", {"city": "Lviv"})


@pytest.fixture
async def waiting(api, assistant, thread, upstream) -> Json:
    """A run that waits for the outputs of two calls."""
    upstream.will_say(KYIV + LVIV)
    run = await runs.ran(api, thread, assistant)
    assert run["status"] == "requires_action", run
    return run


async def submit(api, run: Json, *pairs: tuple[str, object]):
    body = {"tool_outputs": [{"tool_call_id": id, "output": output} for id, output in pairs]}
    return await api.post(f"{runs.path(run)}/submit_tool_outputs", body)


async def test_r_40_the_run_says_which_calls_it_waits_for(waiting):
    first, second = waiting["required_action"]["submit_tool_outputs"]["tool_calls"]

    assert waiting["required_action"]["type"] == "submit_tool_outputs"
    assert first == {
        "id": first["id"],
        "type": "function",
        "function": {"name": "get_weather", "arguments": '{"city":"Kyiv"}'},
    }
    assert second["function"]["arguments"] == '{"city":"Lviv"}'
    assert first["id"].startswith("call_")
    assert first["id"] != second["id"]


@pytest.mark.parametrize("arguments", ['{"city": "Ky', '{ "city" :\t"Kyiv" }', '{"a": 1.0, "a": 2e3}', "not JSON", ""])
async def test_r_40_arguments_are_the_models_own_text(api, assistant, thread, upstream, arguments):
    upstream.will_say(function_call("get_weather", arguments), say("Sunny."))

    run = await runs.ran(api, thread, assistant)
    [step] = await runs.steps_of(api, run)
    await runs.answered(api, run)

    [required] = run["required_action"]["submit_tool_outputs"]["tool_calls"]
    [shown] = step["step_details"]["tool_calls"]
    sent = (await upstream.request(1)).body["messages"][1]["tool_calls"][0]
    assert required["function"]["arguments"] == arguments
    assert shown["function"]["arguments"] == arguments
    assert sent["function"]["arguments"] == arguments


async def test_r_43_the_answer_is_the_queued_run_and_the_step_is_complete(api, waiting, upstream):
    upstream.will_say(hang())

    answer = await submit(api, waiting, *((id, "sunny") for id in runs.call_ids(waiting)))

    assert answer.status == 200
    assert answer.json == {**waiting, "status": "queued", "required_action": None}
    [step] = await runs.steps_of(api, waiting)
    assert step["status"] == "completed"
    assert [call["function"]["output"] for call in step["step_details"]["tool_calls"]] == ["sunny", "sunny"]


async def test_r_3_and_r_4_started_at_is_set_anew_and_expires_at_is_not(api, waiting, upstream, clock):
    upstream.will_say(hang())
    clock.advance(100)

    answer = await submit(api, waiting, *((id, "sunny") for id in runs.call_ids(waiting)))
    run = await runs.reached(api, answer.json, "in_progress")

    assert answer.json["started_at"] == waiting["started_at"]
    assert run["started_at"] >= waiting["started_at"] + 100
    assert run["expires_at"] == waiting["expires_at"]


async def test_r_41_outputs_may_come_in_any_order_and_go_to_their_calls(api, waiting, upstream):
    upstream.will_say(say("Sunny and rainy."))
    first, second = runs.call_ids(waiting)

    await runs.settled(api, (await submit(api, waiting, (second, "rain"), (first, "sun"))).json)

    [step, _] = await runs.steps_of(api, waiting)
    outputs = {call["id"]: call["function"]["output"] for call in step["step_details"]["tool_calls"]}
    assert outputs == {first: "sun", second: "rain"}


async def test_r_43_each_output_is_sent_to_the_model_as_the_answer_to_its_call(api, waiting, upstream):
    upstream.will_say(say("Sunny and rainy."))
    first, second = runs.call_ids(waiting)

    await runs.settled(api, (await submit(api, waiting, (first, "sun"), (second, "rain"))).json)

    assert (await upstream.request(1)).body["messages"] == [
        {"role": "user", "content": "What is the weather in Kyiv?"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": first,
                    "type": "function",
                    "function": {"name": "get_weather", "arguments": '{"city":"Kyiv"}'},
                },
                {
                    "id": second,
                    "type": "function",
                    "function": {"name": "get_weather", "arguments": '{"city":"Lviv"}'},
                },
            ],
        },
        {"role": "tool", "tool_call_id": first, "content": "sun"},
        {"role": "tool", "tool_call_id": second, "content": "rain"},
    ]


async def test_r_43_text_before_the_calls_stays_in_the_same_turn(api, assistant, thread, upstream):
    upstream.will_say(say("Let me look. ") + KYIV, say("Sunny."))

    await runs.answered(api, await runs.ran(api, thread, assistant))

    _, turn, output = (await upstream.request(1)).body["messages"]
    assert turn["content"] == "Let me look. "
    assert turn["tool_calls"][0]["id"] == output["tool_call_id"]


@pytest.mark.parametrize("output", [{}, {"output": None}, {"output": ""}])
async def test_r_41_an_output_left_out_counts_as_empty(api, assistant, thread, upstream, output):
    upstream.will_say(KYIV, say("Sunny."))
    run = await runs.ran(api, thread, assistant)
    [id] = runs.call_ids(run)

    await api.created(f"{runs.path(run)}/submit_tool_outputs", {"tool_outputs": [{"tool_call_id": id, **output}]})

    [step, *_] = await runs.steps_of(api, run)
    assert step["step_details"]["tool_calls"][0]["function"]["output"] == ""


async def test_r_45_rounds_have_steps_and_call_ids_of_their_own(api, assistant, thread, upstream):
    upstream.will_say(KYIV, LVIV, say("Sunny."))

    first = await runs.ran(api, thread, assistant)
    second = await runs.answered(api, first, "sun")
    done = await runs.answered(api, second, "rain")

    steps = await runs.steps_of(api, done)
    assert [step["type"] for step in steps] == ["tool_calls", "tool_calls", "message_creation"]
    assert runs.call_ids(first) != runs.call_ids(second)
    assert [steps[0]["step_details"]["tool_calls"][0]["id"]] == runs.call_ids(first)
    assert [steps[1]["step_details"]["tool_calls"][0]["id"]] == runs.call_ids(second)


@pytest.mark.parametrize(
    "chosen",
    [
        pytest.param(lambda a, b: [a], id="missing"),
        pytest.param(lambda a, b: [], id="none"),
        pytest.param(lambda a, b: [a, b, "call_0"], id="extra"),
        pytest.param(lambda a, b: [a, a], id="duplicate"),
        pytest.param(lambda a, b: [a, b, b], id="duplicate beside the right ones"),
        pytest.param(lambda a, b: [a, "call_0"], id="unknown"),
    ],
)
async def test_e_74_other_ids_than_those_required_are_refused_and_change_nothing(api, waiting, chosen):
    first, second = runs.call_ids(waiting)
    ids = chosen(first, second)
    steps = await runs.steps_of(api, waiting)

    answer = await submit(api, waiting, *((id, "sunny") for id in ids))

    assert answer.status == 400
    assert answer.error == {
        "message": f"Expected tool outputs for call_ids ['{first}', '{second}'], got {ids}",
        "type": "invalid_request_error",
        "param": None,
        "code": None,
    }
    assert await api.found(runs.path(waiting)) == waiting
    assert await runs.steps_of(api, waiting) == steps


@pytest.mark.parametrize(
    ("output", "param", "code"),
    [
        (["sunny"], "tool_outputs[0].output", "invalid_type"),
        (7, "tool_outputs[0].output", "invalid_type"),
        ("x" * (512 * 1024 + 1), "tool_outputs[0].output", "string_above_max_length"),
    ],
)
async def test_r_42_an_output_is_a_string_of_half_a_mebibyte_at_most(api, waiting, output, param, code):
    answer = await submit(api, waiting, (runs.call_ids(waiting)[0], output))

    assert answer.status == 400
    assert (answer.error["param"], answer.error["code"]) == (param, code)


async def test_e_31_the_outputs_must_be_there(api, waiting):
    answer = await api.post(f"{runs.path(waiting)}/submit_tool_outputs", {})

    assert answer.status == 400
    assert answer.error["message"] == "Missing required parameter: 'tool_outputs'."


async def refused(api, run: Json) -> str:
    answer = await submit(api, run, ("call_0", "sunny"))
    assert answer.status == 400
    assert (answer.error["param"], answer.error["code"]) == (None, None)
    return answer.error["message"]


async def test_e_73_a_completed_run_takes_no_outputs(api, assistant, thread, upstream):
    upstream.will_say(say("Sunny."))
    run = await runs.ran(api, thread, assistant)

    assert await refused(api, run) == 'Runs in status "completed" do not accept tool outputs.'


async def test_e_73_a_failed_run_takes_no_outputs(api, assistant, thread, upstream):
    upstream.will_say(cut(say("Sunny."), after_chunks=1))
    run = await runs.ran(api, thread, assistant)

    assert await refused(api, run) == 'Runs in status "failed" do not accept tool outputs.'


async def test_e_73_a_working_run_takes_no_outputs(api, assistant, thread, upstream):
    upstream.will_say(hang())
    run = await runs.begun(api, thread, assistant)
    await upstream.request(0)

    assert await refused(api, run) == 'Runs in status "in_progress" do not accept tool outputs.'


async def test_e_73_a_cancelled_run_takes_no_outputs(api, waiting):
    await runs.settled(api, await api.created(f"{runs.path(waiting)}/cancel"))

    assert await refused(api, waiting) == 'Runs in status "cancelled" do not accept tool outputs.'


async def test_e_73_an_overdue_run_takes_no_outputs(api, waiting, clock):
    clock.advance(601)

    assert await refused(api, waiting) == 'Runs in status "expired" do not accept tool outputs.'


async def test_r_44_a_second_submit_hears_the_status_of_the_moment(api, waiting, upstream):
    upstream.will_say(hang())
    await api.created(f"{runs.path(waiting)}/submit_tool_outputs", runs.outputs(waiting))

    answer = await api.post(f"{runs.path(waiting)}/submit_tool_outputs", runs.outputs(waiting))

    assert answer.status == 400
    assert answer.error["message"] == 'Runs in status "in_progress" do not accept tool outputs.'


async def test_rl_4_of_ten_concurrent_submits_one_wins(api, waiting, upstream):
    upstream.will_say(say("Sunny."))
    ids = runs.call_ids(waiting)

    answers = await asyncio.gather(*(submit(api, waiting, *((id, str(n)) for id in ids)) for n in range(10)))

    [winner] = [n for n, answer in enumerate(answers) if answer.status == 200]
    assert [answer.status for answer in answers if answer.status != 200] == [400] * 9
    for answer in answers:
        if answer.status == 400:
            assert answer.error["message"].startswith('Runs in status "')
            assert "requires_action" not in answer.error["message"]
    run = await runs.settled(api, waiting | {"status": "queued"})
    [step, _] = await runs.steps_of(api, run)
    assert run["status"] == "completed"
    assert [call["function"]["output"] for call in step["step_details"]["tool_calls"]] == [str(winner)] * 2
    assert len(upstream.requests) == 2


async def test_the_leg_after_a_submit_begins_at_once(api, assistant, thread, upstream):
    """However quickly the client answers, the worker does not miss it (the scan behind it takes a second)."""
    rounds = 40
    upstream.will_say(*[KYIV] * rounds, say("Sunny."))

    async with asyncio.timeout(10):
        run = await runs.ran(api, thread, assistant)
        for _ in range(rounds):
            run = await runs.answered(api, run)

    assert run["status"] == "completed"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/threads/thread_0/runs/run_0", "No thread found with id 'thread_0'."),
        ("/threads/{thread_id}/runs/run_0", "No run found with id 'run_0'."),
    ],
)
async def test_e_61_and_e_62_what_is_missing_is_404(api, thread, path, message):
    answer = await api.post(f"{path.format(thread_id=thread['id'])}/submit_tool_outputs", {"tool_outputs": []})

    assert answer.status == 404
    assert answer.error["message"] == message
