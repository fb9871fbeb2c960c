"""listRuns. Contract: docs/behaviour.md, section 3."""

import pytest

from tests.support import runs
from tests.support.api import Json
from treadle.upstream.scripted import say


@pytest.fixture
async def three(api, assistant, thread, upstream) -> list[Json]:
    """Three runs of the thread, oldest first."""
    upstream.will_say(say("One."), say("Two."), say("Three."))
    return [await runs.ran(api, thread, assistant) for _ in range(3)]


async def test_p_3_the_newest_run_comes_first_and_asc_is_the_exact_reverse(api, thread, three):
    newest_first = await api.found(f"/threads/{thread['id']}/runs")
    oldest_first = await api.found(f"/threads/{thread['id']}/runs", {"order": "asc"})

    assert oldest_first["data"] == three
    assert newest_first["data"] == three[::-1]
    assert (newest_first["first_id"], newest_first["last_id"]) == (three[2]["id"], three[0]["id"])
    assert newest_first["has_more"] is False


async def test_p_2_a_thread_without_runs_has_an_empty_page(api, thread):
    page = await api.found(f"/threads/{thread['id']}/runs")

    assert page == {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}


async def test_p_5_to_p_7_cursors_are_relative_to_the_requested_order(api, thread, three):
    first, second, third = (run["id"] for run in three)
    path = f"/threads/{thread['id']}/runs"

    async def ids(**query: object) -> list[str]:
        return [run["id"] for run in (await api.found(path, query))["data"]]

    assert await ids(after=second) == [first]
    assert await ids(before=second) == [third]
    assert await ids(after=second, order="asc") == [third]
    assert await ids(after=third, before=first) == [second]
    assert await ids(before=first, limit=1) == [second]


async def test_p_4_pages_of_one_visit_each_run_once(api, thread, three):
    path, query, seen = f"/threads/{thread['id']}/runs", {"limit": 1}, []

    while True:
        page = await api.found(path, query)
        seen += page["data"]
        if not page["has_more"]:
            break
        query["after"] = page["data"][-1]["id"]

    assert seen == three[::-1]


async def test_p_8_an_unknown_cursor_is_404(api, thread, three):
    answer = await api.get(f"/threads/{thread['id']}/runs", {"after": "run_0"})

    assert answer.status == 404
    assert answer.error["message"] == "No run found with id 'run_0'."


async def test_p_8_a_cursor_of_another_thread_is_404(api, three):
    other = await api.created("/threads")

    answer = await api.get(f"/threads/{other['id']}/runs", {"after": three[0]["id"]})

    assert answer.status == 404


async def test_e_61_an_unknown_thread_is_404(api):
    answer = await api.get("/threads/thread_0/runs")

    assert answer.status == 404
    assert answer.error["message"] == "No thread found with id 'thread_0'."


@pytest.mark.parametrize(
    ("query", "param", "code"),
    [
        ({"limit": 0}, "limit", "integer_below_min_value"),
        ({"limit": 101}, "limit", "integer_above_max_value"),
        ({"order": "up"}, "order", "invalid_value"),
        ({"after": "step_1"}, "after", "invalid_value"),
    ],
)
async def test_p_4_and_p_15_a_query_that_says_nonsense_is_400(api, thread, query, param, code):
    answer = await api.get(f"/threads/{thread['id']}/runs", query)

    assert answer.status == 400
    assert (answer.error["param"], answer.error["code"]) == (param, code)
