"""cancelRun. Contract: docs/behaviour.md, section 5.4. Queued runs: `test_create_run.py`, RL-3."""

import asyncio

import pytest

from tests.support import runs
from tests.support.api import Json
from treadle.upstream.scripted import cut, function_call, hang, say


async def test_r_50_a_working_run_is_cancelling_and_then_cancelled(api, assistant, thread, upstream):
    upstream.will_say(hang())
    run = await runs.begun(api, thread, assistant)
    received = await upstream.request(0)

    answer = await api.created(f"{runs.path(run)}/cancel")

    assert (answer["status"], answer["cancelled_at"]) == ("cancelling", None)
    assert answer["expires_at"] == run["expires_at"]
    run = await runs.settled(api, answer)
    assert run["status"] == "cancelled"
    assert run["cancelled_at"] >= run["started_at"]
    assert (run["expires_at"], run["completed_at"], run["failed_at"], run["last_error"]) == (None,) * 4
    await asyncio.wait_for(received.dropped.wait(), 10)


async def test_r_52_a_waiting_run_waits_for_nothing_from_cancelling_on(api, assistant, thread, upstream):
    upstream.will_say(function_call("get_weather", {"city": "Kyiv"}))
    run = await runs.ran(api, thread, assistant)

    answer = await api.created(f"{runs.path(run)}/cancel")

    assert (answer["status"], answer["required_action"]) == ("cancelling", None)
    run = await runs.settled(api, answer)
    assert (run["status"], run["required_action"]) == ("cancelled", None)


async def test_r_53_the_message_being_written_keeps_its_text(api, assistant, thread, upstream):
    run = await runs.writing(api, thread, assistant, upstream, "It is sunny")

    run = await runs.settled(api, await api.created(f"{runs.path(run)}/cancel"))

    message = (await runs.messages_of(api, thread))[-1]
    [step] = await runs.steps_of(api, run)
    assert message["status"] == "incomplete"
    assert message["incomplete_details"] == {"reason": "run_cancelled"}
    assert message["incomplete_at"] == run["cancelled_at"]
    assert runs.text_of(message) == "It is sunny"
    assert (step["status"], step["cancelled_at"]) == ("cancelled", run["cancelled_at"])


async def test_r_53_the_calls_that_were_waiting_stay_in_the_step(api, assistant, thread, upstream):
    upstream.will_say(function_call("get_weather", {"city": "Kyiv"}))
    run = await runs.ran(api, thread, assistant)

    run = await runs.settled(api, await api.created(f"{runs.path(run)}/cancel"))

    [step] = await runs.steps_of(api, run)
    [call] = step["step_details"]["tool_calls"]
    assert call["function"] == {"name": "get_weather", "arguments": '{"city":"Kyiv"}', "output": None}
    assert step["status"] == "cancelled"


async def test_s_10_a_completed_step_stays_completed(api, assistant, thread, upstream):
    upstream.will_say(function_call("get_weather", {"city": "Kyiv"}), hang())
    run = await runs.ran(api, thread, assistant)
    run = await api.created(f"{runs.path(run)}/submit_tool_outputs", runs.outputs(run))
    [before] = await runs.steps_of(api, run)

    run = await runs.settled(api, await api.created(f"{runs.path(run)}/cancel"))

    assert run["status"] == "cancelled"
    assert await runs.steps_of(api, run) == [before]
    assert before["status"] == "completed"
    assert run["usage"]["total_tokens"] == before["usage"]["total_tokens"]


async def test_r_8_a_cancelled_run_no_longer_locks_its_thread(api, assistant, thread, upstream):
    upstream.will_say(function_call("get_weather", {"city": "Kyiv"}))
    run = await runs.ran(api, thread, assistant)

    await runs.settled(api, await api.created(f"{runs.path(run)}/cancel"))

    await api.created(f"/threads/{thread['id']}/messages", {"role": "user", "content": "And in Lviv?"})


async def refused(api, run: Json) -> str:
    answer = await api.post(f"{runs.path(run)}/cancel")
    assert answer.status == 400
    assert (answer.error["param"], answer.error["code"]) == (None, None)
    return answer.error["message"]


async def test_e_75_a_completed_run_cannot_be_cancelled(api, assistant, thread, upstream):
    upstream.will_say(say("Sunny."))
    run = await runs.ran(api, thread, assistant)

    assert await refused(api, run) == "Cannot cancel run with status 'completed'."
    assert await api.found(runs.path(run)) == run


async def test_e_75_a_failed_run_cannot_be_cancelled(api, assistant, thread, upstream):
    upstream.will_say(cut(say("Sunny."), after_chunks=1))
    run = await runs.ran(api, thread, assistant)

    assert await refused(api, run) == "Cannot cancel run with status 'failed'."


async def test_e_75_an_incomplete_run_cannot_be_cancelled(api, assistant, thread, upstream):
    upstream.will_say(say("Sun", finish_reason="length"))
    run = await runs.ran(api, thread, assistant)

    assert await refused(api, run) == "Cannot cancel run with status 'incomplete'."


async def test_e_75_an_overdue_run_cannot_be_cancelled(api, assistant, thread, upstream, clock):
    upstream.will_say(function_call("get_weather", {"city": "Kyiv"}))
    run = await runs.ran(api, thread, assistant)

    clock.advance(601)

    assert await refused(api, run) == "Cannot cancel run with status 'expired'."


async def test_e_75_of_two_cancels_one_is_refused(api, assistant, thread, upstream):
    upstream.will_say(hang())
    run = await runs.begun(api, thread, assistant)

    answers = await asyncio.gather(*(api.post(f"{runs.path(run)}/cancel") for _ in range(2)))

    assert sorted(answer.status for answer in answers) == [200, 400]
    [message] = [answer.error["message"] for answer in answers if answer.status == 400]
    assert message in ("Cannot cancel run with status 'cancelling'.", "Cannot cancel run with status 'cancelled'.")
    assert (await runs.settled(api, run))["status"] == "cancelled"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/threads/thread_0/runs/run_0/cancel", "No thread found with id 'thread_0'."),
        ("/threads/{thread_id}/runs/run_0/cancel", "No run found with id 'run_0'."),
    ],
)
async def test_e_61_and_e_62_what_is_missing_is_404(api, thread, path, message):
    answer = await api.post(path.format(thread_id=thread["id"]))

    assert answer.status == 404
    assert answer.error["message"] == message
