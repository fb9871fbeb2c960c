"""Events of a run for readers in other processes: who executes it sends them, in numbered frames.

A *session* is one reader's share of one run's events. It is begun by the reader (`attach`), or by the run's row, when
the process that created it for a streaming client does not execute it (`RunRow.reader`). Frames are short enough for
the database's messages, and sent 10 ms apart at most; a frame that is missing is noticed by its number.
"""

import asyncio
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

import structlog

from treadle.engine.feed import Ending, Reader, Text, joined
from treadle.engine.peers import EVENTS, Peers

log = structlog.get_logger(__name__)

# Events that come within this time travel together. After a pause a few frames need not wait.
GATHER_SECONDS: Final = 0.010
HEAD_START_SECONDS: Final = 3 * GATHER_SECONDS
FRAME_BYTES: Final = 7_600  # of at most 8,000, with the line above them
# After so much silence a frame without events says that we are there.
SILENCE_SECONDS: Final = 1.0


class FrameKind(StrEnum):
    """What follows a frame: `more`; nothing in this leg (`end`); or the reader has to look for the run anew."""

    MORE = "more"
    END = "end"
    MOVED = "moved"


class Mode(StrEnum):
    """What a reader wants: a snapshot; what came `after` an event; or to go `on` after it, also behind a takeover."""

    SNAPSHOT = "snapshot"
    AFTER = "after"
    ON = "on"


class Frame(NamedTuple):
    """A piece of a session. `fence` is the sender's: a higher one is that of the worker which took the run over.

    `text` is part of an event stream with ids; only together are frames made of whole events.
    """

    fence: int
    number: int
    kind: FrameKind
    text: str


def parsed(arguments: Sequence[str], text: str) -> tuple[str, Frame]:
    """(session, frame) of a message. Raises ValueError."""
    session, fence, number, kind = arguments
    return session, Frame(int(fence), int(number), FrameKind(kind), text)


def cut(text: bytes) -> list[str]:
    """`text` in pieces that fit into frames."""
    pieces = []
    while len(text) > FRAME_BYTES:
        end = FRAME_BYTES
        while text[end] & 0xC0 == 0x80:  # not in the middle of a character
            end -= 1
        pieces.append(text[:end].decode())
        text = text[end:]
    return [*pieces, text.decode()]


def address(process_id: str, session: str) -> str:
    """What a run's row says of the reader it has in another process (`RunRow.reader`)."""
    return f"{process_id}/{session}"


class Relay:
    """The sessions that this process serves, and in `reading` those it reads, by id."""

    def __init__(self, peers: Peers) -> None:
        self.reading: dict[str, Callable[[Frame], None]] = {}
        self._peers = peers
        self._sessions: dict[str, asyncio.Task[None]] = {}

    def serve(self, session: str, process_id: str, fence: int, reader: Reader) -> None:
        """Send what `reader` gets to `process_id`, until the leg ends."""
        self.stop(session)
        reader.silence_seconds = SILENCE_SECONDS
        task = asyncio.create_task(self._serve(session, process_id, fence, reader))
        self._sessions[session] = task
        task.add_done_callback(lambda task: self._ended(session, task))

    def refuse(self, session: str, process_id: str, fence: int) -> None:
        """The run is not here."""
        self._peers.tell(process_id, EVENTS, session, fence, 0, FrameKind.MOVED)

    def hear(self, arguments: Sequence[str], text: str) -> None:
        """Give a frame to its reader, if that is still there."""
        session, frame = parsed(arguments, text)
        if (take := self.reading.get(session)) is not None:
            take(frame)

    def stop(self, session: str) -> None:
        if (task := self._sessions.pop(session, None)) is not None:
            task.cancel()

    def close(self) -> None:
        for session in list(self._sessions):
            self.stop(session)

    async def _serve(self, session: str, process_id: str, fence: int, reader: Reader) -> None:
        number = 0
        kind = FrameKind.MORE
        loop = asyncio.get_running_loop()
        due_at = loop.time()
        while kind is FrameKind.MORE:
            kind, text = await self._next(reader)
            pieces = cut(text)
            kinds = [*[FrameKind.MORE] * (len(pieces) - 1), kind]
            frames = [
                f"{EVENTS} {session} {fence} {at} {this}\n{piece}"
                for at, (this, piece) in enumerate(zip(kinds, pieces, strict=True), number)
            ]
            number += len(frames)
            await self._peers.send(process_id, frames)
            due_at = max(due_at, loop.time()) + GATHER_SECONDS
            await asyncio.sleep(max(0.0, due_at - loop.time() - HEAD_START_SECONDS))

    async def _next(self, reader: Reader) -> tuple[FrameKind, Text]:
        """What to send next, with the end of the leg if that has come, too."""
        more = await reader.more()
        if isinstance(more, Ending):
            return FrameKind.END if more is Ending.LEG else FrameKind.MOVED, b""
        text = more if isinstance(more, Text) else joined(more, with_ids=True)
        return FrameKind.END if reader.is_at_end else FrameKind.MORE, text

    def _ended(self, session: str, task: "asyncio.Task[None]") -> None:
        if self._sessions.get(session) is task:
            del self._sessions[session]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("relay broke", session=session, exc_info=error)
