"""HTTP/1.1 written by hand, for requests that no client library would send."""

import asyncio
import json
from typing import Any, NamedTuple
from urllib.parse import urlsplit


class RawAnswer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> dict[str, Any]:
        """The error of an error answer, whose envelope is checked here (E-1)."""
        decoded = json.loads(self.body)
        assert set(decoded) == {"error"}
        assert set(decoded["error"]) == {"message", "type", "param", "code"}
        return decoded["error"]


async def exchange(root: str, request: bytes) -> RawAnswer:
    """Send these bytes on a connection of their own and read the answer, which must state its length."""
    address = urlsplit(root)
    async with asyncio.timeout(30):
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        try:
            writer.write(request)
            return await read_answer(reader)
        finally:
            writer.close()


async def read_answer(reader: asyncio.StreamReader) -> RawAnswer:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers["content-length"]))
    return RawAnswer(int(head[0].split()[1]), headers, body)
