"""What clients that were generated, or written by hand, put on the wire: byte for byte, without any HTTP library."""

import asyncio
import base64
import json
from typing import NamedTuple

import pytest

from tests.support.api import Api, Json
from tests.support.server import KEY, LiveServer
from treadle.upstream.scripted import ScriptedUpstream, function_call

AUTHORIZATION = f"Authorization: Bearer {KEY}"
BETA = "OpenAI-Beta: assistants=v2"
JSON_TYPE = "Content-Type: application/json"
CONTENT = "step_details.tool_calls[*].file_search.results[*].content"
HELLO = '{"role": "user", "content": "Hello"}'


class Response(NamedTuple):
    status: int
    json: Json


async def exchange(server: LiveServer, line: str, *headers: str, body: str = "", auth: str = AUTHORIZATION) -> Response:
    """Send exactly these lines and this body; the response to it."""
    host, port = server.root.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = [f"{line} HTTP/1.1", f"Host: {host}", "Connection: close", auth, BETA, *headers]
    writer.write("\r\n".join([*head, "", body]).encode())
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()
    answer = answer.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
    status_and_headers, _, content = answer.partition(b"\r\n\r\n")
    return Response(int(status_and_headers.split()[1]), json.loads(content))


@pytest.fixture
async def waiting(api: Api, assistant: Json, thread: Json, upstream: ScriptedUpstream) -> Json:
    """A run that waits for a tool output; it has one step."""
    upstream.will_say(function_call("get_weather", {"city": "Kyiv"}))
    events = await api.events(f"/threads/{thread['id']}/runs", {"assistant_id": assistant["id"]})
    return events[-2].data


@pytest.mark.parametrize(
    "headers", [(), (JSON_TYPE,), ("Content-Length: 0",), (JSON_TYPE, "Content-Length: 0")], ids=", ".join
)
async def test_h_8_get_delete_and_cancel_need_neither_a_body_nor_a_content_type(server, thread, waiting, headers):
    threads = f"/v1/threads/{thread['id']}"

    listed = await exchange(server, f"GET {threads}/runs", *headers)
    cancelled = await exchange(server, f"POST {threads}/runs/{waiting['id']}/cancel", *headers)
    deleted = await exchange(server, f"DELETE {threads}", *headers)

    assert [run["id"] for run in listed.json["data"]] == [waiting["id"]]
    assert (cancelled.status, cancelled.json["status"]) == (200, "cancelling")
    assert (deleted.status, deleted.json["deleted"]) == (200, True)


async def test_e_20_an_empty_body_creates_an_empty_thread(server):
    created = await exchange(server, "POST /v1/threads", JSON_TYPE, "Content-Length: 0")

    assert (created.status, created.json["object"]) == (200, "thread")


@pytest.mark.parametrize("name", ["include[]", "include%5B%5D", "include", "include[0]"])
async def test_p_12_include_is_read_in_each_spelling(server, thread, waiting, name):
    steps = f"/v1/threads/{thread['id']}/runs/{waiting['id']}/steps"

    accepted = await exchange(server, f"GET {steps}?{name}={CONTENT}&limit=1")
    refused = await exchange(server, f"GET {steps}?{name}=everything&limit=1")

    assert (accepted.status, len(accepted.json["data"])) == (200, 1)
    assert (refused.status, refused.json["error"]["param"]) == (400, "include[0]")  # P-13: it was read


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "application/json;charset=UTF-8"])
async def test_a_content_type_may_name_its_charset(server, thread, content_type):
    path = f"/v1/threads/{thread['id']}/messages"

    created = await exchange(
        server, f"POST {path}", f"Content-Type: {content_type}", f"Content-Length: {len(HELLO)}", body=HELLO
    )

    assert (created.status, created.json["content"][0]["text"]["value"]) == (200, "Hello")


async def test_a_body_may_come_in_chunks(server, thread):
    chunks = f"{10:x}\r\n{HELLO[:10]}\r\n{len(HELLO) - 10:x}\r\n{HELLO[10:]}\r\n0\r\n\r\n"
    path = f"/v1/threads/{thread['id']}/messages"

    created = await exchange(server, f"POST {path}", JSON_TYPE, "Transfer-Encoding: chunked", body=chunks)

    assert (created.status, created.json["content"][0]["text"]["value"]) == (200, "Hello")


async def test_a_client_may_expect_to_be_told_to_continue(server, thread):
    path = f"/v1/threads/{thread['id']}/messages"

    created = await exchange(
        server, f"POST {path}", JSON_TYPE, f"Content-Length: {len(HELLO)}", "Expect: 100-continue", body=HELLO
    )

    assert (created.status, created.json["role"]) == (200, "user")


async def test_h_1_the_key_may_be_the_password_of_basic_authentication(server, thread):
    basic = base64.b64encode(f":{KEY}".encode()).decode()

    found = await exchange(server, f"GET /v1/threads/{thread['id']}", auth=f"Authorization: Basic {basic}")

    assert (found.status, found.json["id"]) == (200, thread["id"])


@pytest.mark.parametrize("path", ["/v1/models", "/v1/assistants"])
async def test_h_4_the_beta_header_may_come_on_any_path(server, path):
    listed = await exchange(server, f"GET {path}")

    assert (listed.status, listed.json["object"]) == (200, "list")


async def test_h_5_h_6_what_is_left_over_from_the_vendor_is_ignored(server, thread):
    found = await exchange(
        server,
        f"GET /v1/threads/{thread['id']}?api-version=2024-05-01-preview",  # P-14
        "OpenAI-Organization: org-of-long-ago",
        "OpenAI-Project: proj_of_long_ago",
        "X-Stainless-Lang: cobol",
        "X-Stainless-Retry-Count: 1",
        "Idempotency-Key: 1",
    )

    assert (found.status, found.json["id"]) == (200, thread["id"])
