"""The API as its clients reach it: through any of several processes, which come and go."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2

from tests.chaos.cluster import Process
from tests.support.api import BETA, Event, Json, parsed
from tests.support.server import KEY

PAUSE_SECONDS = 0.1
# Longer than any process is paused: who gave up earlier could not know what becomes of the request.
TIMEOUT_SECONDS = 30.0


class Unknown(Exception):
    """Nobody knows whether the request was carried out: look before it is sent again (H-24)."""


class Refused(Exception):
    """An answer that another attempt would not change."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(f"{status} {body.decode()[:500]}")
        self.status, self.body = status, body


def connections() -> httpx2.AsyncClient:
    """For any number of doors."""
    return httpx2.AsyncClient(
        headers={**BETA, "Authorization": f"Bearer {KEY}"},
        timeout=TIMEOUT_SECONDS,
        limits=httpx2.Limits(max_connections=None),
        verify=False,
    )


class Door:
    """The API, through whichever process answers. Everybody who waits at a door that is shut goes to another."""

    def __init__(self, http: httpx2.AsyncClient, apis: list[Process], at: int) -> None:
        self._http, self._apis, self._at = http, apis, at

    async def get(self, path: str) -> Json:
        while True:
            try:
                return await self._asked("GET", path, None)
            except Unknown:
                pass

    async def post(self, path: str, body: Json = None) -> Json:
        """Raises Unknown, Refused."""
        return await self._asked("POST", path, body)

    @asynccontextmanager
    async def stream(
        self, method: str, path: str, body: Json, headers: dict[str, str]
    ) -> AsyncIterator[AsyncIterator[Event]]:
        """Raises Unknown, also when the stream breaks, and Refused."""
        async with self._answer(method, path, body, headers) as response:
            yield parsed(response)

    async def _asked(self, method: str, path: str, body: Json) -> Json:
        async with self._answer(method, path, body, {}) as response:
            await response.aread()
            return response.json()

    @asynccontextmanager
    async def _answer(
        self, method: str, path: str, body: Json, headers: dict[str, str]
    ) -> AsyncIterator[httpx2.Response]:
        """A successful answer, from the first process that gives one, or has taken the request and is lost."""
        while True:
            root = await self._root()
            try:
                async with self._http.stream(method, f"{root}/v1{path}", json=body, headers=headers) as response:
                    if response.status_code == 200:
                        yield response
                        return
                    await response.aread()
            except httpx2.ConnectError:
                self._at += 1
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            except httpx2.TransportError as error:
                self._at += 1
                raise Unknown from error
            if response.status_code != 503:
                raise Refused(response.status_code, response.content)
            if response.headers.get("x-should-retry") == "false":
                raise Unknown
            await asyncio.sleep(PAUSE_SECONDS)

    async def _root(self) -> str:
        while True:
            for _ in self._apis:
                root = self._apis[self._at % len(self._apis)].root
                if root is not None:
                    return root
                self._at += 1
            await asyncio.sleep(PAUSE_SECONDS)
