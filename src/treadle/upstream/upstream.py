"""The object that `app` builds and the engine holds: all traffic to model servers goes through it."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Mapping
from types import TracebackType
from typing import Protocol, Self

import aiohttp
import msgspec
from msgspec import Struct
from msgspec.structs import replace

from treadle.contract.errors import BadGateway, NotFound, Unavailable
from treadle.contract.models import Model, ModelList
from treadle.upstream import connection, passthrough
from treadle.upstream.chat import Attempt, ChatChunk, ChatRequest
from treadle.upstream.errors import NoUpstream, UpstreamError, UpstreamModelNotFound
from treadle.upstream.models import ModelMap, UpstreamSettings
from treadle.upstream.passthrough import Forwarded
from treadle.upstream.stream import stream

_LISTING_KEPT_SECONDS = 60.0
_LISTING_TIMEOUT_SECONDS = 5.0
_MAX_LISTING_BYTES = 4 * 1024 * 1024


class LocalModel(Protocol):
    """The embedded model, which `app` puts behind upstreams whose base URL is "local:"."""

    async def settings(self) -> UpstreamSettings:
        """Where it listens. Starts it when it is not running; raises UpstreamError when it cannot."""

    def stream_chat(
        self, request: ChatRequest, attempts: list[Attempt] | None = None
    ) -> AsyncGenerator[list[ChatChunk], None]:
        """As `stream.stream`."""


class Upstream:
    """Use it as an async context manager: it owns the HTTP session. `clock` gives Unix seconds."""

    def __init__(self, model_map: ModelMap, *, clock: Callable[[], float], local: LocalModel | None = None) -> None:
        self.model_map = model_map
        self._clock, self._local = clock, local
        self._started_at = int(clock())
        self._listing: list[Model] = []
        self._listed_at: float | None = None
        self._listing_lock = asyncio.Lock()
        self._session: aiohttp.ClientSession  # from entering to leaving

    async def __aenter__(self) -> Self:
        self._session = connection.new_session()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._session.close()

    def stream_chat(
        self, model: str, request: ChatRequest, attempts: list[Attempt] | None = None
    ) -> AsyncGenerator[list[ChatChunk], None]:
        """`stream.stream` for the model that a request named. Raises NoUpstream and UpstreamModelNotFound at once."""
        if self.model_map.is_empty:
            raise NoUpstream
        route = self.model_map.route(model)
        if route is None:
            raise UpstreamModelNotFound(f"The model '{model}' is not served here.", code="model_not_found")
        if not route.upstream.is_local:
            return stream(self._session, route, request, clock=self._clock, attempts=attempts)
        if self._local is None:
            raise NoUpstream
        return self._local.stream_chat(request, attempts)

    async def forward(self, path: str, body: bytes, headers: Mapping[str, str]) -> Forwarded:
        """`passthrough.forward` to the upstream of the model that the body names.

        Raises InvalidRequest for an unreadable body, NotFound for a model that is not served (E-69), Unavailable when
        no model server is configured, BadGateway when it does not answer.
        """
        model = passthrough.requested_model(body)
        route = self.model_map.route(model)
        if self.model_map.is_empty:
            raise Unavailable(NoUpstream().message)
        if route is None:
            raise NotFound.model(model)
        if route.upstream.is_local:
            if self._local is None:
                raise Unavailable(NoUpstream().message)
            try:
                route = replace(route, upstream=await self._local.settings())
            except UpstreamError as error:
                raise BadGateway(error.message) from error
        return await passthrough.forward(self._session, route, path, body, headers)

    async def models(self) -> ModelList:
        """The mapped names, then what the default upstream lists, when it is asked for other names too (MD-3)."""
        mapped = [
            Model(id=name, created=self._started_at, owned_by=route.upstream.name)
            for name in self.model_map.names
            if (route := self.model_map.route(name)) is not None
        ]
        names = {model.id for model in mapped}
        return ModelList(data=mapped + [model for model in await self._listed() if model.id not in names])

    async def _listed(self) -> list[Model]:
        """What the open upstream lists, asked once a minute. While it fails it lists nothing new."""
        upstream = self.model_map.open_upstream
        if upstream is None or upstream.is_local:
            return []
        async with self._listing_lock:
            if self._listed_at is None or self._clock() - self._listed_at >= _LISTING_KEPT_SECONDS:
                with contextlib.suppress(*connection.FAILURES, msgspec.MsgspecError, UnicodeDecodeError):
                    self._listing = await self._ask_for_list(upstream)
                self._listed_at = self._clock()
        return self._listing

    async def _ask_for_list(self, upstream: UpstreamSettings) -> list[Model]:
        async with (
            asyncio.timeout(_LISTING_TIMEOUT_SECONDS),
            self._session.get(
                connection.endpoint(upstream, "/models"), headers=connection.headers(upstream), allow_redirects=False
            ) as response,
        ):
            response.raise_for_status()
            listing = msgspec.json.decode(await connection.read_at_most(response, _MAX_LISTING_BYTES), type=_Listing)
        return [
            Model(id=item.id, created=item.created or self._started_at, owned_by=item.owned_by or upstream.name)
            for item in listing.data
        ]


class _ListedModel(Struct):
    id: str
    created: int | None = None
    owned_by: str | None = None


class _Listing(Struct):
    data: list[_ListedModel]
