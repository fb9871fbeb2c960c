"""A run's feed: its events in this process, for any number of readers. Contract: docs/behaviour.md, rules W-1 to W-10.

Rows first, then events: whoever publishes here has made the state durable before.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from enum import Enum, auto
from typing import Final, NamedTuple, Protocol, TypeAlias

from msgspec import json

from treadle.contract.errors import Unavailable
from treadle.contract.events import DONE_DATA, RUN_EVENTS, ErrorEvent, EventName
from treadle.contract.runs import ACTIVE, Run, RunStatus

# A reader that returns is served from here; one that is further behind gets a snapshot (W-9).
BUFFERED_EVENTS: Final = 4096
BUFFERED_BYTES: Final = 16 * 1024 * 1024
KEPT_AFTER_END_SECONDS: Final = 60.0
# Of the runs that are over; at a thousand of them a second a minute would be a gigabyte.
MAX_KEPT_AFTER_END: Final = 2_000
KEEP_ALIVE_SECONDS: Final = 15.0  # W-5

KEEP_ALIVE: Final = b": keep-alive\n\n"
DONE: Final = f"event: done\ndata: {DONE_DATA}\n\n".encode()

# Where the ids of a worker's events begin: above all ids of the workers before it (W-9).
_IDS_PER_FENCE: Final = 2**32
_ENDS_RUN: Final = frozenset(RUN_EVENTS[status] for status in RunStatus if status not in ACTIVE)
_ENDS_LEG: Final = _ENDS_RUN | {EventName.RUN_REQUIRES_ACTION}  # W-10, W-20

Snapshot = Callable[[], Sequence[bytes]]
_encode = json.Encoder().encode


def event(name: EventName, data: object) -> bytes:
    """One event as it goes over the wire (W-2). `data` is a contract object."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), _encode(data))


class Feed:
    """The events of one run, numbered; across legs, until a minute after the run's end.

    `fence` is that of the run's row when the feed last was up to date: a row with another one was moved elsewhere.
    `live` gives the events that show the unfinished step and message of the turn being taken, with all their content
    so far; None while no turn is being taken.
    """

    def __init__(self, fence: int, *, keep_alive_seconds: float = KEEP_ALIVE_SECONDS) -> None:
        self.keep_alive_seconds = keep_alive_seconds
        self.fence = fence - 1
        self.first_id = fence * _IDS_PER_FENCE + 1
        self.live: Snapshot | None = None
        self.run_event: bytes | None = None
        self.ended = False
        self.stopped = False  # the server stops: nothing comes any more, though the run has not ended
        self.moved = False  # another process has the run, and its feed
        self.on_leg_end: Callable[[], None] | None = None
        self._events: list[bytes] = []
        self._dropped = 0
        self._bytes_since = 0  # how much was published since something was dropped
        self._leg_ends: list[int] = []
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def position(self) -> int:
        """Where the next event will stand."""
        return self._dropped + len(self._events)

    @property
    def last_id(self) -> int:
        return self.first_id + self.position - 1

    def publish(self, name: EventName, data: object) -> None:
        """Tell all readers. Nothing follows the run's end, also when a worker learns late that it has come."""
        if not self.ended:
            self._append(event(name, data))

    def publish_run(self, name: EventName, run: Run) -> None:
        """Tell all readers of the run's own state; some states end the leg, and so their streams."""
        self.run_event = event(name, run)
        if name in _ENDS_LEG:
            self._leg_ends.append(self.position)
            self.live = None
        self._append(self.run_event)
        self.ended = self.ended or name in _ENDS_RUN
        if name in _ENDS_LEG and self.on_leg_end:
            self.on_leg_end()

    @property
    def leg_has_ended(self) -> bool:
        """Nothing came after the last event that ended a leg."""
        return bool(self._leg_ends) and self._leg_ends[-1] == self.position - 1

    @property
    def is_whole(self) -> bool:
        """Nothing was dropped since it was opened."""
        return self._dropped == 0

    def read(self, *, with_ids: bool, first: Sequence[bytes] = (), at_end: bool = False) -> "Reader":
        """A reader of what comes from now on, after the events in `first`; `at_end` for nothing more in this leg."""
        return Reader(self, self.position, with_ids=with_ids, first=first, at_end=at_end)

    def read_all(self) -> "Reader":
        """A reader of everything that is held."""
        return Reader(self, self._dropped, with_ids=True)

    def read_after(self, event_id: int) -> "Reader | None":
        """A reader of what came after `event_id`, or None when that is no longer, or not yet, held.

        Whoever has seen the last event of a leg that nothing follows is told that the stream is done.
        """
        position = event_id - self.first_id + 1
        if not self._dropped <= position <= self.position:
            return None
        at_end = position == self.position and self.leg_has_ended
        return Reader(self, position, with_ids=True, at_end=at_end)

    def take(self, start: int) -> tuple[list[bytes], bool]:
        """(events from `start`, whether they end the leg). Raises FellBehind when `start` is no longer held."""
        if start < self._dropped:
            raise FellBehind
        stop = next((end + 1 for end in self._leg_ends if end >= start), None)
        events = self._events[start - self._dropped : None if stop is None else stop - self._dropped]
        return events, stop is not None

    def stop(self) -> None:
        """Send all readers away, once they have what was published."""
        self.stopped = True
        self._wake()

    def move(self) -> None:
        """Send all readers to the process that has the run now."""
        self.moved = True
        self._wake()

    def wait(self, waiter: "asyncio.Future[None]") -> None:
        """Resolve `waiter` at the next event."""
        self._waiting.append(waiter)

    def _append(self, data: bytes) -> None:
        self._events.append(data)
        self._bytes_since += len(data)
        if len(self._events) >= 2 * BUFFERED_EVENTS or self._bytes_since >= BUFFERED_BYTES:
            self._drop_old()
        if self._waiting:
            self._wake()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            _resolve(waiter)

    def _drop_old(self) -> None:
        """Keep the newest BUFFERED_EVENTS, or so many of them that they are BUFFERED_BYTES."""
        kept = size = 0
        while kept < min(BUFFERED_EVENTS, len(self._events)) and size < BUFFERED_BYTES:
            kept += 1
            size += len(self._events[-kept])
        old = len(self._events) - kept
        del self._events[:old]
        self._dropped += old
        self._bytes_since = 0


