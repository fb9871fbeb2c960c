"""What a connection may cost before anybody has shown a key."""

import asyncio
from collections.abc import Iterator
from itertools import repeat
from urllib.parse import urlsplit

import pytest

from tests.support.server import KEY
from treadle.http.protocol import MAX_HEAD_BYTES, BoundedHttp
from treadle.upstream.scripted import say

MUCH = 1024 * MAX_HEAD_BYTES  # more than the buffers between client and server hold
CHUNKED_BODY = (
    f"POST /v1/assistants HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nOpenAI-Beta: assistants=v2\r\n"
    "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"
).encode()


async def accepted(root: str, start: bytes, pieces: Iterator[bytes]) -> tuple[int, bytes]:
    """(how many bytes the server took before it hung up, what it said)."""
    address = urlsplit(root)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    taken = 0
    try:
        writer.write(start)
        for piece in pieces:
            if taken > MUCH or reader.at_eof():
                break
            writer.write(piece)
            await writer.drain()
            taken += len(piece)
        writer.close()
        return taken, await reader.read()
    except ConnectionError:
        return taken, b""


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (b"GET /v1/", b"x" * 4096),
        (b"GET /healthz HTTP/1.1\r\nX-Long: ", b"x" * 4096),
        (b"GET /healthz HTTP/1.1\r\n", b"X-N: 1\r\n" * 512),
        (CHUNKED_BODY, b"X-N: 1\r\n" * 512),
    ],
    ids=["path", "header", "headers", "trailers"],
)
async def test_what_does_not_end_is_not_collected(server, api, start, piece):
    async with asyncio.timeout(30):
        taken, answer = await accepted(server.root, start, repeat(piece))

    assert taken < MUCH
    assert not answer or answer.startswith(b"HTTP/1.1 400 ")
    assert (await api.get("/assistants")).status == 200


async def test_a_large_body_is_no_large_head(api):
    """E-18 has its own bound."""
    answer = await api.post("/assistants", {"model": "gpt-4o", "instructions": "x" * 250_000})

    assert answer.status == 200


class TestPatience:
    @pytest.fixture(autouse=True)
    def _soon_out_of_patience(self, monkeypatch):
        monkeypatch.setattr(BoundedHttp, "patience_seconds", 0.05)

    @pytest.mark.parametrize(
        "start", [b"", b"GET /healthz HTT", b"GET /healthz HTTP/1.1\r\nHost: x\r\n"], ids=["nothing", "line", "headers"]
    )
    async def test_a_connection_that_does_not_come_to_the_point_is_closed(self, server, start):
        address = urlsplit(server.root)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)

        writer.write(start)

        async with asyncio.timeout(30):
            assert await reader.read() == b""
        writer.close()

    async def test_a_request_may_take_its_time_once_its_head_is_there(self, api, assistant, thread, upstream):
        """A connection that is kept open between requests, too: uvicorn closes that one later."""
        upstream.will_say(say("Sunny. " * 20, delay_seconds=0.01))

        run = {"assistant_id": assistant["id"]}
        names = [event.name for event in await api.events(f"/threads/{thread['id']}/runs", run)]

        assert names[-2:] == ["thread.run.completed", "done"]
