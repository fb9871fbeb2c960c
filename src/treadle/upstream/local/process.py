"""The embedded model as an upstream: its process, started when first needed and again when it dies, and its answers."""

import asyncio
import contextlib
import importlib.util
import os
import sys
from collections import deque
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
from msgspec import Struct

from treadle.upstream import connection
from treadle.upstream.chat import Attempt, ChatChunk, ChatRequest
from treadle.upstream.errors import UpstreamUnavailable
from treadle.upstream.local import tools
from treadle.upstream.models import ModelSettings, Route, UpstreamSettings
from treadle.upstream.stream import stream

CONTEXT_TOKENS = 4096
# More than two requests at once wait for their turn in the model's process.
_FIRST_TOKEN_TIMEOUT_SECONDS = 600.0
_STOP_TIMEOUT_SECONDS = 5.0
# By its path: as a module it would first import this whole package, for 0.15 s and 40 MB.
_CHILD = Path(__file__).with_name("child.py")


class LocalModel:
    """One model in one child process. Use it as an async context manager; it then also owns the HTTP session to it.

    The child starts with the first request, or on entering when `eager`. Whoever asks after it died starts another,
    unless it died `deaths_max` times in the last `deaths_period_seconds`. `clock` gives seconds. `threads` None is half
    the cores: with all of them the model becomes many times slower as soon as anything else runs.
    """

    def __init__(
        self,
        model: Path,
        *,
        clock: Callable[[], float],
        eager: bool = False,
        threads: int | None = None,
        context_tokens: int = CONTEXT_TOKENS,
        start_timeout_seconds: float = 60.0,
        deaths_max: int = 3,
        deaths_period_seconds: float = 60.0,
    ) -> None:
        self.model, self.context_tokens = model, context_tokens
        self._clock, self._eager = clock, eager
        self._threads = threads or max(1, (os.cpu_count() or 1) // 2)
        self._start_timeout_seconds = start_timeout_seconds
        self._deaths: deque[float] = deque(maxlen=deaths_max)
        self._deaths_period_seconds = deaths_period_seconds
        self._starting = asyncio.Lock()
        self._child: asyncio.subprocess.Process | None = None
        self._settings: UpstreamSettings  # of the child that was started last

    async def __aenter__(self) -> Self:
        self._session = connection.new_session()
        if self._eager:
            try:
                await self.settings()
            except BaseException:
                await self._session.close()
                raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._session.close()
        if self._child is not None:
            await _stop(self._child)

    @property
    def pid(self) -> int | None:
        """The child's process id while it runs."""
        return None if self._child is None or self._child.returncode is not None else self._child.pid

    async def settings(self) -> UpstreamSettings:
        """Where the model listens; starts it when it does not run. Raises UpstreamUnavailable when it cannot."""
        async with self._starting:
            if self.pid is None:
                self._refuse_to_loop()
                self._child, self._settings = await self._start()
            return self._settings

    async def stream_chat(
        self, request: ChatRequest, attempts: list[Attempt] | None = None
    ) -> AsyncGenerator[list[ChatChunk], None]:
        """As `stream.stream`, with tool calls as `tools` explains. A tool call comes without an id."""
        plan = tools.plan(request)
        route = Route(
            upstream=await self.settings(), model=self.model.stem, settings=ModelSettings(extra_body=plan.extra_body)
        )
        answer = stream(self._session, route, plan.request, clock=self._clock, attempts=attempts)
        async with contextlib.aclosing(answer):
            async for chunks in answer:
                told = chunks if plan.calls is None else plan.calls.read(chunks)
                if told:
                    yield told

    def _refuse_to_loop(self) -> None:
        now = self._clock()
        if self._child is not None:
            self._deaths.append(now)
            self._child = None
        if len(self._deaths) == self._deaths.maxlen and now - self._deaths[0] < self._deaths_period_seconds:
            raise UpstreamUnavailable(
                f"The embedded model stopped {len(self._deaths)} times within {self._deaths_period_seconds:g} s, so it "
                "is left alone for a while. The server's log has its last words."
            )

    async def _start(self) -> tuple[asyncio.subprocess.Process, UpstreamSettings]:
        if importlib.util.find_spec("xllamacpp") is None:
            raise UpstreamUnavailable("The embedded model needs its runtime: pip install 'treadle[local]'")
        options = ("--model", self.model, "--threads", str(self._threads), "--context", str(self.context_tokens))
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", _CHILD, *options),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            # Ctrl-C goes to a terminal's whole group, and runs that drain still need the model.
            start_new_session=True,
        )
        try:
            return child, await self._greeting(child)
        except BaseException as error:
            if isinstance(error, UpstreamUnavailable):
                self._deaths.append(self._clock())
            await _stop(child)
            raise

    async def _greeting(self, child: asyncio.subprocess.Process) -> UpstreamSettings:
        assert child.stdout is not None  # noqa: S101 - for the type checker: it is a pipe
        try:
            async with asyncio.timeout(self._start_timeout_seconds):
                line = await child.stdout.readline()
        except TimeoutError:
            raise UpstreamUnavailable(
                f"The embedded model was not ready within {self._start_timeout_seconds:g} s."
            ) from None
        greeting = msgspec.json.decode(line, type=_Greeting) if line else _Greeting(error="it ended without a word")
        if greeting.error is not None:
            raise UpstreamUnavailable(f"The embedded model {self.model} did not start: {greeting.error}")
        return UpstreamSettings(
            name="embedded",
            base_url=greeting.base_url,
            api_key=greeting.api_key,
            # The runtime promises to keep a connection after a stream, and closes it: the next request would fail.
            headers={"Connection": "close"},
            first_token_timeout_seconds=_FIRST_TOKEN_TIMEOUT_SECONDS,
            tries=1,
        )


class _Greeting(Struct):
    base_url: str = ""
    api_key: str | None = None
    error: str | None = None


async def _stop(child: asyncio.subprocess.Process) -> None:
    """End the child by closing its standard input; one that does not listen is killed."""
    assert child.stdin is not None  # noqa: S101 - for the type checker: it is a pipe
    child.stdin.close()
    try:
        async with asyncio.timeout(_STOP_TIMEOUT_SECONDS):
            await child.wait()
    except TimeoutError:
        pass
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
