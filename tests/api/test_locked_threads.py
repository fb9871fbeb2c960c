"""What a thread allows while a run is active on it. Contract: E-71, M-14, M-15, T-6, T-7."""

import pytest

from tests.support import runs
from tests.support.api import Json
from treadle.upstream.scripted import function_call, hang, say


@pytest.fixture
async def writing(api, assistant, thread, upstream) -> tuple[Json, Json]:
    """A run and the message that it is writing and will not finish."""
    run = await runs.writing(api, thread, assistant, upstream, "It is su")
    return run, (await runs.messages_of(api, thread))[-1]


async def test_e_71_a_thread_with_a_working_run_takes_no_message(api, assistant, thread, upstream):
    upstream.will_say(hang())
    run = await runs.begun(api, thread, assistant)

    answer = await api.post(f"/threads/{thread['id']}/messages", {"role": "user", "content": "And in Lviv?"})

    assert answer.status == 400
    assert answer.error == {
        "message": f"Can't add messages to {thread['id']} while a run {run['id']} is active.",
        "type": "invalid_request_error",
        "param": None,
        "code": None,
    }
    assert len(await runs.messages_of(api, thread)) == 1


async def test_e_71_a_thread_with_a_waiting_run_takes_no_message(api, assistant, thread, upstream):
    upstream.will_say(function_call("get_weather", {"city": "Kyiv"}))
    run = await runs.ran(api, thread, assistant)

    answer = await api.post(f"/threads/{thread['id']}/messages", {"role": "user", "content": "And in Lviv?"})

    assert answer.status == 400
    assert run["id"] in answer.error["message"]


async def test_e_71_a_run_of_another_thread_locks_nothing(api, assistant, thread, upstream):
    upstream.will_say(hang())
    await runs.begun(api, thread, assistant)
    other = await api.created("/threads")

    await api.created(f"/threads/{other['id']}/messages", {"role": "user", "content": "Hello"})


async def test_t_6_a_locked_thread_can_be_modified(api, thread, writing):
    modified = await api.created(f"/threads/{thread['id']}", {"metadata": {"ticket": "7"}})

    assert modified["metadata"] == {"ticket": "7"}


async def test_m_13_the_message_being_written_is_in_the_list(api, thread, writing):
    run, message = writing

    listed = (await runs.messages_of(api, thread))[-1]

    assert (listed["id"], listed["status"]) == (message["id"], "in_progress")
    assert (listed["run_id"], listed["completed_at"]) == (run["id"], None)


async def test_m_13_the_text_in_the_list_is_at_most_a_second_old(api, thread, writing, until):
    async def text() -> bool:
        return runs.text_of((await runs.messages_of(api, thread))[-1]) == "It is su"

    assert await until(text)


async def test_m_13_the_calls_of_a_step_being_written_are_at_most_a_second_old(api, assistant, thread, upstream, until):
    upstream.will_say(hang(function_call("get_weather", {"city": "Kyiv"}), after_chunks=3))
    run = await runs.begun(api, thread, assistant)

    async def arguments() -> bool:
        steps = await runs.steps_of(api, run)
        calls = steps[0]["step_details"]["tool_calls"] if steps else []
        return [call["function"]["arguments"] for call in calls] == ['{"city":']

    assert await until(arguments)


async def test_m_14_the_message_being_written_takes_metadata_and_keeps_them(api, thread, writing):
    run, message = writing

    modified = await api.created(f"/threads/{thread['id']}/messages/{message['id']}", {"metadata": {"seen": "yes"}})
    await runs.settled(api, await api.created(f"{runs.path(run)}/cancel"))

    message = await api.found(f"/threads/{thread['id']}/messages/{message['id']}")
    assert (modified["status"], message["status"]) == ("in_progress", "incomplete")
    assert message["metadata"] == {"seen": "yes"}
    assert runs.text_of(message) == "It is su"


async def test_m_15_the_message_being_written_cannot_be_deleted(api, thread, writing):
    _, message = writing

    answer = await api.delete(f"/threads/{thread['id']}/messages/{message['id']}")

    assert answer.status == 400
    assert (await api.found(f"/threads/{thread['id']}/messages/{message['id']}"))["id"] == message["id"]


async def test_m_15_any_other_message_can_be_deleted_while_a_run_is_active(api, thread, writing):
    [asked, _] = await runs.messages_of(api, thread)

    answer = await api.delete(f"/threads/{thread['id']}/messages/{asked['id']}")

    assert answer.json == {"id": asked["id"], "object": "thread.message.deleted", "deleted": True}
    assert len(await runs.messages_of(api, thread)) == 1


async def test_m_15_what_a_run_wrote_can_be_deleted_once_it_is_over(api, thread, writing):
    run, message = writing
    await runs.settled(api, await api.created(f"{runs.path(run)}/cancel"))

    answer = await api.delete(f"/threads/{thread['id']}/messages/{message['id']}")

    assert answer.status == 200


async def test_t_7_deleting_the_thread_of_a_working_run_ends_its_stream_with_cancelled(
    api, assistant, thread, upstream
):
    upstream.will_say(hang(say("It is sunny.", chunk_size=4), after_chunks=3))
    body = {"assistant_id": assistant["id"], "stream": True}
    seen = []

    async with api.stream("POST", f"/threads/{thread['id']}/runs", body=body) as events:
        async for event in events:
            seen.append(event)
            if event.name == "thread.message.delta":
                break
        deleted = await api.delete(f"/threads/{thread['id']}")
        seen += [event async for event in events]

    assert deleted.json == {"id": thread["id"], "object": "thread.deleted", "deleted": True}
    assert runs.names(seen)[-6:] == ["m.delta", "r.cancelling", "m.incomplete", "s.cancelled", "r.cancelled", "done"]
    run = seen[0].data
    for path in (f"/threads/{thread['id']}", runs.path(run), f"{runs.path(run)}/steps"):
        answer = await api.get(path)
        assert answer.status == 404
        assert answer.error["message"] == f"No thread found with id '{thread['id']}'."


async def test_t_7_the_thread_of_a_waiting_run_can_be_deleted(api, assistant, thread, upstream):
    upstream.will_say(function_call("get_weather", {"city": "Kyiv"}))
    run = await runs.ran(api, thread, assistant)

    await api.delete(f"/threads/{thread['id']}")

    answer = await api.post(f"{runs.path(run)}/submit_tool_outputs", runs.outputs(run))
    assert answer.status == 404
    assert answer.error["message"] == f"No thread found with id '{thread['id']}'."
