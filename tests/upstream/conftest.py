"""A scripted model server, servers that speak no proper HTTP, and a way to ask them for a whole answer."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager

import pytest

from treadle.upstream import Attempt, ChatChunk, ChatRequest, ModelMap, ModelSettings, Upstream, UpstreamSettings
from treadle.upstream.scripted import ScriptedUpstream

HELLO = ChatRequest(messages=[{"role": "user", "content": "Hello"}])


@pytest.fixture
async def server() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream() as server:
        yield server


class Asker:
    """Asks for one answer and keeps what came of it, also when it fails."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.chunks: list[ChatChunk] = []
        self.attempts: list[Attempt] = []

    def settings(self, **changes: object) -> UpstreamSettings:
        quick = {"tries": 1, "wait_initial_seconds": 0.001, "api_key": "sk-upstream-secret"}
        return UpstreamSettings(name="local-gpu", **({"base_url": self.base_url} | quick | changes))

    async def __call__(
        self, request: ChatRequest = HELLO, *, model: ModelSettings | None = None, **changes: object
    ) -> list[ChatChunk]:
        model_map = ModelMap([self.settings(**changes)], {"gpt-4o": model or ModelSettings()})
        async with Upstream(model_map, clock=time.time) as upstream:
            answer = upstream.stream_chat("gpt-4o", request, self.attempts)
            async with contextlib.aclosing(answer):
                async for chunks in answer:
                    self.chunks += chunks
        return self.chunks

    @property
    def text(self) -> str:
        return "".join(chunk.content for chunk in self.chunks)

    @property
    def calls(self) -> list[tuple[str | None, str | None, str]]:
        """(id, name, joined arguments) of each tool call, put together as a reader of fragments does."""
        calls: list[tuple[str | None, str | None, str]] = []
        for fragment in (piece for chunk in self.chunks for piece in chunk.tool_calls):
            if fragment.name is not None:
                assert fragment.index == len(calls)
                calls.append((fragment.id, fragment.name, fragment.arguments))
            else:
                call_id, name, arguments = calls[fragment.index]
                calls[fragment.index] = (call_id, name, arguments + fragment.arguments)
        return calls

    @property
    def finish_reasons(self) -> list[str]:
        return [chunk.finish_reason for chunk in self.chunks if chunk.finish_reason]


@pytest.fixture
def ask(server: ScriptedUpstream) -> Asker:
    return Asker(server.base_url)


Answering = Callable[..., AbstractAsyncContextManager[str]]


@pytest.fixture
def answering() -> Answering:
    """`async with answering(b"HTTP/1.1 200 OK...", b"more") as base_url`: whoever asks gets these pieces, no more."""

    @contextlib.asynccontextmanager
    async def serve(*pieces: bytes, before_each: Callable[[], Awaitable[None]] | None = None) -> AsyncIterator[str]:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                head = await reader.readuntil(b"\r\n\r\n")
                length = head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]
                await reader.readexactly(int(length or 0))
                for piece in pieces:
                    if before_each is not None:
                        await before_each()
                    writer.write(piece)
                    await writer.drain()
            writer.close()

        listener = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with listener:
            yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/v1"

    return serve
