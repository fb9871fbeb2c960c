"""What a handler is given beside its own arguments, and what it may return beside a contract object."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol

from msgspec import Struct

from treadle.contract.models import ModelList
from treadle.engine.engine import Engine
from treadle.engine.feed import Stream


class StreamedAnswer(Protocol):
    """A model server's answer that is passed through while it comes."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    def close(self) -> None: ...


class ModelServers(Protocol):
    """What the routes need of `upstream.upstream.Upstream`."""

    async def models(self) -> ModelList: ...

    async def forward(self, path: str, body: bytes, headers: Mapping[str, str]) -> StreamedAnswer: ...


class Context(Struct):
    """One request. `headers` are as ASGI gives them: lower-case names, bytes."""

    engine: Engine
    model_servers: ModelServers
    project_id: str
    request_id: str
    headers: Mapping[bytes, bytes]

    def header(self, name: bytes) -> str | None:
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")


class Answer(Struct):
    """A result with headers of its own. Any: a contract object, or JSON as bytes."""

    body: Any
    headers: dict[str, str]


class EventStream(Struct):
    """The answer is the events of this reader."""

    reader: Stream
