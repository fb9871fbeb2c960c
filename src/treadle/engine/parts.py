"""What runs are made with: the parts that `app` chooses, as turns, the worker and the engine use them."""

from collections.abc import AsyncGenerator, Callable
from typing import Protocol

from msgspec import Struct

from treadle.contract.ids import IdSource
from treadle.engine.feed import KEEP_ALIVE_SECONDS, Feeds
from treadle.engine.hold import Hold
from treadle.store import Database
from treadle.store.runs import RunRow
from treadle.upstream.chat import Attempt, ChatChunk, ChatRequest
from treadle.upstream.models import ModelMap

# Unix seconds with fractions.
Clock = Callable[[], float]


class ChatUpstream(Protocol):
    """What the engine needs of `upstream.upstream.Upstream`."""

    model_map: ModelMap

    def stream_chat(
        self, model: str, request: ChatRequest, attempts: list[Attempt] | None = None
    ) -> AsyncGenerator[list[ChatChunk], None]:
        """The model's answer in groups of chunks that arrived together."""


class Limits(Struct, frozen=True, kw_only=True):
    """What an operator may set. `max_runs` is the cap on simultaneous runs; the rest stay queued (RL-3).

    After `keep_alive_seconds` of silence a stream gets a comment (W-5).
    """

    max_runs: int = 1000
    stop_seconds: float = 5.0
    keep_alive_seconds: float = KEEP_ALIVE_SECONDS


class Parts:
    """The database, the model servers, the clock, and the feeds of this process."""

    def __init__(
        self, database: Database, upstream: ChatUpstream, *, clock: Clock, new_id: IdSource, limits: Limits
    ) -> None:
        self.database, self.upstream = database, upstream
        self.clock, self.new_id, self.limits = clock, new_id, limits
        self.feeds = Feeds(keep_alive_seconds=limits.keep_alive_seconds)

    def now(self) -> int:
        """Unix seconds."""
        return int(self.clock())

    def now_ms(self) -> int:
        """Unix milliseconds."""
        return int(self.clock() * 1000)

    def queued_at_ms(self, row: RunRow) -> int:
        """When the leg's work was asked for, to the second."""
        return (row.run.started_at or row.run.created_at) * 1000

    def context_tokens(self, model: str) -> int | None:
        """How long a prompt and its answer may be together, where the model map says so."""
        route = self.upstream.model_map.route(model)
        return route.settings.context_tokens if route else None

    def serves(self, model: str) -> bool:
        """Without any upstream every name is accepted: runs then fail with what is missing (E-44 otherwise)."""
        return self.upstream.model_map.is_empty or self.upstream.model_map.route(model) is not None

    def hold(self, row: RunRow) -> Hold:
        """A hold on `row`, with a feed whose event ids begin above those of earlier holders."""
        return Hold(self.database, row, self.feeds.open(row.run.id, row.fence + 1))
