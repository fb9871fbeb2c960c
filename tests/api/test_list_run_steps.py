"""listRunSteps, the reference operation. Contract: docs/behaviour.md, section 6.1; each test names its item."""

import pytest

from tests.support import runs
from tests.support.api import Api, Json
from tests.support.server import KEY
from treadle.upstream.scripted import ScriptedUpstream, function_call, hang, say

INCLUDE = "step_details.tool_calls[*].file_search.results[*].content"
ENCODED = "step_details.tool_calls%5B%2A%5D.file_search.results%5B%2A%5D.content"


async def run_with_rounds(api: Api, assistant: Json, thread: Json, upstream: ScriptedUpstream, rounds: int) -> Json:
    for _ in range(rounds):
        upstream.will_say(function_call("get_weather", {"city": "Kyiv"}))
    upstream.will_say(say("It is sunny."))
    run = await runs.ran(api, thread, assistant)
    for _ in range(rounds):
        run = await runs.answered(api, run)
    assert run["status"] == "completed", run
    return run


@pytest.fixture
async def run(api, assistant, thread, upstream) -> Json:
    """A completed run of four steps: three tool rounds and an answer."""
    return await run_with_rounds(api, assistant, thread, upstream, rounds=3)


@pytest.fixture
def path(run) -> str:
    return f"{runs.path(run)}/steps"


@pytest.fixture
async def newest_first(api, path) -> list[str]:
    return [step["id"] for step in (await api.found(path))["data"]]


async def ids(api: Api, path: str, **query: object) -> list[str]:
    return [step["id"] for step in (await api.found(path, query))["data"]]


async def test_item_1_no_key_is_401(server, path):
    stranger = Api(server.root, None)

    answer = await stranger.get(path)

    assert answer.status == 401
    assert answer.error["message"].startswith("You didn't provide an API key.")
    assert answer.error["code"] is None
    await stranger.close()


async def test_item_1_a_wrong_key_is_401_and_comes_back_masked(server, path):
    stranger = Api(server.root, "sk-treadle-this-key-opens-nothing-0002")

    answer = await stranger.get(path)

    assert answer.status == 401
    assert answer.error["code"] == "invalid_api_key"
    assert answer.error["message"].startswith("Incorrect API key provided: sk-tread")
    assert "opens-nothing" not in answer.error["message"]
    await stranger.close()


async def test_item_1_no_beta_header_is_400(server, path):
    plain = Api(server.root, KEY)
    del plain.http.headers["OpenAI-Beta"]

    answer = await plain.get(path)

    assert answer.status == 400
    assert answer.error["code"] == "invalid_beta"
    await plain.close()


async def test_item_2_post_is_405(api, path):
    answer = await api.post(path, {})

    assert answer.status == 405
    assert answer.error["message"] == f"Invalid method for URL (POST /v1{path})"


@pytest.mark.parametrize(
    ("path", "param", "value", "prefix"),
    [
        ("/threads/undefined/runs/run_1/steps", "thread_id", "undefined", "thread"),
        ("/threads/thread_1/runs/x/steps", "run_id", "x", "run"),
    ],
)
async def test_item_2_an_id_with_the_wrong_prefix_is_400(api, path, param, value, prefix):
    answer = await api.get(path)

    assert answer.status == 400
    assert answer.error == {
        "message": f"Invalid '{param}': '{value}'. Expected an ID that begins with '{prefix}'.",
        "type": "invalid_request_error",
        "param": param,
        "code": "invalid_value",
    }


async def test_item_3_an_unknown_thread_is_404(api):
    answer = await api.get("/threads/thread_0/runs/run_0/steps")

    assert answer.status == 404
    assert answer.error["message"] == "No thread found with id 'thread_0'."


async def test_item_3_an_unknown_run_of_a_known_thread_is_404(api, thread):
    answer = await api.get(f"/threads/{thread['id']}/runs/run_0/steps")

    assert answer.status == 404
    assert answer.error["message"] == "No run found with id 'run_0'."


async def test_item_3_the_run_of_another_thread_is_404(api, run):
    other = await api.created("/threads")

    answer = await api.get(f"/threads/{other['id']}/runs/{run['id']}/steps")

    assert answer.status == 404
    assert answer.error["message"] == f"No run found with id '{run['id']}'."


