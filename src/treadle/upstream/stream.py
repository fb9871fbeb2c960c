"""One streamed chat completion over HTTP, with the retries before its first token."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Any

import aiohttp
import msgspec
import stamina

from treadle.upstream import connection, failures
from treadle.upstream.chat import Attempt, ChatChunk, ChatRequest
from treadle.upstream.errors import UpstreamBadAnswer, UpstreamError
from treadle.upstream.models import Route, UpstreamSettings
from treadle.upstream.wire import Translator

_MAX_EVENT_BYTES = 4 * 1024 * 1024
_MAX_JSON_BYTES = 32 * 1024 * 1024
_MAX_ERROR_BYTES = 64 * 1024
# After [DONE] the body ends at once, or else its connection is not worth keeping.
_END_OF_BODY_SECONDS = 0.1


async def stream(
    session: aiohttp.ClientSession,
    route: Route,
    request: ChatRequest,
    *,
    clock: Callable[[], float],
    attempts: list[Attempt] | None = None,
) -> AsyncGenerator[list[ChatChunk], None]:
    """Yield lists of the chunks that arrived together, none of them empty. Iterate inside `contextlib.aclosing`.

    Each try is appended to `attempts`, also when it fails. Raises the classes of `errors.py`. Cancelling or closing
    drops the connection at once, so that the model server stops working.
    """
    answer, chunks = await _begin(session, route, encode(route, request), clock, [] if attempts is None else attempts)
    try:
        while chunks:
            yield chunks
            chunks = await answer.read()
    finally:
        answer.close()


def encode(route: Route, request: ChatRequest) -> bytes:
    """The body for `route`: its model and its name for `max_tokens`, without what is unset or omitted there."""
    body: dict[str, Any] = {"model": route.model, "stream": True, "stream_options": {"include_usage": True}}
    body |= {field: value for field, value in msgspec.structs.asdict(request).items() if value is not None}
    if "max_tokens" in body:
        body[route.settings.max_tokens_parameter] = body.pop("max_tokens")
    body |= route.settings.extra_body
    return msgspec.json.encode({field: value for field, value in body.items() if field not in route.settings.omit})


async def _begin(
    session: aiohttp.ClientSession,
    route: Route,
    body: bytes,
    clock: Callable[[], float],
    attempts: list[Attempt],
) -> tuple["_Answer", list[ChatChunk]]:
    """An answer with its first chunks. Up to here another try does no harm."""
    upstream = route.upstream
    async for attempt in stamina.retry_context(
        on=lambda error: _patience(upstream, error),
        attempts=upstream.tries,
        timeout=None,
        wait_initial=upstream.wait_initial_seconds,
        wait_max=upstream.wait_max_seconds,
        wait_jitter=upstream.wait_initial_seconds,
    ):
        with attempt, _recorded(attempts, clock):
            return await _try(session, upstream, body, clock)
    raise AssertionError("the last attempt returns or raises")


async def _try(
    session: aiohttp.ClientSession, upstream: UpstreamSettings, body: bytes, clock: Callable[[], float]
) -> tuple["_Answer", list[ChatChunk]]:
    """One attempt. Nothing stays open when it raises."""
    try:
        response = await _post(session, upstream, body)
    except connection.FAILURES as error:
        raise failures.unreachable(upstream, error, began=False) from error
    answer = _Answer(upstream, response)
    try:
        return answer, await answer.begin(clock)
    except BaseException:
        answer.close()
        raise


async def _post(session: aiohttp.ClientSession, upstream: UpstreamSettings, body: bytes) -> aiohttp.ClientResponse:
    async def post() -> aiohttp.ClientResponse:
        return await session.post(
            connection.endpoint(upstream, "/chat/completions"),
            data=body,
            headers=connection.headers(upstream),
            timeout=connection.timeout(upstream, silence_seconds=upstream.first_token_timeout_seconds),
            allow_redirects=False,
        )

    try:
        return await post()
    except aiohttp.ServerDisconnectedError:
        # Some servers (llama.cpp's) close a connection they promised to keep, and only using it tells: once more, now.
        return await post()


@contextlib.contextmanager
def _recorded(attempts: list[Attempt], clock: Callable[[], float]) -> Iterator[None]:
    started, status, error = clock(), None, None
    try:
        yield
        status = 200
    except UpstreamError as failure:
        status, error = failure.status, failure.message
        raise
    except BaseException:
        error = "abandoned"
        raise
    finally:
        took = clock() - started
        attempts.append(
            Attempt(started_at_ms=round(started * 1000), took_ms=round(took * 1000), status=status, error=error)
        )


def _patience(upstream: UpstreamSettings, error: Exception) -> bool | float:
    """Whether to try again: no, after the usual back-off, or after the seconds the server asked for."""
    if not isinstance(error, UpstreamError) or not failures.is_temporary(error):
        return False
    if error.retry_after_seconds is None:
        return True
    return error.retry_after_seconds <= upstream.retry_after_max_seconds and error.retry_after_seconds


class _Answer:
    """One HTTP answer, read as chunks."""

    def __init__(self, upstream: UpstreamSettings, response: aiohttp.ClientResponse) -> None:
        self._upstream, self._response = upstream, response
        self._translator = Translator(upstream)
        self._rest = b""  # the beginning of a line whose end has not come
        self._began = self._ended = False
        self._failure: UpstreamError | None = None

    async def begin(self, clock: Callable[[], float]) -> list[ChatChunk]:
        """The first chunks, at least one."""
        response = self._response
        try:
            if response.status != 200:
                explanation = await connection.read_at_most(response, _MAX_ERROR_BYTES)
                raise failures.answered(self._upstream, response.status, response.headers, explanation, now=clock())
            if response.content_type == "text/event-stream":
                chunks = await self.read()
            else:
                chunks = await self._whole()
        except connection.FAILURES as error:
            raise failures.unreachable(self._upstream, error, began=False) from error
        self._began = True
        # The prompt is read; from here on a pause means something else.
        if (held := response.connection) is not None and (protocol := held.protocol) is not None:
            protocol.read_timeout = self._upstream.silence_timeout_seconds
            protocol.start_timeout()
        return chunks

    async def read(self) -> list[ChatChunk]:
        """The chunks that have arrived, at least one; [] at the end of the answer."""
        if self._failure is not None:
            raise self._failure
        if self._ended:
            return []
        try:
            while not self._translator.done and (data := await self._response.content.readany()):
                if chunks := self._lines(data):
                    return chunks
        except connection.FAILURES as error:
            # Before the first token another try is better than what little has come.
            chunks = self._lines(connection.arrived(self._response)) if self._began else []
            # Once the answer is finished only its usage and [DONE] are missed.
            if not self._translator.finished:
                self._failure = failures.unreachable(self._upstream, error, began=self._began)
            if chunks:
                return chunks
            if self._failure is not None:
                raise self._failure from error
        return await self._finish()

    def close(self) -> None:
        """Drop the connection, unless the body was read to its end and the connection went back to the pool."""
        self._response.close()

    async def _whole(self) -> list[ChatChunk]:
        """The answer of a server that ignores `stream`."""
        body = await connection.read_at_most(self._response, _MAX_JSON_BYTES)
        content_type = self._response.content_type
        if content_type != "application/json" or len(body) > _MAX_JSON_BYTES:
            start = body[:200].decode(errors="replace")
            raise self._bad(f"sent {len(body)} bytes of {content_type} instead of a completion: {start}")
        chunk = self._translator.event(body)
        self._translator.done = self._ended = True
        return [part for part in (chunk, self._translator.finish()) if part is not None]

    def _lines(self, data: bytes) -> list[ChatChunk]:
        """The chunks in the lines that are complete. A failure after good chunks waits until those are delivered."""
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        chunks: list[ChatChunk] = []
        try:
            for line in lines:
                if line.startswith(b"data:"):
                    chunk = self._translator.event(line[5:])
                    if chunk is not None:
                        chunks.append(chunk)
            if len(self._rest) > _MAX_EVENT_BYTES:
                raise self._bad(f"sent a line of more than {_MAX_EVENT_BYTES} bytes.")
        except UpstreamError as error:
            if not chunks:
                raise
            self._failure = error
        return chunks

    async def _finish(self) -> list[ChatChunk]:
        self._ended = True
        chunks: list[ChatChunk | None] = []
        if self._translator.done:
            with contextlib.suppress(*connection.FAILURES):
                async with asyncio.timeout(_END_OF_BODY_SECONDS):
                    while await self._response.content.readany():
                        pass
        elif self._rest.startswith(b"data:"):
            # The last line has no line end. If it is only half a line, `finish` tells that the answer was cut.
            with contextlib.suppress(UpstreamBadAnswer):
                chunks.append(self._translator.event(self._rest[5:]))
        chunks.append(self._translator.finish())
        return [chunk for chunk in chunks if chunk is not None]

    def _bad(self, what: str) -> UpstreamBadAnswer:
        return UpstreamBadAnswer(f"{failures.name(self._upstream)} {what}")
