"""Following a run on a database that processes share: its events come from whoever executes it, now here, now there.

A follower looks at the run's row. It reads the feed when the run is executed here, begins a session with the process
that executes it elsewhere (see `relay`), waits while nobody does, and tells from the rows what it missed when a worker
was lost with its events. The stream it makes is the same in all cases.
"""

import asyncio
import re
import secrets
from collections import deque
from collections.abc import AsyncIterator, Collection, Sequence
from typing import Final, Protocol

from treadle import store
from treadle.contract.events import RUN_EVENTS
from treadle.engine import lifecycle, relay, snapshot
from treadle.engine.feed import FAREWELLS, KEEP_ALIVE, Ending, Events, Feed, Reader, Stream, Text, event, joined
from treadle.engine.hold import Hold
from treadle.engine.parts import Parts
from treadle.engine.peers import ATTACH, DETACH
from treadle.engine.relay import Frame, FrameKind, Mode
from treadle.store.runs import RunRow

# How often a run is looked at that nobody executes, and one that is executed elsewhere.
UNHELD_SECONDS: Final = 0.25
HELD_SECONDS: Final = 1.0
# A session says something every second; after so many seconds without, another is begun.
LOST_SECONDS: Final = 3.0
# How many frames a slow client may leave unread: 30 MB. What comes then is asked for again.
MAX_WAITING_FRAMES: Final = 4096

_ID: Final = re.compile(rb"^id: (\d+)\n", re.MULTILINE)
_BEGUN: Final = re.compile(rb'^event: thread\.(?:run\.step|message)\.created\ndata: \{"id":"([^"]+)"', re.MULTILINE)
_CLOSED: Final = re.compile(
    rb"^event: thread\.(?:run\.step|message)\.(?:completed|incomplete|failed|cancelled|expired)"
    rb'\ndata: \{"id":"([^"]+)"',
    re.MULTILINE,
)


def of_leg(
    parts: Parts, hold: Hold, start: int, *, with_ids: bool, session: str | None, closed: Collection[str] = ()
) -> Stream:
    """The stream of a leg that a request began: its first events stand in the feed of `hold` from `start` on.

    `session` is the one that the run's row names, when the run is executed elsewhere.
    """
    feed = hold.feed
    if not parts.database.shared:
        return Reader(feed, start, with_ids=with_ids)
    begun = feed.first_id + start
    if session is None:
        reader = Reader(feed, start, with_ids=True)
        last_id = begun - 1
        return Follower(
            parts, hold.row.scope, mode=Mode.ON, event_id=last_id, source=reader, with_ids=with_ids, closed=closed
        )
    events, _ = feed.take(start)
    return Follower(
        parts,
        hold.row.scope,
        mode=Mode.ON,
        event_id=begun + len(events) - 1,
        first=[joined(Events(begun, events), with_ids=with_ids)],
        with_ids=with_ids,
        session=session,
        closed=closed,
    )


class Source(Protocol):
    """Where events come from for now."""

    @property
    def is_at_end(self) -> bool:
        """The last event of the leg was given."""

    async def more(self) -> Events | Text | Ending:
        """What comes next; nothing after a silence; MOVED when the run is to be looked at again."""

    def close(self) -> None:
        """The client has gone."""


class Session:
    """Events from another process, in frames. `fence` is that of the worker they come from, -1 before the first."""

    def __init__(self, id: str) -> None:
        self.id = id
        self.fence = -1
        self.patience = HELD_SECONDS
        self.has_lost_a_worker = self.is_broken = self.is_at_end = False
        self._frames: deque[Frame] = deque()
        self._next_number = 0
        self._text = b""
        self._is_closed = False
        self._heard_at = _time()
        self._awake = asyncio.Event()

    @property
    def is_lost(self) -> bool:
        return self.is_broken or _time() - self._heard_at > LOST_SECONDS

    def take(self, frame: Frame) -> None:
        self._heard_at = _time()
        if len(self._frames) < MAX_WAITING_FRAMES:
            self._frames.append(frame)
        self._awake.set()

    def close(self) -> None:
        self._is_closed = True
        self._awake.set()

    async def more(self) -> Text | Ending:
        """See `Source.more`."""
        while not self._is_closed:
            if self.is_at_end:
                return Ending.LEG
            if self._frames:
                kind = self._add(self._frames.popleft())
                text = self._whole_events()
                self.is_at_end = kind is FrameKind.END
                self.is_broken = self.is_broken or kind is FrameKind.MOVED
                if text:
                    return text
                continue
            if self.is_broken:
                return Ending.MOVED
            self._awake.clear()
            try:
                async with asyncio.timeout(self.patience):
                    await self._awake.wait()
            except TimeoutError:
                return Ending.MOVED
        return Ending.CLOSED

    def _add(self, frame: Frame) -> FrameKind:
        if frame.fence < self.fence:  # of a worker that does not know yet that it lost the run
            return FrameKind.MORE
        if frame.fence > self.fence:
            self.has_lost_a_worker = self.has_lost_a_worker or self.fence >= 0
            self.fence, self._next_number, self._text = frame.fence, 0, b""
        if frame.number != self._next_number:
            self.is_broken = True
            return FrameKind.MORE
        self._next_number += 1
        self._text += frame.text.encode()
        return frame.kind

    def _whole_events(self) -> bytes:
        end = self._text.rfind(b"\n\n") + 2
        if end < 2:
            return b""
        text, self._text = self._text[:end], self._text[end:]
        return text


