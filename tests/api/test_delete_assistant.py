"""deleteAssistant. Contract: docs/behaviour.md, rules I-5 and A-7."""

from treadle.upstream.scripted import function_call, say


async def test_a_deleted_assistant_is_gone(api, assistant):
    """I-5, E-60."""
    path = f"/assistants/{assistant['id']}"

    answer = await api.delete(path)

    assert answer.json == {"id": assistant["id"], "object": "assistant.deleted", "deleted": True}
    assert (await api.get(path)).status == 404
    assert (await api.post(path, {"name": "x"})).status == 404
    assert (await api.found("/assistants"))["data"] == []


async def test_the_second_delete_finds_nothing(api, assistant):
    """E-60."""
    await api.delete(f"/assistants/{assistant['id']}")

    answer = await api.delete(f"/assistants/{assistant['id']}")

    assert answer.status == 404
    assert answer.error["message"] == f"No assistant found with id '{assistant['id']}'."


async def test_a_run_that_was_created_goes_on_with_its_snapshot(api, assistant, thread, upstream, until):
    """A-7, R-22."""
    upstream.will_say(function_call("get_weather", {"city": "Kyiv"}), say("It is sunny."))
    run = await api.created(f"/threads/{thread['id']}/runs", {"assistant_id": assistant["id"]})
    path = f"/threads/{thread['id']}/runs/{run['id']}"

    async def run_is(status):
        found = await api.found(path)
        return found if found["status"] == status else None

    waiting = await until(lambda: run_is("requires_action"))

    await api.delete(f"/assistants/{assistant['id']}")

    call = waiting["required_action"]["submit_tool_outputs"]["tool_calls"][0]
    outputs = {"tool_outputs": [{"tool_call_id": call["id"], "output": "sunny"}]}
    await api.created(f"{path}/submit_tool_outputs", outputs)
    finished = await until(lambda: run_is("completed"))
    assert (finished["assistant_id"], finished["tools"]) == (assistant["id"], assistant["tools"])
    assert upstream.requests[1].body["tools"] == upstream.requests[0].body["tools"]


async def test_no_new_run_can_name_it(api, assistant, thread):
    """E-60."""
    await api.delete(f"/assistants/{assistant['id']}")

    answer = await api.post(f"/threads/{thread['id']}/runs", {"assistant_id": assistant["id"]})

    assert answer.status == 404
    assert answer.error["message"] == f"No assistant found with id '{assistant['id']}'."