class FellBehind(Exception):
    """A reader was slower than the buffer is long."""


class Stream(Protocol):
    """One stream of one leg: iterate for pieces of the body, each made of whole events."""

    def close(self) -> None:
        """The client has gone. The run goes on (W-9)."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...


class Events(NamedTuple):
    """Events that came together, numbered from `first_id`; none after a silence."""

    first_id: int
    events: Sequence[bytes]


# A part of an event stream, as it goes over the wire with ids.
Text: TypeAlias = bytes


class Ending(Enum):
    """Why a reader gets nothing more."""

    LEG = auto()
    MOVED = auto()
    FELL_BEHIND = auto()
    STOPPED = auto()
    CLOSED = auto()


class Reader:
    """A `Stream` of this process's feed."""

    def __init__(
        self, feed: Feed, position: int, *, with_ids: bool, first: Sequence[bytes] = (), at_end: bool = False
    ) -> None:
        self._feed, self._position, self._with_ids = feed, position, with_ids
        self._first, self._at_end = first, at_end
        self.silence_seconds = feed.keep_alive_seconds
        self._waiter: asyncio.Future[None] | None = None
        self._closed = False

    def close(self) -> None:
        """See `Stream.close`."""
        self._closed = True
        if self._waiter:
            _resolve(self._waiter)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while not isinstance(more := await self.more(), Ending):
            if isinstance(more, Text):
                yield more
            else:
                yield joined(more, with_ids=self._with_ids) if more.events else KEEP_ALIVE
        if (told := FAREWELLS.get(more)) is not None:
            yield told

    @property
    def is_at_end(self) -> bool:
        """The last event of the leg was given."""
        return self._at_end

    async def more(self) -> Events | Text | Ending:
        """First what it begins with; then what has come since, or comes next; or why there is nothing more.

        After a silence there are no events.
        """
        if self._first:
            first, self._first = b"".join(self._first), ()
            return first
        while True:
            if self._closed:
                return Ending.CLOSED
            if self._at_end:
                return Ending.LEG
            try:
                events, self._at_end = self._feed.take(self._position)
            except FellBehind:
                return Ending.FELL_BEHIND
            if events:
                first_id = self._feed.first_id + self._position
                self._position += len(events)
                return Events(first_id, events)
            if self._at_end:
                continue
            if self._feed.moved:
                return Ending.MOVED
            if self._feed.stopped:
                return Ending.STOPPED
            if not await self._wait():
                return Events(0, ())

    async def _wait(self) -> bool:
        """For the next event or the end. False when it stayed silent."""
        loop = asyncio.get_running_loop()
        position = self._feed.position
        self._waiter = loop.create_future()
        self._feed.wait(self._waiter)
        alarm = loop.call_later(self.silence_seconds, _resolve, self._waiter)
        await self._waiter
        alarm.cancel()
        feed = self._feed
        return self._closed or feed.stopped or feed.moved or feed.position != position


