"""Streams of typed events: what `stream=True` and streamRun return. Contract: docs/behaviour.md, section 7."""

from collections.abc import AsyncIterator, Callable, Iterator
from functools import cache
from types import TracebackType
from typing import Final, Generic, Self, TypeAlias, TypeVar

import httpx2
import msgspec
from httpx2 import ServerSentEvent
from msgspec import Struct

from treadle.client import failures
from treadle.client.failures import ConnectionFailed
from treadle.contract.events import DATA, DONE_DATA, EventName, MessageDelta, RunStepDelta
from treadle.contract.messages import Message
from treadle.contract.run_steps import RunStep
from treadle.contract.runs import Run
from treadle.contract.threads import Thread

T = TypeVar("T")
EventData: TypeAlias = Thread | Run | RunStep | RunStepDelta | Message | MessageDelta
Reader: TypeAlias = Callable[[ServerSentEvent], T | None]

# A message of 256,000 characters with its annotations fits; what does not is no event of this API.
MAX_EVENT_BYTES: Final = 64 * 1024 * 1024
_ENDED_EARLY: Final = "The stream broke off before its last event."


class Event(Struct, frozen=True, kw_only=True):
    """One event of a run. `id` is what streamRun takes as `last_event_id`; None from servers that send no ids."""

    name: EventName
    data: EventData
    id: str | None = None


class Stream(Generic[T]):
    """Events, or chunks of a chat completion, as they come. Read it once; closing it hangs up, the run goes on (W-9).

    Iterating raises an ApiError when the server sends an error event (W-8), and ConnectionFailed when the stream breaks
    off.
    """

    def __init__(self, response: httpx2.Response, reader: Reader[T]) -> None:
        self._response = response
        self._items = _items(response, reader)

    def __iter__(self) -> Iterator[T]:
        return self._items

    def __next__(self) -> T:
        return next(self._items)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._response.close()


class AsyncStream(Generic[T]):
    """As Stream, to be read with `async for`."""

    def __init__(self, response: httpx2.Response, reader: Reader[T]) -> None:
        self._response = response
        self._items = _async_items(response, reader)

    def __aiter__(self) -> AsyncIterator[T]:
        return self._items

    async def __anext__(self) -> T:
        return await anext(self._items)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._response.aclose()


def read_event(sent: ServerSentEvent) -> Event | None:
    """A run's event; None for one that this version does not know. Raises the error of an error event."""
    try:
        name = EventName(sent.event)
    except ValueError:
        return None
    if name is EventName.ERROR:
        raise failures.of_event(sent.data)
    data = _decoded(sent.data, DATA[name])
    return Event(name=name, data=data, id=sent.id or None)  # type: ignore[arg-type]  # DATA has the members of EventData


@cache
def chunk_reader(type_: type[Struct]) -> Reader[Struct]:
    """Reads the `data:` lines of a streamed chat completion."""

    def read(sent: ServerSentEvent) -> Struct:
        return _decoded(sent.data, type_)

    return read


def _items(response: httpx2.Response, reader: Reader[T]) -> Iterator[T]:
    try:
        done = False
        # To the end of the body, not only to [DONE]: then the connection can be used again.
        for sent in httpx2.EventSource(response, MAX_EVENT_BYTES):
            done = done or sent.data == DONE_DATA
            if not done and (item := reader(sent)) is not None:
                yield item
    except (httpx2.TransportError, httpx2.StreamError) as error:
        raise ConnectionFailed(f"{_ENDED_EARLY} ({error})") from error
    finally:
        response.close()
    if not done:
        raise ConnectionFailed(_ENDED_EARLY)


async def _async_items(response: httpx2.Response, reader: Reader[T]) -> AsyncIterator[T]:
    try:
        done = False
        async for sent in httpx2.EventSource(response, MAX_EVENT_BYTES):
            done = done or sent.data == DONE_DATA
            if not done and (item := reader(sent)) is not None:
                yield item
    except (httpx2.TransportError, httpx2.StreamError) as error:
        raise ConnectionFailed(f"{_ENDED_EARLY} ({error})") from error
    finally:
        await response.aclose()
    if not done:
        raise ConnectionFailed(_ENDED_EARLY)


def _decoded(text: str, type_: type[Struct]) -> Struct:
    try:
        return msgspec.json.decode(text, type=type_)
    except msgspec.MsgspecError:
        # A model server behind a passed-through stream says what went wrong without an event name.
        raise failures.of_event(text) from None
