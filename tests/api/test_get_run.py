"""getRun. Contract: docs/behaviour.md, sections 1.3 and 5."""

import pytest

from tests.support import runs
from treadle.upstream.scripted import function_call, hang, say


async def test_h_21_an_unfinished_run_says_when_to_ask_again(api, assistant, thread, upstream, clock):
    upstream.will_say(function_call("get_weather", {"city": "Kyiv"}))
    run = await runs.ran(api, thread, assistant)

    young = (await api.get(runs.path(run))).headers["openai-poll-after-ms"]
    clock.advance(6)
    old = (await api.get(runs.path(run))).headers["openai-poll-after-ms"]

    assert (young, old) == ("250", "1000")


async def test_h_21_a_working_run_says_when_to_ask_again(api, assistant, thread, upstream):
    upstream.will_say(hang())
    run = await runs.begun(api, thread, assistant)

    answer = await api.get(runs.path(run))

    assert answer.json["status"] == "in_progress"
    assert answer.headers["openai-poll-after-ms"] == "250"


async def test_h_21_a_run_that_is_over_does_not_say_when_to_ask_again(api, assistant, thread, upstream):
    upstream.will_say(say("Sunny."))
    run = await runs.ran(api, thread, assistant)

    answer = await api.get(runs.path(run))

    assert "openai-poll-after-ms" not in answer.headers


async def test_r_35_usage_is_null_until_the_run_is_over(api, assistant, thread, upstream):
    upstream.will_say(function_call("get_weather", {"city": "Kyiv"}), say("Sunny."))

    waiting = await runs.ran(api, thread, assistant)
    done = await runs.answered(api, waiting)

    assert waiting["usage"] is None
    assert done["usage"]["total_tokens"] > 0


async def test_rl_5_every_answer_is_seen_by_the_next_request(api, assistant, thread, upstream):
    upstream.will_say(function_call("get_weather", {"city": "Kyiv"}), hang())

    created = await runs.begun(api, thread, assistant)
    assert (await api.found(runs.path(created)))["id"] == created["id"]
    waiting = await runs.settled(api, created)
    await api.created(f"{runs.path(waiting)}/submit_tool_outputs", runs.outputs(waiting))

    assert (await api.found(runs.path(waiting)))["status"] in ("queued", "in_progress")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/threads/thread_0/runs/run_0", "No thread found with id 'thread_0'."),
        ("/threads/{thread_id}/runs/run_0", "No run found with id 'run_0'."),
    ],
)
async def test_e_61_and_e_62_what_is_missing_is_404(api, thread, path, message):
    answer = await api.get(path.format(thread_id=thread["id"]))

    assert answer.status == 404
    assert answer.error["message"] == message


async def test_e_63_the_run_of_another_thread_is_404(api, assistant, thread, upstream):
    upstream.will_say(say("Sunny."))
    run = await runs.ran(api, thread, assistant)
    other = await api.created("/threads")

    answer = await api.get(f"/threads/{other['id']}/runs/{run['id']}")

    assert answer.status == 404
    assert answer.error["message"] == f"No run found with id '{run['id']}'."
