"""A model server that says what a script tells it to. Real HTTP and real event streams, so that nothing is skipped."""

import asyncio
import base64
import functools
import hashlib
import math
import re
import struct
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType, TracebackType
from typing import Any, NoReturn, Self

import msgspec
from aiohttp import web
from msgspec import Struct
from msgspec.structs import replace
from multidict import CIMultiDictProxy

from treadle.upstream.scripted import turns
from treadle.upstream.scripted.turns import Cut, Fail, Hang, InvalidJson, Json, Script, Turn

_DIMENSIONS = 64
_MAX_BODY_BYTES = 64 * 1024 * 1024
_WORD = re.compile(r"\w+")
_EVENT_STREAM = {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache"}


class Received(Struct, kw_only=True):
    """A request as it came. `dropped` is set when the client hung up before it had its answer, `done` when it had it.

    Requests with the same `client_port` came over the same connection.
    """

    path: str
    query: str
    client_port: int
    headers: CIMultiDictProxy[str]
    content: bytes
    dropped: asyncio.Event
    done: asyncio.Event

    @property
    def body(self) -> Json:
        decoded: Json = msgspec.json.decode(self.content)
        return decoded


class Steady(Struct, frozen=True, kw_only=True):
    """For load tests: every stream is `tokens` equal chunks, one each `interval_seconds`."""

    tokens: int
    interval_seconds: float


class ScriptedUpstream:
    """Use it as an async context manager; meanwhile it listens at `base_url`. `requests` holds what came, in order.

    A turn is chosen by `choose` when given, else by the rounds of the request's model or of all models, else the next
    of the script's turns and of what `will_say` added. A request with no turn left is answered 400. With `steady`
    nothing is chosen or recorded.
    """

    def __init__(
        self,
        *script: Turn,
        rounds: Iterable[Iterable[Turn]] = (),
        rounds_of: Mapping[str, Iterable[Iterable[Turn]]] = MappingProxyType({}),
        choose: Callable[[Received], Turn] | None = None,
        steady: Steady | None = None,
        models: Iterable[str] = ("scripted",),
        api_key: str | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.requests: list[Received] = []
        self._turns = deque(script)
        self._rounds = _kept(rounds)
        self._rounds_of = {model: _kept(its_rounds) for model, its_rounds in rounds_of.items()}
        self._choose, self._steady = choose, steady
        self._models, self._api_key = (*models, *self._rounds_of), api_key
        self._host, self._port, self._clock = host, port, clock
        self._asked: Counter[bytes] = Counter()
        self._arrived = asyncio.Condition()
        self._runner: web.AppRunner

    @classmethod
    def of(cls, script: Script, **options: Any) -> Self:
        """From a script file. `options` are the constructor's; Any: they are of many types."""
        return cls(*script.turns, rounds=script.rounds, rounds_of=script.rounds_of, **options)

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=_MAX_BODY_BYTES, middlewares=[self._guard])
        app.router.add_get("/v1/models", self._list_models)
        steady = self._steady and functools.partial(_stream_steadily, self._steady)
        app.router.add_post("/v1/chat/completions", steady or self._create_completion)
        app.router.add_post("/v1/embeddings", self._create_embeddings)
        # A client that hangs up cancels its handler: that is how `dropped` is known, and what a model server does.
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port, backlog=1024).start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    @property
    def base_url(self) -> str:
        return f"http://{self._host}:{self._port}/v1"

    def will_say(self, *turns: Turn) -> None:
        """Add turns, one per request."""
        self._turns.extend(turns)

    async def request(self, index: int) -> Received:
        """The request number `index`, counted from 0; waits until it has come."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: len(self.requests) > index)
        return self.requests[index]

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        # Any: aiohttp's own type for handlers is not public.
        if self._api_key is not None and request.headers.get("Authorization") != f"Bearer {self._api_key}":
            return _error(401, "Incorrect API key provided.", "invalid_api_key")
        response: web.StreamResponse = await handler(request)
        return response

    async def _list_models(self, request: web.Request) -> web.Response:
        await self._receive(request)
        data = [{"id": name, "object": "model", "created": 0, "owned_by": "scripted"} for name in self._models]
        return _json({"object": "list", "data": data})

    async def _create_completion(self, request: web.Request) -> web.StreamResponse:
        received = await self._receive(request)
        try:
            response = await self._say(request, received)
        except (asyncio.CancelledError, ConnectionError):
            received.dropped.set()
            raise
        received.done.set()
        return response

    async def _say(self, request: web.Request, received: Received) -> web.StreamResponse:
        body = received.body
        turn = self._next_turn(received, body)
        if turn is None:
            return _error(400, "The script has no turn left for this request.", "script_exhausted")
        turn = replace(turn, calls=tuple(self._with_ids(turn)))
        await asyncio.sleep(turn.first_delay_seconds)
        if isinstance(turn.fault, Fail):
            return web.Response(status=turn.fault.status, headers=_typed(turn.fault), body=turn.fault.body.encode())
        if isinstance(turn.fault, Hang) and not turn.fault.after_chunks:
            await _forever()
        streamed = bool(body.get("stream")) and not turn.plain
        head = {
            "id": f"chatcmpl-{len(self.requests)}",
            "object": "chat.completion.chunk" if streamed else "chat.completion",
            "created": int(self._clock()),
            "model": body.get("model"),
        }
        usage = turn.usage or _counted(turn, received.content)
        if not streamed:
            return await _write_whole(request, turn, msgspec.json.encode(turns.completion(turn, head, usage)))
        told = usage if (body.get("stream_options") or {}).get("include_usage") else None
        return await _write_events(request, turn, [_event(chunk) for chunk in turns.chunks(turn, head, told)])

    def _next_turn(self, received: Received, body: Json) -> Turn | None:
        if self._choose is not None:
            return self._choose(received)
        rounds = self._rounds_of.get(body.get("model", ""), self._rounds)
        if not rounds:
            return self._turns.popleft() if self._turns else None
        variants = rounds[min(_tool_rounds(body), len(rounds) - 1)]
        prompt = hashlib.sha256(msgspec.json.encode(body.get("messages"))).digest()
        self._asked[prompt] += 1
        return variants[min(self._asked[prompt], len(variants)) - 1] if variants else None

    def _with_ids(self, turn: Turn) -> Iterable[turns.Call]:
        for index, call in enumerate(turn.calls):
            yield call if call.id is not None else replace(call, id=f"call_{len(self.requests)}_{index}")

    async def _create_embeddings(self, request: web.Request) -> web.Response:
        body = (await self._receive(request)).body
        inputs = [body["input"]] if isinstance(body["input"], str) else body["input"]
        data = []
        for index, text in enumerate(inputs):
            vector: list[float] | str = _embedding(str(text), body.get("dimensions") or _DIMENSIONS)
            if body.get("encoding_format") == "base64":
                vector = base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
            data.append({"object": "embedding", "index": index, "embedding": vector})
        tokens = sum(len(_WORD.findall(str(text))) for text in inputs)
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return _json({"object": "list", "model": body.get("model"), "data": data, "usage": usage})

    async def _receive(self, request: web.Request) -> Received:
        received = Received(
            path=request.path,
            query=request.query_string,
            client_port=0 if request.transport is None else request.transport.get_extra_info("peername")[1],
            headers=request.headers,
            content=await request.read(),
            dropped=asyncio.Event(),
            done=asyncio.Event(),
        )
        async with self._arrived:
            self.requests.append(received)
            self._arrived.notify_all()
        return received


def _kept(rounds: Iterable[Iterable[Turn]]) -> tuple[tuple[Turn, ...], ...]:
    return tuple(tuple(variants) for variants in rounds)


async def _stream_steadily(steady: Steady, request: web.Request) -> web.StreamResponse:
    await request.read()
    response = web.StreamResponse(headers=_EVENT_STREAM)
    await response.prepare(request)
    now = asyncio.get_running_loop().time
    due = now()
    for _ in range(steady.tokens):
        await response.write(_STEADY_EVENT)
        # Due times are added up, so that a late chunk does not delay the ones after it.
        due += steady.interval_seconds
        if (pause := due - now()) > 0:
            await asyncio.sleep(pause)
    await response.write(_STEADY_END)
    return response


async def _write_events(request: web.Request, turn: Turn, events: list[bytes]) -> web.StreamResponse:
    response = web.StreamResponse(headers=_EVENT_STREAM)
    await response.prepare(request)
    for index, event in enumerate([*events, b"data: [DONE]\n\n"]):
        if index and turn.delay_seconds:
            await asyncio.sleep(turn.delay_seconds)
        if turn.fault is not None and not isinstance(turn.fault, Fail) and index == turn.fault.after_chunks:
            match turn.fault:
                case Hang():
                    await _forever()
                case Cut(inside=inside):
                    if inside:
                        await response.write(event[: len(event) // 2])
                    _hang_up(request)
                    return response
                case InvalidJson():
                    await response.write(b'data: {"choices": [\n\n')
        await response.write(event)
    return response


async def _write_whole(request: web.Request, turn: Turn, body: bytes) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(len(body))})
    await response.prepare(request)
    match turn.fault:
        case Hang():
            await _forever()
        case Cut():
            await response.write(body[: len(body) // 2])
            _hang_up(request)
        case InvalidJson():
            await response.write(b"{" * len(body))
        case _:
            await response.write(body)
    return response


async def _forever() -> NoReturn:
    """Until the client hangs up, which cancels us."""
    await asyncio.Event().wait()
    raise AssertionError("nobody sets it")


def _hang_up(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.close()


def _tool_rounds(body: Json) -> int:
    """Assistant messages with tool calls since the last user message: how far this run has come."""
    rounds = 0
    for message in body.get("messages") or ():
        if message.get("role") == "user":
            rounds = 0
        rounds += bool(message.get("tool_calls"))
    return rounds


def _counted(turn: Turn, prompt: bytes) -> Json:
    """Not what a tokenizer says, but the same each time."""
    said = turn.text + turn.refusal + "".join(call.name + call.text for call in turn.calls)
    prompt_tokens, completion_tokens = len(_WORD.findall(prompt.decode())), len(_WORD.findall(said))
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }


def _embedding(text: str, dimensions: int) -> list[float]:
    """Each word adds to one place of the vector, so that texts with words in common are near each other. Length 1."""
    vector = [0.0] * dimensions
    for word in _WORD.findall(text.lower()) or [""]:
        vector[int.from_bytes(hashlib.sha256(word.encode()).digest()[:8]) % dimensions] += 1.0
    length = math.hypot(*vector)
    return [value / length for value in vector]


def _typed(fault: Fail) -> dict[str, str]:
    return {"Content-Type": "application/json", **fault.headers}


def _error(status: int, message: str, code: str) -> web.Response:
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    return _json({"error": error}, status)


def _json(value: Json, status: int = 200) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(value), content_type="application/json")


def _event(value: Json) -> bytes:
    return b"data: " + msgspec.json.encode(value) + b"\n\n"


_STEADY_HEAD: Json = {"id": "chatcmpl-steady", "object": "chat.completion.chunk", "created": 0, "model": "scripted"}
_STEADY_EVENT = _event({**_STEADY_HEAD, "choices": [{"index": 0, "delta": {"content": "token "}}]})
_STEADY_END = (
    _event({**_STEADY_HEAD, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}) + b"data: [DONE]\n\n"
)
