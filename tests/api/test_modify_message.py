"""modifyMessage. Contract: docs/behaviour.md, rule M-14."""

import pytest

from treadle.upstream.scripted import hang, say


@pytest.fixture
async def message(api, thread):
    body = {"role": "user", "content": "hi", "metadata": {"a": "1", "b": "2"}}
    return await api.created(f"/threads/{thread['id']}/messages", body)


@pytest.fixture
def path(thread, message):
    return f"/threads/{thread['id']}/messages/{message['id']}"


@pytest.mark.parametrize(
    ("change", "metadata"),
    [
        ({"metadata": {"c": "3"}}, {"c": "3"}),
        ({"metadata": {}}, {}),
        ({"metadata": None}, {}),
        ({}, {"a": "1", "b": "2"}),
        (None, {"a": "1", "b": "2"}),
    ],
)
async def test_metadata_are_replaced_whole_and_nothing_else_changes(api, message, path, change, metadata):
    """M-14, E-20."""
    answer = await api.post(path, change)

    assert answer.json == message | {"metadata": metadata}
    assert await api.found(path) == answer.json


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"content": "x"}, "unknown_parameter", "content"),
        ({"role": "assistant"}, "unknown_parameter", "role"),
        ({"metadata": {"k" * 65: "v"}}, "property_name_above_max_length", "metadata"),
    ],
)
async def test_only_metadata_can_be_changed(api, message, path, change, code, param):
    """E-30, E-39."""
    answer = await api.post(path, change)

    assert answer.refusal == (400, code, param)
    assert await api.found(path) == message


async def test_it_is_allowed_for_the_message_that_a_run_is_writing(api, assistant, thread, upstream):
    """M-14: the run's next writes keep the metadata."""
    upstream.will_say(say("It is sunny and warm today.", delay_seconds=0.02))
    body = {"assistant_id": assistant["id"], "stream": True}

    async with api.stream("POST", f"/threads/{thread['id']}/runs", body=body) as events:
        async for event in events:
            if event.name == "thread.message.created":
                path = f"/threads/{thread['id']}/messages/{event.data['id']}"
                await api.created(path, {"metadata": {"seen": "yes"}})

    message = await api.found(path)
    assert (message["status"], message["metadata"]) == ("completed", {"seen": "yes"})
    assert message["content"][0]["text"]["value"] == "It is sunny and warm today."


async def test_an_unknown_thread_is_looked_for_before_the_message(api, thread):
    """O-1, E-61, E-62."""
    no_thread = await api.post("/threads/thread_nowhere/messages/msg_nowhere", {"metadata": {}})
    no_message = await api.post(f"/threads/{thread['id']}/messages/msg_nowhere", {"metadata": {}})

    assert no_thread.error["message"] == "No thread found with id 'thread_nowhere'."
    assert no_message.error["message"] == "No message found with id 'msg_nowhere'."


async def test_a_message_of_another_thread_is_not_found(api, message):
    """E-63."""
    other = await api.created("/threads")

    answer = await api.post(f"/threads/{other['id']}/messages/{message['id']}", {"metadata": {"k": "v"}})

    assert answer.refusal == (404, None, None)


async def test_it_is_allowed_while_a_run_is_active(api, assistant, thread, path, upstream):
    """M-14."""
    upstream.will_say(hang())
    run = await api.created(f"/threads/{thread['id']}/runs", {"assistant_id": assistant["id"]})
    await upstream.request(0)

    answer = await api.post(path, {"metadata": {"k": "v"}})

    assert answer.status == 200
    assert (await api.found(f"/threads/{thread['id']}/runs/{run['id']}"))["status"] == "in_progress"