@pytest.mark.parametrize(
    ("limit", "code"),
    [(0, "integer_below_min_value"), (-1, "integer_below_min_value"), (101, "integer_above_max_value")],
)
async def test_item_4_a_limit_out_of_range_is_400(api, path, limit, code):
    answer = await api.get(path, {"limit": limit})

    assert answer.status == 400
    assert (answer.error["param"], answer.error["code"]) == ("limit", code)


async def test_item_4_a_limit_that_is_no_number_is_400(api, path):
    answer = await api.get(path, {"limit": "abc"})

    assert answer.status == 400
    assert answer.error["code"] == "invalid_type"
    assert answer.error["message"] == "Invalid type for 'limit': expected an integer, but got a string instead."


async def test_item_4_an_unknown_order_is_400(api, path):
    answer = await api.get(path, {"order": "up"})

    assert answer.status == 400
    assert answer.error["message"] == "Invalid value: 'up'. Supported values are: 'asc' and 'desc'."
    assert (answer.error["param"], answer.error["code"]) == ("order", "invalid_value")


@pytest.mark.parametrize(
    "query",
    [
        f"include[]={INCLUDE}",
        f"include%5B%5D={ENCODED}",
        f"include={ENCODED}",
        f"include={ENCODED}&include={ENCODED}",
        f"include[0]={ENCODED}",
        f"include={ENCODED},{ENCODED}",
        f"include[]={ENCODED}&limit=20",
    ],
)
async def test_item_5_include_is_read_in_every_spelling(api, path, newest_first, query):
    page = await api.found(path, query)

    assert [step["id"] for step in page["data"]] == newest_first


@pytest.mark.parametrize("query", ["include[]=foo", "include=foo", "include[0]=foo", f"include={ENCODED},foo"])
async def test_item_5_another_value_of_include_is_400(api, path, query):
    answer = await api.get(path, query)

    assert answer.status == 400
    assert answer.error["code"] == "invalid_value"
    assert answer.error["param"] == ("include[1]" if "," in query else "include[0]")
    assert answer.error["message"] == f"Invalid value: 'foo'. Supported values are: '{INCLUDE}'."


async def test_item_6_a_fresh_run_has_an_empty_page(api, assistant, thread, upstream):
    upstream.will_say(hang())
    run = await runs.begun(api, thread, assistant)

    page = await api.found(f"{runs.path(run)}/steps")

    assert page == {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}


async def test_item_7_the_newest_step_comes_first_and_asc_is_the_exact_reverse(api, path):
    newest_first = await api.found(path)
    oldest_first = await api.found(path, {"order": "asc"})

    assert [step["type"] for step in newest_first["data"]] == ["message_creation", *["tool_calls"] * 3]
    assert oldest_first["data"] == newest_first["data"][::-1]
    assert (newest_first["first_id"], newest_first["last_id"]) == (oldest_first["last_id"], oldest_first["first_id"])
    assert newest_first["first_id"] == newest_first["data"][0]["id"]


async def test_item_8_pages_of_one_visit_each_step_once(api, path):
    seen, more, query = [], [], {"limit": 1}
    for _ in range(4):
        page = await api.found(path, query)
        seen += [step["id"] for step in page["data"]]
        more.append(page["has_more"])
        query["after"] = page["data"][-1]["id"]

    assert len(set(seen)) == 4
    assert more == [True, True, True, False]


async def test_item_9_before_gives_the_newer_steps(api, path, newest_first):
    page = await api.found(path, {"before": newest_first[2]})

    assert [step["id"] for step in page["data"]] == newest_first[:2]
    assert page["has_more"] is False


async def test_item_9_before_with_a_limit_gives_the_adjacent_step(api, path, newest_first):
    page = await api.found(path, {"before": newest_first[2], "limit": 1})

    assert [step["id"] for step in page["data"]] == [newest_first[1]]
    assert page["has_more"] is True


async def test_item_10_after_and_before_give_what_lies_between(api, path, newest_first):
    first, second, third, fourth = newest_first

    assert await ids(api, path, after=first, before=fourth) == [second, third]
    assert await ids(api, path, after=fourth, before=first, order="asc") == [third, second]
    assert await ids(api, path, after=first, before=second) == []
    assert await ids(api, path, after=third, before=second) == []


