"""What runs are made with: the parts that `app` chooses, as turns, the worker and the engine use them."""

import secrets
from collections.abc import AsyncGenerator, Callable
from typing import Protocol

from msgspec import Struct

from treadle.contract.ids import IdSource
from treadle.engine.feed import KEEP_ALIVE_SECONDS, Feeds
from treadle.engine.hold import Hold
from treadle.engine.lease import Lease
from treadle.engine.peers import Peers
from treadle.engine.relay import Relay
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

    After `keep_alive_seconds` of silence a stream gets a comment (W-5). On a database that processes share, a worker
    that is lost loses its runs after `lease_seconds`.
    """

    max_runs: int = 1000
    stop_seconds: float = 5.0
    keep_alive_seconds: float = KEEP_ALIVE_SECONDS
    lease_seconds: float = 10.0


class Parts:
    """The database, the model servers, the clock, the feeds of this process, and the way to others.

    `process_id` names this process in leases and messages.
    """

    def __init__(
        self, database: Database, upstream: ChatUpstream, *, clock: Clock, new_id: IdSource, limits: Limits
    ) -> None:
        self.database, self.upstream = database, upstream
        self.clock, self.new_id, self.limits = clock, new_id, limits
        self.process_id = f"worker_{secrets.token_hex(8)}"
        self.feeds = Feeds(keep_alive_seconds=limits.keep_alive_seconds, shared=database.shared)
        self.lease = Lease(database, self.process_id, seconds=limits.lease_seconds)
        self.peers = Peers(database, self.process_id)
        self.relay = Relay(self.peers)

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

    def is_elsewhere(self, row: RunRow) -> bool:
        """Another process executes the run, or did until it was lost."""
        return self.database.shared and row.lease_owner not in (None, self.process_id)

    def hold(self, row: RunRow) -> Hold:
        """A hold on `row`, with a feed whose event ids begin above those of earlier holders.

        The events of a run that is executed elsewhere come from there: what is published here for it, nobody reads.
        """
        fence = row.fence + 1
        feed = self.feeds.apart(fence) if self.is_elsewhere(row) else self.feeds.open(row.run.id, fence)
        return Hold(self.database, row, feed, self.lease)
