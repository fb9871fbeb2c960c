"""modifyThread. Contract: docs/behaviour.md, rule T-6."""

import asyncio

import pytest

from treadle.upstream.scripted import function_call

RESOURCES = {"code_interpreter": {"file_ids": []}, "file_search": {"vector_store_ids": []}}


@pytest.fixture
async def made(api):
    return await api.created("/threads", {"tool_resources": RESOURCES, "metadata": {"a": "1", "b": "2"}})


@pytest.mark.parametrize(
    ("change", "result"),
    [
        ({"metadata": {"c": "3"}}, {"metadata": {"c": "3"}}),
        ({"metadata": {}}, {"metadata": {}}),
        ({"metadata": None}, {"metadata": {}}),
        ({"tool_resources": None}, {"tool_resources": {}}),
        ({"tool_resources": {}}, {}),
        ({"tool_resources": {"file_search": {}}}, {}),
        ({}, {}),
    ],
)
async def test_what_is_omitted_stays_null_clears_and_metadata_are_replaced_whole(api, made, change, result):
    modified = await api.created(f"/threads/{made['id']}", change)

    assert modified == made | result
    assert await api.found(f"/threads/{made['id']}") == modified


async def test_no_body_changes_nothing(api, made):
    """E-20."""
    assert (await api.post(f"/threads/{made['id']}")).json == made


async def test_it_is_allowed_while_a_run_is_active(api, assistant, thread, upstream, until):
    upstream.will_say(function_call("get_weather", {}))
    run = await api.created(f"/threads/{thread['id']}/runs", {"assistant_id": assistant["id"]})

    async def is_waiting():
        return (await api.found(f"/threads/{thread['id']}/runs/{run['id']}"))["status"] == "requires_action"

    await until(is_waiting)

    modified = await api.created(f"/threads/{thread['id']}", {"metadata": {"k": "v"}})

    assert modified["metadata"] == {"k": "v"}


async def test_changes_at_the_same_moment_are_all_kept(api, made):
    path = f"/threads/{made['id']}"

    await asyncio.gather(
        api.created(path, {"metadata": {"c": "3"}}),
        api.created(path, {"tool_resources": None}),
    )

    assert await api.found(path) == made | {"metadata": {"c": "3"}, "tool_resources": {}}


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({"messages": []}, "unknown_parameter", "messages"),
        ({"metadata": []}, "invalid_type", "metadata"),
        (
            {"tool_resources": {"code_interpreter": {"file_ids": ["file-nowhere"]}}},
            None,
            "tool_resources.code_interpreter.file_ids",
        ),
    ],
)
async def test_a_wrong_body_changes_nothing(api, made, body, code, param):
    """E-30, E-32, E-70."""
    answer = await api.post(f"/threads/{made['id']}", body)

    assert answer.refusal == (400, code, param)
    assert await api.found(f"/threads/{made['id']}") == made


async def test_an_unknown_thread_is_not_found(api):
    """E-61."""
    answer = await api.post("/threads/thread_nowhere", {"metadata": {}})

    assert answer.refusal == (404, None, None)
    assert answer.error["message"] == "No thread found with id 'thread_nowhere'."
