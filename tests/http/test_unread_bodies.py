"""Bodies that a client announces and the server does not want to read."""

import asyncio
import json
from urllib.parse import urlsplit

import pytest

from tests.support.server import KEY
from tests.support.sockets import read_answer

BODY = json.dumps({"model": "gpt-4o"}).encode()


class Connection:
    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    async def announce(self, key, *, content_type="application/json"):
        """Send a head that waits for the server's word before it sends its body."""
        self.writer.write(
            f"POST /v1/assistants HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nOpenAI-Beta: assistants=v2\r\n"
            f"Content-Type: {content_type}\r\nContent-Length: {len(BODY)}\r\nExpect: 100-continue\r\n\r\n".encode()
        )


@pytest.fixture
async def connection(server):
    address = urlsplit(server.root)
    async with asyncio.timeout(30):
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        yield Connection(reader, writer)
        writer.close()


@pytest.mark.parametrize(
    ("key", "content_type", "status"), [("wrong", "application/json", 401), (KEY, "text/plain", 400)]
)
async def test_who_asks_before_sending_is_refused_before_sending(connection, key, content_type, status):
    await connection.announce(key, content_type=content_type)

    answer = await read_answer(connection.reader)

    assert answer.status == status
    # The body may come or not, so what comes next has no clear beginning.
    assert answer.headers["connection"] == "close"
    assert await connection.reader.read() == b""


async def test_who_asks_before_sending_is_told_to_go_on(connection):
    await connection.announce(KEY)
    word = await connection.reader.readuntil(b"\r\n\r\n")

    connection.writer.write(BODY)

    assert word == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert (await read_answer(connection.reader)).status == 200


async def test_a_refused_body_that_was_sent_leaves_the_connection_usable(connection):
    request = f"POST /v1/assistants HTTP/1.1\r\nHost: x\r\nContent-Length: {len(BODY)}\r\n\r\n".encode() + BODY

    connection.writer.write(request)
    first = await read_answer(connection.reader)
    connection.writer.write(request)
    second = await read_answer(connection.reader)

    assert (first.status, second.status) == (401, 401)
