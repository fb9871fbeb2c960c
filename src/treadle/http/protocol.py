"""HTTP/1.1 as uvicorn speaks it, with a bound on what anybody can make it keep in memory before a key is looked at."""

from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# The request line and all headers together; and the trailers of a body in chunks.
MAX_HEAD_BYTES: Final = 64 * 1024


class BoundedHttp(HttpToolsProtocol):
    """Closes a connection whose head or trailers do not end: uvicorn would collect them for ever."""

    _without_end = 0  # bytes since the last head or message that was complete, or the last piece of a body

    def data_received(self, data: bytes) -> None:
        self._without_end += len(data)
        super().data_received(data)
        if self._without_end > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("The head of the request is too large.")

    def on_headers_complete(self) -> None:
        self._without_end = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._without_end = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._without_end = 0
        super().on_message_complete()
