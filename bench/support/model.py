"""A model server in the client's process, so that one clock tells when a token was sent and when it arrived.

Plain protocol callbacks: what it costs is not to be seen in a latency. Load comes from `treadle.upstream.scripted`.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from typing import Any, Final, cast

from bench.support import load

TOKEN: Final = b"token "
_HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


class ModelServer:
    """Every answer is `tokens` chunks, one each `interval_seconds`. For one request at a time."""

    def __init__(self, *, tokens: int, interval_seconds: float) -> None:
        self.tokens, self.interval_seconds = tokens, interval_seconds
        self.port = 0
        self.asked_at = 0.0  # time.perf_counter() of the first byte of the last request
        self.sent_at: list[float] = []  # and of each of its tokens

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"


@contextlib.asynccontextmanager
async def answering(*, tokens: int, interval_seconds: float) -> AsyncIterator[ModelServer]:
    """Listens to the end of the block."""
    model = ModelServer(tokens=tokens, interval_seconds=interval_seconds)
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(model), "127.0.0.1", 0)
    model.port = server.sockets[0].getsockname()[1]
    try:
        yield model
    finally:
        server.close()


class _Connection(asyncio.Protocol):
    def __init__(self, model: ModelServer) -> None:
        self._model = model
        self._received = bytearray()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own, which is none by name

    def data_received(self, data: bytes) -> None:
        if not self._received:
            self._model.asked_at, self._model.sent_at = time.perf_counter(), []
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end >= 0 and len(self._received) >= load.length(self._received[:end]):
            self._received.clear()
            self._transport.write(_HEAD)
            self._say(asyncio.get_running_loop().time())

    def _say(self, due: float) -> None:
        """The token that is due now, and the next one later. Due times are added up."""
        model = self._model
        if len(model.sent_at) == model.tokens:
            self._transport.write(_END)
            return
        model.sent_at.append(time.perf_counter())
        self._transport.write(_TOKEN_CHUNK)
        due += model.interval_seconds
        asyncio.get_running_loop().call_at(due, self._say, due)


def _chunk(*events: bytes) -> bytes:
    content = b"".join(b"data: %b\n\n" % event for event in events)
    return b"%x\r\n%b\r\n" % (len(content), content)


def _event(delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
    head = {"id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": 0, "model": "bench"}
    return json.dumps({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]}).encode()


_TOKEN_CHUNK: Final = _chunk(_event({"content": TOKEN.decode()}))
_END: Final = _chunk(_event({}, "stop"), b"[DONE]") + b"0\r\n\r\n"
