"""The ASGI application: the API below /v1, and the few pages beside it that need no key."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final

import msgspec

from treadle.contract import openapi
from treadle.contract.errors import MethodNotAllowed, NotFound
from treadle.http.bind import Api, Bound, Scope
from treadle.http.sse import Receive, Send

Lifespan = Callable[[], AbstractAsyncContextManager[Api]]

_JSON: Final = (b"content-type", b"application/json")


class Application:
    """`lifespan` builds the API when the server starts and takes it down when it stops."""

    def __init__(self, lifespan: Lifespan, bindings: Sequence[Bound], *, version: str) -> None:
        self._lifespan = lifespan
        self._api: Api | None = None
        self.failure: Exception | None = None  # why it could not start
        document = openapi.document([bound.operation for bound in bindings], version)
        self._pages = {
            b"/openapi.json": msgspec.json.encode(document),
            b"/healthz": msgspec.json.encode({"status": "ok", "version": version}),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
            if self._api is not None and (raw_path.startswith(b"/v1/") or raw_path == b"/v1"):
                await self._api(scope, receive, send)
            else:
                await self._send_page(scope, raw_path, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    async def stop_work(self) -> None:
        """To be called when the server begins to stop, beside its waiting for requests: streams end with their runs."""
        if self._api is not None:
            await self._api.stop_work()

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            async with self._lifespan() as self._api:
                await send({"type": "lifespan.startup.complete"})
                await receive()
        except Exception as error:
            event = "lifespan.startup.failed" if self._api is None else "lifespan.shutdown.failed"
            self.failure = error
            await send({"type": event})
            return
        self._api = None
        await send({"type": "lifespan.shutdown.complete"})

    async def _send_page(self, scope: Scope, raw_path: bytes, send: Send) -> None:
        method: str = scope["method"]
        page = self._pages.get(raw_path)
        status = 200
        if page is None:
            error: NotFound | MethodNotAllowed = NotFound.url(method, scope["path"])
        elif method not in ("GET", "HEAD"):
            error = MethodNotAllowed.of(method, scope["path"], allowed=["GET"])
            page = None
        if page is None:
            status, page = error.http_status, msgspec.json.encode(error.envelope())
        headers = [_JSON, (b"content-length", b"%d" % len(page))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if method == "HEAD" else page})
