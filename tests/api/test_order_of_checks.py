"""One error per answer: of two faults, the one that is checked first. Contract: docs/behaviour.md, rule O-1."""

import json

import httpx2
import pytest

from tests.support.server import KEY
from treadle.upstream.scripted import hang

AUTH = {"Authorization": f"Bearer {KEY}"}
BETA = {"OpenAI-Beta": "assistants=v2"}
TEXT = {"Content-Type": "text/plain"}
JSON = {"Content-Type": "application/json"}
MESSAGE = json.dumps({"role": "user", "content": "hi"}).encode()
NOT_JSON = b'{"role": '
NO_MESSAGE = b'{"role": "user"}'
# A schema violation comes first in it, and yet it is no JSON.
NO_MESSAGE_AND_NOT_JSON = b'{"role": 5, "content"'


@pytest.mark.parametrize(
    ("method", "path", "headers", "content", "expected"),
    [
        ("POST", "/nowhere", {}, NOT_JSON, (401, None)),
        ("PUT", "/threads/{thread}", {}, NOT_JSON, (401, None)),
        ("POST", "/nowhere", AUTH | TEXT, NOT_JSON, (404, None)),
        ("PUT", "/threads/x", AUTH | TEXT, NOT_JSON, (405, None)),
        ("POST", "/threads/x/messages", AUTH | TEXT, NOT_JSON, (400, "invalid_beta")),
        ("POST", "/threads/x/messages", AUTH | BETA | TEXT, NOT_JSON, (400, "unsupported_content_type")),
        ("POST", "/threads/x/messages", AUTH | BETA | JSON, NOT_JSON, (400, None)),
        ("POST", "/threads/x/messages", AUTH | BETA | JSON, NO_MESSAGE_AND_NOT_JSON, (400, None)),
        ("POST", "/threads/x/messages", AUTH | BETA | JSON, NO_MESSAGE, (400, "missing_required_parameter")),
        ("POST", "/threads/x/messages", AUTH | BETA | JSON, MESSAGE, (400, "invalid_value")),
        ("POST", "/threads/thread_x/messages", AUTH | BETA | JSON, MESSAGE, (404, None)),
        ("POST", "/threads/{thread}/messages", AUTH | BETA | JSON, MESSAGE, (200, None)),
    ],
)
async def test_key_route_method_beta_content_type_syntax_schema_prefix_existence(
    server, thread, method, path, headers, content, expected
):
    """Each row has every fault of the rows below it that it can have."""
    async with httpx2.AsyncClient(base_url=server.url) as http:
        response = await http.request(method, path.format(thread=thread["id"]), headers=headers, content=content)

    assert (response.status_code, response.json().get("error", {}).get("code")) == expected


async def test_the_query_is_checked_before_the_prefix_of_the_path(api):
    answer = await api.get("/threads/x/messages", {"limit": 0})

    assert answer.refusal == (400, "integer_below_min_value", "limit")


async def test_every_prefix_in_the_path_is_checked_before_anything_is_looked_for(api):
    answer = await api.get("/threads/thread_nowhere/runs/run_nowhere/steps/x")

    assert answer.refusal == (400, "invalid_value", "step_id")


async def test_prefixes_are_checked_from_left_to_right(api):
    answer = await api.get("/threads/x/runs/x/steps/x")

    assert answer.refusal == (400, "invalid_value", "thread_id")


@pytest.mark.parametrize(
    ("thread_id", "run_id", "missing"),
    [("thread_nowhere", "run_nowhere", "thread"), (None, "run_nowhere", "run"), (None, None, "run step")],
)
async def test_what_is_missing_is_told_outermost_first(api, assistant, thread, upstream, thread_id, run_id, missing):
    upstream.will_say(hang())
    run = await api.created(f"/threads/{thread['id']}/runs", {"assistant_id": assistant["id"]})

    answer = await api.get(f"/threads/{thread_id or thread['id']}/runs/{run_id or run['id']}/steps/step_nowhere")

    assert answer.status == 404
    assert answer.error["message"].startswith(f"No {missing} found with id ")


WITH_FILE = {
    "role": "user",
    "content": [{"type": "image_file", "image_file": {"file_id": "file-nowhere"}}],
}


async def test_the_path_is_looked_up_before_what_the_body_refers_to(api):
    answer = await api.post("/threads/thread_nowhere/messages", WITH_FILE)

    assert answer.status == 404


async def test_what_the_body_refers_to_is_looked_up_before_the_state(api, assistant, thread, upstream):
    upstream.will_say(hang())
    run = {"assistant_id": assistant["id"]}
    await api.created(f"/threads/{thread['id']}/runs", run)

    message = await api.post(f"/threads/{thread['id']}/messages", WITH_FILE)
    second = await api.post(f"/threads/{thread['id']}/runs", {"assistant_id": "asst_nowhere"})

    assert message.refusal == (400, None, "content[0].image_file.file_id")
    assert second.status == 404


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ('{"content": 5, "role": 5}', "content"),
        ('{"role": 5, "content": 5}', "role"),
        ('{"x": 1, "role": 5}', "x"),
        ('{"metadata": {"b": 1, "a": 2}}', "metadata.b"),
        ('{"content": [{"type": "text", "text": 1}, {"type": "x"}], "role": 5}', "content[0].text"),
    ],
)
async def test_of_several_wrong_fields_the_first_in_the_document_is_told(api, thread, body, param):
    answer = await api.request("POST", f"/threads/{thread['id']}/messages", content=body.encode())

    assert answer.error["param"] == param
