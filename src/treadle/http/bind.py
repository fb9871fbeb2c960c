"""Request -> typed arguments -> handler -> JSON, events or error. Every operation goes through here.

The order of checks is fixed (O-1): key, route, method, beta header, content type, JSON, schema, ids in the path; then
the handler looks for what the request names.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any, Final, NamedTuple, cast

import msgspec
import structlog

from treadle import store
from treadle.contract.errors import ApiError, InvalidRequest, ServerFault, TooLarge, Unavailable
from treadle.contract.fields import Body
from treadle.contract.ids import Kind
from treadle.contract.operations import Operation
from treadle.contract.validation import check_id, decode_body, decode_query
from treadle.engine.engine import Engine
from treadle.http import sse
from treadle.http.auth import ORGANIZATION, Authenticator
from treadle.http.context import Answer, Context, EventStream, ModelServers, StreamedAnswer
from treadle.http.router import Router
from treadle.http.sse import Message, Receive, Send
from treadle.upstream.errors import UpstreamError

log = structlog.get_logger(__name__)

Scope = MutableMapping[str, Any]
# Any: a handler's arguments follow from its row of the table, its result from its operation.
Handler = Callable[..., Awaitable[Any]]

PREFIX: Final = b"/v1"
MAX_BODY_BYTES: Final = 32 * 1024 * 1024  # E-18
# How much of a refused body is read and thrown away, so that the client gets to read the answer.
MAX_DRAINED_BYTES: Final = 64 * 1024 * 1024

_FIXED_HEADERS: Final = [
    (b"openai-version", b"2020-10-01"),
    (b"openai-organization", ORGANIZATION.encode()),
]
_JSON: Final = (b"content-type", b"application/json")
_encode = msgspec.json.Encoder().encode


class Bound(NamedTuple):
    """An operation with its handler, and what to know of it at each request. `raw_body` hands the body on unread."""

    operation: Operation
    handler: Handler
    path_kinds: Sequence[tuple[str, Kind | None]]
    needs_beta: bool
    raw_body: bool


def bound(operation: Operation, handler: Handler, *, raw_body: bool = False) -> Bound:
    return Bound(operation, handler, tuple(operation.path_kinds.items()), operation.needs_beta, raw_body)


class Api:
    """Answers every request below /v1. `require_beta` false lets the beta header be left out (H-4)."""

    def __init__(
        self,
        bindings: Sequence[Bound],
        engine: Engine,
        model_servers: ModelServers,
        authenticator: Authenticator,
        *,
        require_beta: bool = True,
        log_requests: bool = False,
    ) -> None:
        self._router = Router((bound.operation.method, bound.operation.path, bound) for bound in bindings)
        self._engine, self._model_servers, self._authenticator = engine, model_servers, authenticator
        self._require_beta, self._log_requests = require_beta, log_requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter_ns()
        headers: dict[bytes, bytes] = dict(scope["headers"])
        request = _Incoming(scope, headers, receive, request_id=f"req_{os.urandom(16).hex()}")
        outgoing = _Outgoing(send, receive, request.request_id, started)
        try:
            result = await self._result(request)
            await outgoing.send_result(result)
        except ClientGone:
            log.debug("client gone", request_id=request.request_id)
        except ApiError as error:
            await _refuse(request, outgoing, error)
        except store.DatabaseUnavailable as error:
            log.warning("database unavailable", request_id=request.request_id, error=str(error))
            await _refuse(request, outgoing, _away(error))
        except UpstreamError as error:
            # Its answer was under way, so all that can be done is to cut ours too.
            log.warning("model server failed", request_id=request.request_id, error=str(error))
        except Exception as error:
            log.exception("request failed by a fault of ours", request_id=request.request_id, exc_info=error)
            # It may have been carried out: a client must not send it again by itself (H-24).
            await _refuse(request, outgoing, ServerFault.unexpected(retry=False))
        if self._log_requests:
            request.log(outgoing)

    async def stop_work(self) -> None:
        """Let running turns end, or give them back; whoever reads of them is told."""
        await self._engine.worker.close()

    async def _result(self, request: "_Incoming") -> Any:
        project_id = await self._authenticator.project(request.headers)
        bound, path = self._router.match(
            request.scope["method"], request.raw_path[len(PREFIX) :], shown=request.scope["path"]
        )
        if bound.needs_beta and self._require_beta:
            _require_beta(request.headers.get(b"openai-beta"))
        operation = bound.operation
        arguments: list[Any] = list(path)
        body = await request.body(bound) if operation.body is not None else None
        if operation.query is not None:
            query = decode_query(operation.query, request.scope["query_string"])
            arguments.append(query)
        if operation.body is not None:
            arguments.append(body)
        for (name, kind), value in zip(bound.path_kinds, path, strict=True):
            if kind is not None:
                check_id(kind, value, name)
        context = Context(self._engine, self._model_servers, project_id, request.request_id, request.headers)
        if bound.raw_body:
            async with while_connected(request.receive):
                return await bound.handler(context, *arguments)
        return await bound.handler(context, *arguments)


RETRY_SOON: Final = {"retry-after": "1"}


def _away(error: store.DatabaseUnavailable) -> Unavailable:
    """What may have been carried out must not be sent again by a client that does not look first (H-24)."""
    if error.unknown:
        message = "The database was lost while this was written. It may have been carried out: look before you retry."
        return Unavailable(message, headers={"x-should-retry": "false"})
    return Unavailable("The database is not available at the moment.", headers=RETRY_SOON)


async def _refuse(request: "_Incoming", outgoing: "_Outgoing", error: ApiError) -> None:
    if not await request.drain():
        error.headers["connection"] = "close"
    await outgoing.send_error(error)


class ClientGone(Exception):
    """Nobody is there to read the answer."""


@contextlib.asynccontextmanager
async def while_connected(receive: Receive) -> AsyncIterator[None]:
    """Break the block off when the client goes away, so that no model server works for nobody. Raises ClientGone."""
    gone = asyncio.ensure_future(receive())
    try:
        async with asyncio.timeout(None) as limit:

            def stop(gone: asyncio.Future[Message]) -> None:
                if not gone.cancelled() and gone.result()["type"] == "http.disconnect":
                    limit.reschedule(0)

            gone.add_done_callback(stop)
            yield
    except TimeoutError:
        if limit.expired():
            raise ClientGone from None
        raise
    finally:
        gone.cancel()


class _Incoming:
    """What was asked, and the body as far as it was read."""

    def __init__(self, scope: Scope, headers: dict[bytes, bytes], receive: Receive, *, request_id: str) -> None:
        self.scope, self.headers, self.request_id = scope, headers, request_id
        self.raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
        self.receive = receive
        self._has_body = headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers
        self._all_read = not self._has_body
        self._awaits_our_word = headers.get(b"expect", b"").lower() == b"100-continue"

    async def body(self, bound: Bound) -> Any:
        """The decoded body, or its bytes for a handler that hands them on. Raises ApiError (E-15 to E-18, E-20)."""
        operation = bound.operation
        if self._has_body:
            _require_content_type(self.headers.get(b"content-type"), operation.media_type)
        raw = await self._read()
        if bound.raw_body:
            return raw
        if not raw and operation.body_required:
            raise InvalidRequest.not_json()
        # Bodies that are decoded here are ours; those of other APIs are passed through unread.
        return decode_body(cast("type[Body]", operation.body), raw)

    async def drain(self) -> bool:
        """Read what is left of a refused body and throw it away, within bounds. False when some of it was not read.

        Who waits for our word to send it is not told to.
        """
        left = 0 if self._awaits_our_word else MAX_DRAINED_BYTES
        while not self._all_read and left > 0:
            message = await self.receive()
            if message["type"] != "http.request":
                break
            left -= len(message.get("body", b""))
            self._all_read = not message.get("more_body", False)
        return self._all_read

    def log(self, outgoing: "_Outgoing") -> None:
        stainless = {
            name.decode(): value.decode("latin-1")
            for name, value in self.headers.items()
            if name.startswith(b"x-stainless-")  # H-6
        }
        log.debug(
            "request",
            request_id=self.request_id,
            method=self.scope["method"],
            path=self.scope["path"],
            status=outgoing.status,
            milliseconds=outgoing.milliseconds(),
            **stainless,
        )

    async def _read(self) -> bytes:
        if not self._has_body:
            return b""
        pieces: list[bytes] = []
        size = 0
        self._awaits_our_word = False  # to receive is to say it
        while True:
            message = await self.receive()
            if message["type"] != "http.request":
                raise InvalidRequest.not_json()  # the client has gone; nobody will read this
            piece: bytes = message.get("body", b"")
            size += len(piece)
            if size > MAX_BODY_BYTES:
                self._all_read = not message.get("more_body", False)
                raise TooLarge.body()
            pieces.append(piece)
            if not message.get("more_body", False):
                self._all_read = True
                return pieces[0] if len(pieces) == 1 else b"".join(pieces)


class _Outgoing:
    """The answer, with the headers that every answer has (H-20)."""

    def __init__(self, send: Send, receive: Receive, request_id: str, started: int) -> None:
        self._send, self._receive = send, receive
        self._request_id, self._started = request_id, started
        self.status = 0

    def milliseconds(self) -> int:
        return (time.perf_counter_ns() - self._started) // 1_000_000

    async def send_result(self, result: Any) -> None:
        match result:
            case bytes():
                await self._send_json(200, result)
            case Answer(body=body, headers=headers):
                await self._send_json(200, body if isinstance(body, bytes) else _encode(body), headers)
            case EventStream(reader=reader):
                self.status = 200
                await sse.send_events(reader, self._headers(), self._receive, self._send)
            case msgspec.Struct():
                await self._send_json(200, _encode(result))
            case _:
                await self._pass_through(result)

    async def send_error(self, error: ApiError) -> None:
        if self.status:
            return  # too late: the answer has begun
        await self._send_json(error.http_status, _encode(error.envelope()), error.headers)

    async def _send_json(self, status: int, body: bytes, extra: Mapping[str, str] | None = None) -> None:
        self.status = status
        headers = self._headers()
        headers.append(_JSON)
        headers.append((b"content-length", b"%d" % len(body)))
        if extra:
            headers += [(name.lower().encode(), value.encode("latin-1")) for name, value in extra.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})

    async def _pass_through(self, answer: StreamedAnswer) -> None:
        """A model server's answer: status, the headers that may pass, and the body as it comes (MD-4)."""
        self.status = answer.status
        headers = self._headers() + [
            (name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers.items()
        ]
        try:
            await self._send({"type": "http.response.start", "status": answer.status, "headers": headers})
            async with while_connected(self._receive):
                async for piece in answer:
                    await self._send({"type": "http.response.body", "body": piece, "more_body": True})
        finally:
            answer.close()
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    def _headers(self) -> list[tuple[bytes, bytes]]:
        return [
            (b"x-request-id", self._request_id.encode()),
            (b"openai-processing-ms", b"%d" % self.milliseconds()),
            *_FIXED_HEADERS,
        ]


def _require_beta(header: bytes | None) -> None:
    """H-2 and H-4: a comma list of name=value that must have assistants=v2."""
    if header == b"assistants=v2":
        return
    items = [item.strip() for item in (header or b"").split(b",")]
    if b"assistants=v2" not in items:
        raise InvalidRequest.beta_header_missing()


def _require_content_type(header: bytes | None, accepted: str) -> None:
    """E-17. A body that does not say what it is, is taken for what it has to be."""
    if header is None or header == b"application/json":
        return
    sent = header.decode("latin-1")
    if sent.partition(";")[0].strip().lower() != accepted:
        raise InvalidRequest.unsupported_content_type(sent, accepted)
