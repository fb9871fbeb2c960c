"""The load client: plain HTTP/1.1 over keep-alive connections on loopback, with as little work per request as we can.

It reads what our own servers send: bodies with a length, and chunked event streams that end the connection's turn.
"""

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self, cast

_END_OF_CHUNKS = b"0\r\n\r\n"


class Answer(NamedTuple):
    """A whole answer. Any: decoded JSON."""

    status: int
    body: bytes

    @property
    def json(self) -> Any:
        if self.status != 200:
            raise RuntimeError(f"{self.status}: {self.body[:500].decode(errors='replace')}")
        return json.loads(self.body)


class Load(NamedTuple):
    """What `hammer` did: requests answered, the seconds it took, and each answer's time in seconds, sorted."""

    answered: int
    seconds: float
    times: list[float]


def request(method: str, path: str, *, key: str = "", body: Any = None) -> bytes:
    """The bytes of a request; the headers are those that the API asks for, and no others."""
    content = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    if key:
        lines += [f"Authorization: Bearer {key}", "OpenAI-Beta: assistants=v2"]
    if content:
        lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    return "\r\n".join([*lines, "", ""]).encode() + content


def key_of(data_dir: Path) -> str:
    """The API key that was made with a data folder."""
    return (data_dir / "api-key").read_text().strip()


class Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport
        self._received = bytearray()
        self._done: asyncio.Future[None] | None = None
        self._watch: Callable[[bytes, float], None] | None = None
        self._length: int | None = None

    @classmethod
    async def open(cls, port: int) -> Self:
        _transport, connection = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        return connection

    async def ask(self, request: bytes) -> Answer:
        """Send a request and read the whole answer. Raises ConnectionError."""
        await self._send(request)
        head, _, body = bytes(self._received).partition(b"\r\n\r\n")
        return Answer(_status(head), body)

    async def follow(self, request: bytes, watch: Callable[[bytes, float], None]) -> None:
        """Send a request whose answer is a stream: `watch(bytes, time.perf_counter())` for all that comes, as it comes.

        Returns at the end of the body. Raises ConnectionError, and RuntimeError for an answer that is no stream.
        """
        self._watch = watch
        await self._send(request)
        self._watch = None
        if _status(self._received) != 200:
            raise RuntimeError(self._received[-500:].decode(errors="replace"))

    def close(self) -> None:
        self._transport.close()

    async def _send(self, request: bytes) -> None:
        self._received.clear()
        self._length = None
        self._done = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        await self._done

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own, which is none by name

    def data_received(self, data: bytes) -> None:
        if self._watch is not None:
            self._watch(data, time.perf_counter())
            # Of a stream only its head and its last bytes are kept.
            if len(self._received) > 4096:
                del self._received[1024:-8]
        self._received += data
        if self._length is None and (end := self._received.find(b"\r\n\r\n")) >= 0:
            self._length = length(self._received[:end])
        if self._done is None or self._done.done() or self._length is None:
            return
        is_whole = self._received.endswith(_END_OF_CHUNKS) if self._length < 0 else len(self._received) >= self._length
        if is_whole:
            self._done.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_exception(error or ConnectionError("the server hung up"))


async def hammer(port: int, requests: Iterable[bytes], *, connections: int, seconds: float) -> Load:
    """Send `requests`, each as soon as a connection is free, for at most `seconds`. Every answer must be a 200."""
    loop = asyncio.get_running_loop()
    remaining = iter(requests)
    started = time.perf_counter()
    workers = []
    for _ in range(connections):
        _transport, worker = await loop.create_connection(
            lambda: _Hammer(remaining, started + seconds), "127.0.0.1", port
        )
        workers.append(worker)
    await asyncio.gather(*(worker.finished for worker in workers))
    took = time.perf_counter() - started
    times = sorted(time for worker in workers for time in worker.times)
    return Load(len(times), took, times)


class _Hammer(asyncio.Protocol):
    """A connection that asks again from within the answer's callback: tasks would cost more than all the rest."""

    def __init__(self, requests: Iterator[bytes], end: float) -> None:
        self._requests, self._end = requests, end
        self._transport: asyncio.Transport
        self._missing = 0  # bytes of the answer that have not come
        self._asked_at = 0.0
        self.times: list[float] = []
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own, which is none by name
        self._ask()

    def data_received(self, data: bytes) -> None:
        if not self._missing:
            end = data.index(b"\r\n\r\n")
            if _status(data) != 200:
                self.finished.set_exception(RuntimeError(data[:1000].decode(errors="replace")))
                self._transport.close()
                return
            self._missing = length(data[:end])
        self._missing -= len(data)
        if not self._missing:
            self.times.append(time.perf_counter() - self._asked_at)
            self._ask()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.finished.done():
            self.finished.set_exception(error or ConnectionError("the server hung up"))

    def _ask(self) -> None:
        now = time.perf_counter()
        request = next(self._requests, None) if now < self._end else None
        if request is None:
            self.finished.set_result(None)
            self._transport.close()
            return
        self._asked_at = now
        self._transport.write(request)


def _status(answer: bytes | bytearray) -> int:
    return int(answer[9:12])


def length(head: bytes | bytearray) -> int:
    """Bytes of the whole answer, head and all; -1 for a chunked one."""
    lower = head.lower()
    at = lower.find(b"content-length:")
    if at < 0:
        return -1
    return len(head) + 4 + int(lower[at + 15 :].split(b"\r\n", 1)[0])