@pytest.mark.parametrize("cursor", ["after", "before"])
async def test_item_10_an_unknown_cursor_is_404(api, path, cursor):
    answer = await api.get(path, {cursor: "step_0"})

    assert answer.status == 404
    assert answer.error["message"] == "No run step found with id 'step_0'."


async def test_item_10_a_cursor_of_another_runs_step_is_404(api, assistant, thread, upstream, path):
    other = await run_with_rounds(api, assistant, thread, upstream, rounds=0)
    [foreign] = await runs.steps_of(api, other)

    answer = await api.get(path, {"after": foreign["id"]})

    assert answer.status == 404
    assert answer.error["message"] == f"No run step found with id '{foreign['id']}'."


async def test_item_10_a_cursor_of_another_kind_is_400(api, path):
    answer = await api.get(path, {"after": "msg_1"})

    assert answer.status == 400
    assert answer.error["message"] == "Invalid 'after': 'msg_1'. Expected an ID that begins with 'step'."


async def test_item_11_the_waiting_step_is_completed_by_the_submit(api, assistant, thread, upstream):
    upstream.will_say(function_call("get_weather", {"city": "Kyiv"}), say("Sunny."))
    run = await runs.ran(api, thread, assistant)
    waiting = (await api.found(f"{runs.path(run)}/steps"))["data"][0]

    await runs.answered(api, run, "sunny")
    done = (await api.found(f"{runs.path(run)}/steps"))["data"][1]

    assert (waiting["status"], waiting["usage"], waiting["completed_at"]) == ("in_progress", None, None)
    assert waiting["step_details"]["tool_calls"][0]["function"]["output"] is None
    assert waiting["expires_at"] == run["expires_at"]
    assert done["id"] == waiting["id"]
    assert (done["status"], done["expires_at"]) == ("completed", None)
    assert done["completed_at"] >= done["created_at"]
    assert done["step_details"]["tool_calls"][0]["function"]["output"] == "sunny"
    assert done["usage"]["total_tokens"] == done["usage"]["prompt_tokens"] + done["usage"]["completion_tokens"] > 0


async def test_item_12_after_a_cancel_no_step_is_in_progress(api, assistant, thread, upstream):
    upstream.will_say(function_call("get_weather", {"city": "Kyiv"}))
    run = await runs.ran(api, thread, assistant)

    await api.created(f"{runs.path(run)}/cancel")
    run = await runs.settled(api, await api.found(runs.path(run)))

    [step] = await runs.steps_of(api, run)
    assert (run["status"], step["status"]) == ("cancelled", "cancelled")
    assert step["cancelled_at"] == run["cancelled_at"]
    assert (step["completed_at"], step["failed_at"], step["expired_at"], step["expires_at"]) == (None,) * 4


async def test_item_12_after_expiry_no_step_is_in_progress(api, assistant, thread, upstream, clock):
    upstream.will_say(function_call("get_weather", {"city": "Kyiv"}))
    run = await runs.ran(api, thread, assistant)

    clock.advance(601)

    [step] = await runs.steps_of(api, run)
    assert step["status"] == "expired"
    assert step["expired_at"] >= run["created_at"] + 600
    assert (step["completed_at"], step["failed_at"], step["cancelled_at"], step["expires_at"]) == (None,) * 4


async def test_item_12_after_a_failure_no_step_is_in_progress(api, assistant, thread, upstream):
    upstream.will_say(runs.broken_off(say("It is sunny in Kyiv."), after_chunks=2))
    run = await runs.ran(api, thread, assistant)

    [step] = await runs.steps_of(api, run)
    assert (run["status"], step["status"]) == ("failed", "failed")
    assert step["last_error"] == run["last_error"]
    assert step["failed_at"] == run["failed_at"]
    assert (step["completed_at"], step["cancelled_at"], step["expired_at"], step["expires_at"]) == (None,) * 4


async def test_item_13_each_item_equals_get_run_step_of_its_id(api, path):
    steps = (await api.found(path))["data"]

    assert [await api.found(f"{path}/{step['id']}") for step in steps] == steps
