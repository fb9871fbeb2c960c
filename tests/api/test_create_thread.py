"""createThread. Contract: docs/behaviour.md, section 4.2."""

import pytest

from tests.support.rows import row_counts


@pytest.mark.parametrize("body", [None, {}, {"messages": [], "tool_resources": None, "metadata": None}])
async def test_everything_may_be_left_out_the_body_too(api, clock, body):
    """T-1, T-2, E-20."""
    before = int(clock())

    answer = await api.post("/threads", body)

    assert answer.status == 200
    thread = answer.json
    assert thread.pop("id").startswith("thread_")
    assert before <= thread.pop("created_at") <= int(clock())
    assert thread == {"object": "thread", "tool_resources": {}, "metadata": {}}


async def test_messages_are_stored_in_their_order_at_one_time_and_not_embedded(api):
    """T-2, T-5."""
    words = ["one", "two", "three"]

    thread = await api.created("/threads", {"messages": [{"role": "user", "content": word} for word in words]})

    assert "messages" not in thread
    stored = (await api.found(f"/threads/{thread['id']}/messages", {"order": "asc"}))["data"]
    assert [message["content"][0]["text"]["value"] for message in stored] == words
    assert {message["created_at"] for message in stored} == {thread["created_at"]}


async def test_a_message_of_a_new_thread_is_like_any_other(api):
    """M-1, M-5."""
    message = {"role": "assistant", "content": [{"type": "text", "text": "hi"}], "metadata": {"k": "v"}}

    thread = await api.created("/threads", {"messages": [message]})

    stored = (await api.found(f"/threads/{thread['id']}/messages"))["data"][0]
    alone = await api.created(f"/threads/{thread['id']}/messages", message)
    assert stored | {"id": "", "created_at": 0, "completed_at": 0} == alone | {
        "id": "",
        "created_at": 0,
        "completed_at": 0,
    }


async def test_tool_resources_show_the_tools_that_were_given(api):
    """T-2."""
    resources = {"code_interpreter": {"file_ids": []}, "file_search": {"vector_store_ids": []}}

    thread = await api.created("/threads", {"tool_resources": resources, "metadata": {"k": "v"}})

    assert (thread["tool_resources"], thread["metadata"]) == (resources, {"k": "v"})
    assert await api.found(f"/threads/{thread['id']}") == thread


async def test_up_to_32_messages_come_along(api):
    """T-1, E-37."""
    messages = [{"role": "user", "content": "hi"}] * 33
    thread = await api.created("/threads", {"messages": messages[:32]})
    assert len((await api.found(f"/threads/{thread['id']}/messages", {"limit": 100}))["data"]) == 32

    answer = await api.post("/threads", {"messages": messages})

    assert answer.refusal == (400, "array_above_max_length", "messages")


GOOD = {"role": "user", "content": "hi"}


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({"messages": [GOOD, {"role": "system", "content": "hi"}]}, "invalid_value", "messages[1].role"),
        ({"messages": [GOOD, {"role": "user"}]}, "missing_required_parameter", "messages[1].content"),
        ({"messages": [GOOD, {**GOOD, "content": " "}]}, None, "messages[1].content"),
        ({"messages": [{**GOOD, "content": []}]}, "empty_array", "messages[0].content"),
        ({"messages": [{**GOOD, "x": 1}]}, "unknown_parameter", "messages[0].x"),
        (
            {"messages": [GOOD, {**GOOD, "attachments": [{"file_id": "file-1", "tools": []}]}]},
            "empty_array",
            "messages[1].attachments[0].tools",
        ),
        (
            {"messages": [{**GOOD, "content": [{"type": "image_file", "image_file": {"file_id": "file-nowhere"}}]}]},
            None,
            "messages[0].content[0].image_file.file_id",
        ),
        ({"metadata": {"k": None}}, "invalid_type", "metadata.k"),
        ({"tool_resources": {"file_search": []}}, "invalid_type", "tool_resources.file_search"),
        ({"name": "x"}, "unknown_parameter", "name"),
    ],
)
async def test_a_wrong_body_names_the_place_and_creates_nothing(api, server, body, code, param):
    """T-4, E-30 to E-70."""
    before = await row_counts(server.settings)

    answer = await api.post("/threads", body)

    assert answer.refusal == (400, code, param)
    assert await row_counts(server.settings) == before