class _Nobody:
    """Nobody executes the run, or nobody could be reached."""

    is_at_end = False

    def __init__(self) -> None:
        self._closed = asyncio.Event()

    def close(self) -> None:
        self._closed.set()

    async def more(self) -> Ending:
        try:
            async with asyncio.timeout(UNHELD_SECONDS):
                await self._closed.wait()
        except TimeoutError:
            return Ending.MOVED
        return Ending.CLOSED


class _Rest:
    """What the rows say of a leg that is over."""

    is_at_end = True

    def __init__(self, text: Text) -> None:
        self._text = text

    def close(self) -> None:
        pass

    async def more(self) -> Text | Ending:
        text, self._text = self._text, b""
        return text or Ending.LEG


class Follower:
    """A `Stream` of one leg, wherever the run is executed.

    It begins with the events in `first`, then goes on as `mode` says after the event `event_id`. `session` is the one
    that the run's row names, if it does. `closed` are the ids of the run's steps and messages that were over before.
    """

    def __init__(
        self,
        parts: Parts,
        scope: tuple[str, str],
        *,
        mode: Mode,
        event_id: int = 0,
        first: Sequence[bytes] = (),
        source: Source | None = None,
        with_ids: bool,
        session: str | None = None,
        closed: Collection[str] = (),
    ) -> None:
        self._parts, self._scope = parts, scope
        self._mode, self._last_id, self._first, self._with_ids = mode, event_id, first, with_ids
        self._begun, self._closed = set(closed), set(closed)
        self._source = source
        self._session: Session | None = None
        self._asked: tuple[str, int] | None = None  # (process, fence) that the session was begun with
        self._may_have_missed = self._is_closed = False
        self._has_waited_for_end = self._has_asked_for_end = False
        if session is not None:
            self._source = self._read(Session(session))

    def close(self) -> None:
        """See `Stream.close`."""
        self._is_closed = True
        if self._source is not None:
            self._source.close()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._first:
            yield b"".join(self._first)
        spoke_at = _time()
        more: Events | Text | Ending = Ending.MOVED
        try:
            while not self._is_closed:
                if self._source is None:
                    self._source = await self._look()
                    continue
                more = await self._source.more()
                if not isinstance(more, Ending):
                    yield await self._shown(more)
                    spoke_at = _time()
                elif more is not Ending.MOVED:
                    break
                elif _time() - spoke_at >= self._parts.limits.keep_alive_seconds:
                    yield KEEP_ALIVE
                    spoke_at = _time()
                if more is Ending.MOVED or (isinstance(more, Events) and not more.events):
                    # Silence may mean that the run went elsewhere and nobody here heard of it.
                    self._may_have_missed |= more is Ending.MOVED and isinstance(self._source, Reader)
                    self._source = await self._look()
        finally:
            self._end_session()
        if isinstance(more, Ending) and not self._is_closed and (told := FAREWELLS.get(more)) is not None:
            yield told

    # Where to read.

    async def _look(self) -> Source:
        """The next source. What cannot be had now is tried again after a moment."""
        if isinstance(self._source, Session) and self._source.is_broken:
            return _Nobody()
        try:
            row = await store.runs.find(self._parts.database, *self._scope)
            return _Rest(b"") if row is None else await self._source_of(row)
        except store.DatabaseUnavailable:
            return _Nobody()

    async def _source_of(self, row: RunRow) -> Source:
        feed = self._parts.feeds.find(row.run.id)
        is_over = row.run.status in lifecycle.ENDS_LEG
        if feed is not None and (row.lease_owner == self._parts.process_id or (is_over and feed.fence == row.fence)):
            return await snapshot.reader_for(self._parts.database, row, feed, self._mode, self._last_id)
        if is_over:
            return self._about_to_end(row, feed) or await self._source_of_end(row)
        if row.lease_owner is None or row.lease_owner == self._parts.process_id:
            if self._session is None:
                return _Nobody()
            self._session.patience = UNHELD_SECONDS
            return self._session
        return self._session_with(row, row.lease_owner)

    def _about_to_end(self, row: RunRow, feed: Feed | None) -> Reader | None:
        """The feed of a leg that we executed, whose end is committed and will be published in a moment."""
        if feed is None or feed.leg_has_ended or row.executor != self._parts.process_id or self._has_waited_for_end:
            return None
        reader = snapshot.held_by(feed, self._mode, self._last_id)
        if reader is not None:
            self._has_waited_for_end = True
            reader.silence_seconds = HELD_SECONDS
        return reader

    async def _source_of_end(self, row: RunRow) -> Source:
        """The last events may be on their way, or held by the process that executed the leg; the rows have the rest."""
        if self._session is not None and not self._session.is_lost and not self._has_waited_for_end:
            self._has_waited_for_end = True
            return self._session
        executor, is_new = row.executor, self._mode is Mode.SNAPSHOT
        if executor is None or executor == self._parts.process_id or is_new or self._has_asked_for_end:
            return await self._rest(row)
        self._has_waited_for_end = self._has_asked_for_end = True
        self._end_session()
        return self._ask(executor, row.fence)

    def _session_with(self, row: RunRow, holder: str) -> Session:
        """The session we have, or another when it fell silent, or when another worker has the run."""
        session = self._session
        is_named = session is not None and row.reader == relay.address(self._parts.process_id, session.id)
        if session is None or session.is_lost or not (is_named or self._asked == (holder, row.fence)):
            self._end_session()
            session = self._ask(holder, row.fence)
        session.patience = HELD_SECONDS
        return session

    def _ask(self, process_id: str, fence: int) -> Session:
        """Begin a session."""
        session = self._read(Session(secrets.token_hex(8)))
        self._asked = (process_id, fence)
        me = self._parts.process_id
        self._parts.peers.tell(process_id, ATTACH, session.id, me, *self._scope, self._mode, self._last_id)
        return session

    def _read(self, session: Session) -> Session:
        self._parts.relay.reading[session.id] = session.take
        self._session = session
        return session

    def _end_session(self) -> None:
        if self._session is None:
            return
        self._may_have_missed = True
        self._parts.relay.reading.pop(self._session.id, None)
        if self._asked is not None:
            self._parts.peers.tell(self._asked[0], DETACH, self._session.id)
        self._session = None

    async def _rest(self, row: RunRow) -> Source:
        """What the rows say at the end of a leg: to a new reader all that is unfinished, to others what they missed."""
        if self._mode is not Mode.ON:
            return await snapshot.read_from(self._parts.database, row, self._parts.feeds.apart(row.fence + 1))
        last = event(RUN_EVENTS[row.run.status], row.run)
        missed = await snapshot.beyond(self._parts.database, row, self._begun, self._closed)
        return _Rest(b"%bid: %d\n%b" % (b"".join(missed), Feed(row.fence + 1).last_id, last))

    # What to tell.

    async def _shown(self, more: Events | Text) -> bytes:
        """What the client gets of it: with ids or without, and before the end what was lost with a worker."""
        if isinstance(more, Text):
            ids = _ID.findall(more)
            self._last_id = int(ids[-1]) if ids else self._last_id
            piece = more if self._with_ids else _ID.sub(b"", more)
        elif more.events:
            self._last_id = more.first_id + len(more.events) - 1
            piece = joined(more, with_ids=self._with_ids)
        else:
            return KEEP_ALIVE
        self._mode = Mode.ON
        self._begun.update(id.decode() for id in _BEGUN.findall(piece))
        self._closed.update(id.decode() for id in _CLOSED.findall(piece))
        has_missed = self._may_have_missed or self._has_lost_a_worker()
        if has_missed and self._source is not None and self._source.is_at_end and not isinstance(self._source, _Rest):
            return await self._completed(piece)
        return piece

    def _has_lost_a_worker(self) -> bool:
        return self._session is not None and self._session.has_lost_a_worker

    async def _completed(self, piece: bytes) -> bytes:
        """The last piece, in which what is over in the rows, and was never told, comes before the last event."""
        row = await store.runs.find(self._parts.database, *self._scope)
        if row is None:
            return piece
        missed = await snapshot.beyond(self._parts.database, row, self._begun, self._closed)
        last_at = piece.rfind(b"\n\n", 0, -2) + 2 if b"\n\n" in piece[:-2] else 0
        return b"".join([piece[:last_at], *missed, piece[last_at:]])


def _time() -> float:
    return asyncio.get_running_loop().time()