def joined(events: Events, *, with_ids: bool) -> bytes:
    """Events as a piece of a body."""
    if not with_ids:
        return b"".join(events.events)
    return b"".join(b"id: %d\n%b" % (number, data) for number, data in enumerate(events.events, events.first_id))


class Feeds:
    """The feeds of this process by run id.

    When the database is `shared`, the next leg may be executed by another process, so no feed is kept for it.
    """

    def __init__(self, *, keep_alive_seconds: float = KEEP_ALIVE_SECONDS, shared: bool = False) -> None:
        self.keep_alive_seconds, self._shared = keep_alive_seconds, shared
        self._feeds: dict[str, Feed] = {}
        self._ended: dict[str, asyncio.TimerHandle] = {}  # the oldest first

    def open(self, run_id: str, fence: int) -> Feed:
        """The run's feed; a new one numbers its events from `fence`, which is above that of the run's row."""
        feed = self._feeds.get(run_id)
        if feed is not None and self._shared and feed.fence != fence - 1:
            self.move(run_id)
            feed = None
        if feed is None:
            feed = self._feeds[run_id] = opened = self.apart(fence)
            opened.on_leg_end = lambda: self._leg_ended(run_id, opened)
        if not feed.ended:
            self._keep(run_id)
        return feed

    def apart(self, fence: int) -> Feed:
        """A feed that nobody finds."""
        return Feed(fence, keep_alive_seconds=self.keep_alive_seconds)

    def move(self, run_id: str) -> None:
        """Another process has the run: send the feed's readers there, and forget it."""
        feed = self._feeds.get(run_id)
        self._forget(run_id)
        if feed is not None:
            feed.move()

    def discard(self, run_id: str) -> None:
        """Forget a feed that was opened for a run which then was not created."""
        self._feeds.pop(run_id, None)

    def stop(self) -> None:
        """Send the readers of all runs away."""
        for feed in self._feeds.values():
            feed.stop()

    def find(self, run_id: str) -> Feed | None:
        return self._feeds.get(run_id)

    def _leg_ended(self, run_id: str, feed: Feed) -> None:
        if self._feeds.get(run_id) is feed and (self._shared or feed.ended):
            self._forget_later(run_id)

    def _keep(self, run_id: str) -> None:
        if (timer := self._ended.pop(run_id, None)) is not None:
            timer.cancel()

    def _forget_later(self, run_id: str) -> None:
        self._keep(run_id)
        loop = asyncio.get_running_loop()
        self._ended[run_id] = loop.call_later(KEPT_AFTER_END_SECONDS, self._forget, run_id)
        if len(self._ended) > MAX_KEPT_AFTER_END:
            self._forget(next(iter(self._ended)))

    def _forget(self, run_id: str) -> None:
        self._keep(run_id)
        self._feeds.pop(run_id, None)


def _resolve(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_result(None)


def _broken_off(message: str) -> bytes:
    return event(EventName.ERROR, ErrorEvent.of(Unavailable(message))) + DONE


FAREWELLS: Final = {
    Ending.LEG: DONE,
    Ending.FELL_BEHIND: _broken_off(
        "This reader fell too far behind the run. Attach to the run's stream again to go on."
    ),
    Ending.STOPPED: _broken_off("The server is stopping. The run goes on when it is back: attach to it then."),
    Ending.MOVED: _broken_off("The run goes on in another process. Attach to the run's stream again to go on."),
}
