"""listRunSteps, the reference operation. Contract: docs/behaviour.md, section 6.1; each test names its item."""

from tests.support.api import Api, Json

from treadle.upstream.scripted import ScriptedUpstream, function_call, say


async def finished(api: Api, run: Json) -> Json:
    while run["status"] in ("queued", "in_progress"):
        run = await api.found(f"/threads/{run['thread_id']}/runs/{run['id']}")
    return run


async def answered(api: Api, run: Json, output: str = "sunny") -> Json:
    calls = run["required_action"]["submit_tool_outputs"]["tool_calls"]
    outputs = [{"tool_call_id": call["id"], "output": output} for call in calls]
    path = f"/threads/{run['thread_id']}/runs/{run['id']}"
    return await finished(api, await api.created(f"{path}/submit_tool_outputs", {"tool_outputs": outputs}))


async def run_with_three_rounds(api: Api, assistant: Json, thread: Json, upstream: ScriptedUpstream) -> Json:
    for _ in range(3):
        upstream.will_say(function_call("get_weather", {"city": "Kyiv"}))
    upstream.will_say(say("It is sunny."))
    run = await api.created(f"/threads/{thread['id']}/runs", {"assistant_id": assistant["id"]})
    run = await finished(api, run)
    for _ in range(3):
        run = await answered(api, run)
    assert run["status"] == "completed", run
    return run


async def test_item_7_the_newest_step_comes_first_and_asc_is_the_exact_reverse(api, assistant, thread, upstream):
    run = await run_with_three_rounds(api, assistant, thread, upstream)
    path = f"/threads/{thread['id']}/runs/{run['id']}/steps"

    newest_first = (await api.found(path))["data"]
    oldest_first = (await api.found(path, {"order": "asc"}))["data"]

    assert [step["type"] for step in newest_first] == ["message_creation", *["tool_calls"] * 3]
    assert oldest_first == newest_first[::-1]


async def test_item_8_pages_of_one_visit_each_step_once(api, assistant, thread, upstream):
    run = await run_with_three_rounds(api, assistant, thread, upstream)
    path = f"/threads/{thread['id']}/runs/{run['id']}/steps"

    seen, more, query = [], [], {"limit": 1}
    for _ in range(4):
        page = await api.found(path, query)
        seen += [step["id"] for step in page["data"]]
        more.append(page["has_more"])
        query["after"] = page["data"][-1]["id"]

    assert len(set(seen)) == 4
    assert more == [True, True, True, False]
