"""deleteMessage. Contract: docs/behaviour.md, rules I-5 and M-15."""

import pytest

from treadle.upstream.scripted import hang, say


@pytest.fixture
async def path(api, thread):
    message = await api.created(f"/threads/{thread['id']}/messages", {"role": "user", "content": "hi"})
    return f"/threads/{thread['id']}/messages/{message['id']}"


async def test_a_deleted_message_is_gone(api, thread, path):
    """I-5, E-62."""
    id = path.rpartition("/")[2]

    answer = await api.delete(path)

    assert answer.json == {"id": id, "object": "thread.message.deleted", "deleted": True}
    assert (await api.get(path)).status == 404
    assert (await api.post(path, {"metadata": {}})).status == 404
    assert id not in [message["id"] for message in (await api.found(f"/threads/{thread['id']}/messages"))["data"]]


async def test_the_second_delete_finds_nothing(api, path):
    """E-62."""
    await api.delete(path)

    answer = await api.delete(path)

    assert answer.refusal == (404, None, None)
    assert answer.error["message"] == f"No message found with id '{path.rpartition('/')[2]}'."


async def test_a_message_of_another_thread_is_not_found_and_stays(api, path):
    """E-63."""
    other = await api.created("/threads")

    answer = await api.delete(f"/threads/{other['id']}/messages/{path.rpartition('/')[2]}")

    assert answer.status == 404
    assert (await api.get(path)).status == 200


async def test_an_unknown_thread_is_not_found(api):
    """E-61."""
    answer = await api.delete("/threads/thread_nowhere/messages/msg_nowhere")

    assert answer.error["message"] == "No thread found with id 'thread_nowhere'."


async def test_the_model_no_longer_sees_it(api, assistant, thread, path, upstream):
    upstream.will_say(say("fine"))
    await api.delete(path)

    await api.events(f"/threads/{thread['id']}/runs", {"assistant_id": assistant["id"]})

    said = [message["content"] for message in upstream.requests[0].body["messages"] if message["role"] == "user"]
    assert said == ["What is the weather in Kyiv?"]


async def test_while_a_run_is_active_all_but_the_message_it_writes_can_be_deleted(
    api, assistant, thread, path, upstream
):
    """M-15."""
    upstream.will_say(hang(say("It is sunny and warm."), after_chunks=2))
    body = {"assistant_id": assistant["id"], "stream": True}

    async with api.stream("POST", f"/threads/{thread['id']}/runs", body=body) as events:
        async for event in events:
            if event.name == "thread.message.delta":
                break
        written = await api.delete(f"/threads/{thread['id']}/messages/{event.data['id']}")
        question = await api.delete(path)

    assert written.refusal == (400, None, None)
    assert question.status == 200


async def test_a_finished_runs_message_can_be_deleted_and_its_step_stays(api, assistant, thread, upstream):
    """M-15."""
    upstream.will_say(say("It is sunny."))
    events = await api.events(f"/threads/{thread['id']}/runs", {"assistant_id": assistant["id"]})
    run, message = (
        next(event.data for event in events if event.name == name)
        for name in ("thread.run.completed", "thread.message.completed")
    )

    answer = await api.delete(f"/threads/{thread['id']}/messages/{message['id']}")

    assert answer.status == 200
    steps = (await api.found(f"/threads/{thread['id']}/runs/{run['id']}/steps"))["data"]
    assert steps[0]["step_details"]["message_creation"]["message_id"] == message["id"]
