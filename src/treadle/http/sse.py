"""A run's events as a response body. Contract: docs/behaviour.md, section 7.1."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from treadle.engine.feed import Stream

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),  # nginx would hold the events back (trap 30)
]


async def send_events(reader: Stream, headers: list[tuple[bytes, bytes]], receive: Receive, send: Send) -> None:
    """Send events as they come until the leg ends or the client goes; the run goes on either way (W-9)."""
    await send({"type": "http.response.start", "status": 200, "headers": headers + HEADERS})
    gone = asyncio.ensure_future(_hung_up(receive))
    gone.add_done_callback(lambda _: reader.close())
    try:
        async for piece in reader:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        # At once: some clients read on after [DONE] until the body ends (W-6).
        await send({"type": "http.response.body", "body": b"", "more_body": False})
    finally:
        gone.cancel()


async def _hung_up(receive: Receive) -> None:
    """Return when the client has gone. The end of a request without a body comes first: nobody has read it yet."""
    while (await receive())["type"] != "http.disconnect":
        pass
