"""The official SDK in its six flavours, called the same way in all of them."""

import asyncio
import inspect
from collections.abc import Callable
from functools import reduce
from typing import Any, Final

from openai import AsyncOpenAI, AsyncStream, BaseModel, OpenAI, Stream
from openai.lib.streaming import AssistantStreamManager, AsyncAssistantStreamManager

from tests.sdk.strict import checked

FLAVOURS: Final = ("sync", "async", "sync raw", "async raw", "sync streamed", "async streamed")
# Pollers and stream helpers have no raw form.
HELPER_FLAVOURS: Final = ("sync", "async")


class Sdk:
    """`await sdk.beta.threads.create(...)` calls the method of that name; the answer is checked against its type.

    "raw" goes through `with_raw_response`, "streamed" through `with_streaming_response`. The blocking client runs in
    a thread, since the scripted model server lives on the test's event loop. A stream comes as the list of its events.
    """

    def __init__(self, client: OpenAI | AsyncOpenAI, flavour: str, path: tuple[str, ...] = ()) -> None:
        self._client, self._flavour, self._path = client, flavour, path

    @property
    def is_async(self) -> bool:
        return isinstance(self._client, AsyncOpenAI)

    def __getattr__(self, name: str) -> "Sdk":
        return Sdk(self._client, self._flavour, (*self._path, name))

    async def __call__(self, *args: Any, **options: Any) -> Any:
        *resources, name = self._path
        resource = reduce(getattr, resources, self._client)
        call = _FORMS[self._flavour.partition(" ")[2], self.is_async]
        if self.is_async:
            return await call(resource, name, args, options)
        return await asyncio.to_thread(call, resource, name, args, options)


async def drained(manager: Any, read: Callable[[Any], Any] = lambda stream: stream.until_done()) -> Any:
    """Open a stream helper, let `read` have it to its end; what `read` returned."""
    if isinstance(manager, AsyncAssistantStreamManager):
        async with manager as stream:
            return await read(stream)

    assert isinstance(manager, AssistantStreamManager)

    def block() -> Any:
        with manager as stream:
            return read(stream)

    return await asyncio.to_thread(block)


async def iterated(page: Any) -> list[Any]:
    """All items of a page and of those behind it."""
    if hasattr(page, "__aiter__"):
        return await listed(page)
    return await asyncio.to_thread(listed, page)


def listed(items: Any) -> Any:
    """A list of the items, or for an async iterator a coroutine that gives it."""

    async def collect() -> list[Any]:
        return [item async for item in items]

    return collect() if hasattr(items, "__aiter__") else list(items)


def _plain(resource: Any, name: str, args: Any, options: Any) -> Any:
    value = getattr(resource, name)(*args, **options)
    if isinstance(value, Stream):
        return [checked(event) for event in list(value)]
    return _identified(value)


async def _plain_async(resource: Any, name: str, args: Any, options: Any) -> Any:
    value = getattr(resource, name)(*args, **options)
    if inspect.isawaitable(value):
        value = await value
    if isinstance(value, AsyncStream):
        return [checked(event) for event in [event async for event in value]]
    return _identified(value)


def _raw(resource: Any, name: str, args: Any, options: Any) -> Any:
    response = getattr(resource.with_raw_response, name)(*args, **options)
    value = _of(response).parse()
    return [checked(event) for event in list(value)] if isinstance(value, Stream) else checked(value)


async def _raw_async(resource: Any, name: str, args: Any, options: Any) -> Any:
    response = await getattr(resource.with_raw_response, name)(*args, **options)
    value = _of(response).parse()
    return (
        [checked(event) for event in [event async for event in value]]
        if isinstance(value, AsyncStream)
        else checked(value)
    )


def _streamed(resource: Any, name: str, args: Any, options: Any) -> Any:
    with getattr(resource.with_streaming_response, name)(*args, **options) as response:
        value = _of(response).parse()
        return [checked(event) for event in list(value)] if isinstance(value, Stream) else checked(value)


async def _streamed_async(resource: Any, name: str, args: Any, options: Any) -> Any:
    async with getattr(resource.with_streaming_response, name)(*args, **options) as response:
        value = await _of(response).parse()
        return (
            [checked(event) for event in [event async for event in value]]
            if isinstance(value, AsyncStream)
            else checked(value)
        )


_FORMS: Final = {
    ("", False): _plain,
    ("", True): _plain_async,
    ("raw", False): _raw,
    ("raw", True): _raw_async,
    ("streamed", False): _streamed,
    ("streamed", True): _streamed_async,
}


def _identified(value: Any) -> Any:
    """H-20: every object knows the request that brought it. (A stream helper has made no request yet.)"""
    if isinstance(value, BaseModel):
        assert (value._request_id or "").startswith("req_")
    return checked(value)


def _of(response: Any) -> Any:
    """The response, when its head is as H-20 has it."""
    assert response.status_code == 200
    assert response.request_id.startswith("req_")
    assert response.headers["openai-version"] == "2020-10-01"
    assert response.headers["content-type"].partition(";")[0] in ("application/json", "text/event-stream")
    return response
