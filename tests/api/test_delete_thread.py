"""deleteThread. Contract: docs/behaviour.md, rules I-5 and T-7."""

from tests.support.rows import row_counts
from treadle.upstream.scripted import function_call, hang, say


async def test_a_deleted_thread_is_gone_with_all_that_was_in_it(api, assistant, thread, upstream, until):
    """I-5, T-7, E-61."""
    upstream.will_say(say("It is sunny."))
    path = f"/threads/{thread['id']}"
    run = await api.created(f"{path}/runs", {"assistant_id": assistant["id"]})

    async def is_completed():
        return (await api.found(f"{path}/runs/{run['id']}"))["status"] == "completed"

    await until(is_completed)
    message = (await api.found(f"{path}/messages"))["data"][0]
    step = (await api.found(f"{path}/runs/{run['id']}/steps"))["data"][0]

    answer = await api.delete(path)

    assert answer.json == {"id": thread["id"], "object": "thread.deleted", "deleted": True}
    for gone in (
        path,
        f"{path}/messages",
        f"{path}/messages/{message['id']}",
        f"{path}/runs",
        f"{path}/runs/{run['id']}",
        f"{path}/runs/{run['id']}/steps",
        f"{path}/runs/{run['id']}/steps/{step['id']}",
    ):
        found = await api.get(gone)
        assert found.status == 404, gone
        assert found.error["message"] == f"No thread found with id '{thread['id']}'."


async def test_nothing_of_it_stays_on_disk(api, server, assistant, thread, upstream, until):
    """T-7: the rest is removed in the background, tombstones too."""
    upstream.will_say(say("It is sunny."))
    path = f"/threads/{thread['id']}"
    await api.events(f"{path}/runs", {"assistant_id": assistant["id"]})
    question = (await api.found(f"{path}/messages", {"order": "asc"}))["data"][0]
    await api.delete(f"{path}/messages/{question['id']}")
    counts = await row_counts(server.settings)
    assert all(counts[table] for table in ("threads", "messages", "runs", "run_steps", "turns", "tombstones"))

    await api.delete(path)

    async def only_others_are_left():
        left = {table for table, rows in (await row_counts(server.settings)).items() if rows}
        return left == {"projects", "assistants"}

    await until(only_others_are_left)


async def test_an_active_run_is_cancelled_first_and_its_stream_ends_with_it(api, assistant, thread, upstream):
    """T-7, W-20."""
    upstream.will_say(hang(say("It is sunny and warm."), after_chunks=2))
    body = {"assistant_id": assistant["id"], "stream": True}

    async with api.stream("POST", f"/threads/{thread['id']}/runs", body=body) as events:
        async for event in events:
            if event.name == "thread.message.delta":
                break
        answer = await api.delete(f"/threads/{thread['id']}")
        rest = [event.name async for event in events]

    assert answer.status == 200
    assert rest[-2:] == ["thread.run.cancelled", "done"]
    assert (await api.get(f"/threads/{thread['id']}")).status == 404


async def test_a_thread_whose_run_waits_can_be_deleted(api, assistant, thread, upstream, until):
    """T-7."""
    upstream.will_say(function_call("get_weather", {}))
    run = await api.created(f"/threads/{thread['id']}/runs", {"assistant_id": assistant["id"]})

    async def is_waiting():
        return (await api.found(f"/threads/{thread['id']}/runs/{run['id']}"))["status"] == "requires_action"

    await until(is_waiting)

    assert (await api.delete(f"/threads/{thread['id']}")).status == 200
    assert (await api.get(f"/threads/{thread['id']}/runs/{run['id']}")).status == 404


async def test_other_threads_stay(api, thread):
    other = await api.created("/threads", {"messages": [{"role": "user", "content": "hi"}]})

    await api.delete(f"/threads/{thread['id']}")

    assert await api.found(f"/threads/{other['id']}") == other
    assert len((await api.found(f"/threads/{other['id']}/messages"))["data"]) == 1


async def test_the_second_delete_finds_nothing(api, thread):
    """E-61."""
    await api.delete(f"/threads/{thread['id']}")

    answer = await api.delete(f"/threads/{thread['id']}")

    assert answer.status == 404
    assert answer.error["message"] == f"No thread found with id '{thread['id']}'."
