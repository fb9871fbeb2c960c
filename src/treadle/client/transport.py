"""The two clients without their methods: where the server is, how a call is sent, tried again and decoded."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from functools import cache
from types import TracebackType
from typing import Any, Final, ParamSpec, Protocol, Self, TypeVar

import httpx2
import msgspec

from treadle.client import events, failures, parameters, requests, retries
from treadle.client.events import AsyncStream, Stream
from treadle.client.failures import ConnectionFailed, UnexpectedAnswer
from treadle.client.requests import Request
from treadle.contract.operations import Operation
from treadle.contract.pages import Page

# Where `treadle serve` listens unless told otherwise.
DEFAULT_BASE_URL: Final = "http://127.0.0.1:8000/v1"
# Those of the official clients (H-25): a run may think for minutes before its next event.
TIMEOUT: Final = httpx2.Timeout(600.0, connect=5.0)
MAX_RETRIES: Final = 2

P = ParamSpec("P")


class Identified(Protocol):
    """What a page holds."""

    @property
    def id(self) -> str: ...


Item = TypeVar("Item", bound=Identified)


def from_environment(environment: Mapping[str, str]) -> tuple[str, str | None]:
    """Base URL and API key: TREADLE_BASE_URL and TREADLE_API_KEY, else OPENAI_BASE_URL and OPENAI_API_KEY."""
    base_url = environment.get("TREADLE_BASE_URL") or environment.get("OPENAI_BASE_URL") or DEFAULT_BASE_URL
    return base_url, environment.get("TREADLE_API_KEY") or environment.get("OPENAI_API_KEY") or None


class _Connection:
    """What both clients know of the server. The key is not shown by `repr`."""

    def __init__(self, base_url: str | None, api_key: str | None, max_retries: int) -> None:
        default_url, default_key = from_environment(os.environ)
        self.base_url = (base_url or default_url).rstrip("/")
        self.max_retries = max_retries
        self._api_key = api_key or default_key

    def __repr__(self) -> str:
        return f"{type(self).__name__}(base_url={self.base_url!r})"

    def _parts(self, request: Request) -> dict[str, Any]:
        """Arguments of httpx2's `build_request`."""
        key = {"Authorization": f"Bearer {self._api_key}"} if self._api_key else {}
        return {
            "method": request.operation.method,
            "url": self.base_url + request.path,
            "headers": {**key, **request.headers},
            "content": request.body,
            "data": request.form,
            "files": request.files,
        }

    def _unreachable(self, error: httpx2.TransportError) -> ConnectionFailed:
        return ConnectionFailed(f"No answer from {self.base_url}: {str(error) or type(error).__name__}")

    def _wait_seconds(self, failure: Exception, request: Request, tried: int) -> float | None:
        """None when the call is to fail: what may have been carried out and cannot be repeated is not tried again."""
        sent = isinstance(failure.__cause__, httpx2.TransportError) and not isinstance(
            failure.__cause__, httpx2.ConnectError | httpx2.ConnectTimeout
        )
        if tried > self.max_retries or (sent and request.operation.method == "POST"):
            return None
        return retries.wait_seconds(failure, tried=tried)


class Transport(_Connection):
    """The synchronous client without its methods. Use it as a context manager, or close it."""

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        max_retries: int = MAX_RETRIES,
        timeout: float | httpx2.Timeout = TIMEOUT,
        http_client: httpx2.Client | None = None,
    ) -> None:
        """What is not given is read from the environment (`from_environment`). `http_client` brings its own timeout."""
        super().__init__(base_url, api_key, max_retries)
        self._http = http_client or httpx2.Client(timeout=timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def call(self, operation_id: str, /, **arguments: object) -> Any:
        """Call an operation by its id, in either spelling, and return what its method would.

        Takes the arguments of the method, and `body` for the whole body. Raises ApiError and its kinds for the server's
        refusals, ConnectionFailed, UnexpectedAnswer; TypeError for arguments that the operation does not take.
        """
        operation = parameters.operation_named(operation_id)
        request = requests.build(operation, arguments)
        try:
            response = self._answer(request)
        finally:
            request.close()
        return Stream(response, _reader(operation)) if request.streams else _result(operation, response.content)

    def each(self, method: Callable[P, Page[Item]], /, *args: P.args, **kwargs: P.kwargs) -> Iterator[Item]:
        """All items of a list, page after page: `client.each(client.list_runs, thread_id=...)`."""
        page = method(*args, **kwargs)
        while page.data:
            yield from page.data
            if not page.has_more:
                return
            kwargs["after"] = page.data[-1].id
            page = method(*args, **kwargs)

    def _answer(self, request: Request) -> httpx2.Response:
        """The answer to a request that was granted; of a stream its beginning."""
        tried = 1
        while True:
            try:
                response = self._http.send(self._http.build_request(**self._parts(request)), stream=request.streams)
                if response.is_success:
                    return response
                failure: Exception = failures.of_answer(response.status_code, response.headers, response.read())
            except httpx2.TransportError as error:
                failure = self._unreachable(error)
                failure.__cause__ = error
            wait = self._wait_seconds(failure, request, tried)
            if wait is None:
                raise failure
            time.sleep(wait)
            tried += 1


class AsyncTransport(_Connection):
    """The asynchronous client without its methods. Use it as an async context manager, or close it."""

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        max_retries: int = MAX_RETRIES,
        timeout: float | httpx2.Timeout = TIMEOUT,
        http_client: httpx2.AsyncClient | None = None,
    ) -> None:
        """What is not given is read from the environment (`from_environment`). `http_client` brings its own timeout."""
        super().__init__(base_url, api_key, max_retries)
        self._http = http_client or httpx2.AsyncClient(timeout=timeout)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def call(self, operation_id: str, /, **arguments: object) -> Any:
        """As `Transport.call`."""
        operation = parameters.operation_named(operation_id)
        request = requests.build(operation, arguments)
        try:
            response = await self._answer(request)
        finally:
            request.close()
        return AsyncStream(response, _reader(operation)) if request.streams else _result(operation, response.content)

    async def each(
        self, method: Callable[P, Awaitable[Page[Item]]], /, *args: P.args, **kwargs: P.kwargs
    ) -> AsyncIterator[Item]:
        """All items of a list, page after page: `client.each(client.list_runs, thread_id=...)`."""
        page = await method(*args, **kwargs)
        while page.data:
            for item in page.data:
                yield item
            if not page.has_more:
                return
            kwargs["after"] = page.data[-1].id
            page = await method(*args, **kwargs)

    async def _answer(self, request: Request) -> httpx2.Response:
        tried = 1
        while True:
            try:
                parts = self._http.build_request(**self._parts(request))
                response = await self._http.send(parts, stream=request.streams)
                if response.is_success:
                    return response
                failure: Exception = failures.of_answer(response.status_code, response.headers, await response.aread())
            except httpx2.TransportError as error:
                failure = self._unreachable(error)
                failure.__cause__ = error
            wait = self._wait_seconds(failure, request, tried)
            if wait is None:
                raise failure
            await asyncio.sleep(wait)
            tried += 1


def _reader(operation: Operation) -> events.Reader[Any]:
    return events.read_event if operation.chunk is None else events.chunk_reader(operation.chunk)


def _result(operation: Operation, body: bytes) -> Any:
    if operation.result is bytes:
        return body
    try:
        return _decoder(operation.result).decode(body)
    except msgspec.MsgspecError as fault:
        raise UnexpectedAnswer(f"The answer to {operation.id} could not be read: {fault}") from fault


@cache
def _decoder(type_: type) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(type_)
