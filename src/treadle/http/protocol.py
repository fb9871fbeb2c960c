"""HTTP/1.1 as uvicorn speaks it, with bounds on what a connection may cost before a key is looked at."""

import asyncio
from typing import ClassVar, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# The request line and all headers together; and the trailers of a body in chunks.
MAX_HEAD_BYTES: Final = 64 * 1024


class BoundedHttp(HttpToolsProtocol):
    """Closes a connection whose head or trailers do not end: uvicorn would collect them, and wait, for ever."""

    # For the first request to begin, and for the head of any to be complete.
    patience_seconds: ClassVar[float] = 60.0

    _without_end = 0  # bytes since the last head or message that was complete, or the last piece of a body
    _in_head = True
    _alarm: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._without_end += len(data)
        super().data_received(data)
        if self._without_end > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("The head of the request is too large.")
        elif self._in_head and self._alarm is None:
            self._wait_for_head()

    def on_message_begin(self) -> None:
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head, self._without_end = False, 0
        self._stop_waiting()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._without_end = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._without_end = 0
        super().on_message_complete()

    def _wait_for_head(self) -> None:
        self._alarm = self.loop.call_later(self.patience_seconds, self.timeout_keep_alive_handler)

    def _stop_waiting(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
