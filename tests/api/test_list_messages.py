"""listMessages. Contract: docs/behaviour.md, sections 3 and 4.3; how it pages is in test_paging.py."""

import pytest

from treadle.upstream.scripted import say


async def test_a_thread_without_messages_has_an_empty_list(api):
    """P-2."""
    thread = await api.created("/threads")

    page = await api.found(f"/threads/{thread['id']}/messages")

    assert page == {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}


async def test_items_are_what_get_message_returns_and_the_newest_comes_first(api):
    """P-1, P-3."""
    thread = await api.created("/threads")
    path = f"/threads/{thread['id']}/messages"
    made = [await api.created(path, {"role": "user", "content": word}) for word in ("one", "two", "three")]

    page = await api.found(path)

    assert page["data"] == made[::-1]
    assert (page["first_id"], page["last_id"]) == (made[2]["id"], made[0]["id"])


@pytest.fixture
async def run(api, assistant, thread, upstream):
    """A run that added a message of the user's and wrote one."""
    upstream.will_say(say("It is sunny."))
    question = {"role": "user", "content": "And in Lviv?"}
    body = {"assistant_id": assistant["id"], "additional_messages": [question]}
    events = await api.events(f"/threads/{thread['id']}/runs", body)
    return events[-2].data


async def test_run_id_keeps_what_the_run_produced_and_not_what_it_was_given(api, thread, run):
    """M-16."""
    page = await api.found(f"/threads/{thread['id']}/messages", {"run_id": run["id"]})

    assert [(message["role"], message["run_id"]) for message in page["data"]] == [("assistant", run["id"])]


async def test_the_filter_applies_before_paging(api, thread, run):
    """P-9: a cursor need not be among the messages that pass."""
    path = f"/threads/{thread['id']}/messages"
    oldest = (await api.found(path, {"order": "asc"}))["data"][0]

    page = await api.found(path, {"run_id": run["id"], "order": "asc", "after": oldest["id"], "limit": 1})

    assert [message["run_id"] for message in page["data"]] == [run["id"]]
    assert page["has_more"] is False


async def test_an_unknown_run_gives_an_empty_page(api, thread, run):
    """P-9."""
    page = await api.found(f"/threads/{thread['id']}/messages", {"run_id": "run_nowhere"})

    assert page["data"] == []


async def test_a_run_id_of_another_kind_is_refused(api, thread):
    """E-42."""
    answer = await api.get(f"/threads/{thread['id']}/messages", {"run_id": "msg_1"})

    assert answer.refusal == (400, "invalid_value", "run_id")


async def test_an_unknown_thread_is_not_found(api):
    """E-61."""
    answer = await api.get("/threads/thread_nowhere/messages")

    assert answer.refusal == (404, None, None)
    assert answer.error["message"] == "No thread found with id 'thread_nowhere'."
