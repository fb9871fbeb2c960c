"""Turns: one model call and its consequences, recorded for resume, for usage and for whoever wants to know why."""

import msgspec

from treadle.contract.run_steps import StepUsage
from treadle.store.batch import Statement
from treadle.store.database import Database


class Dropped(msgspec.Struct, frozen=True):
    """A message left out of the prompt: its seq, and "last_messages", "context" or "max_prompt_tokens"."""

    seq: int
    reason: str


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One try at the upstream; times in Unix milliseconds and milliseconds."""

    started_at_ms: int
    took_ms: int
    status: int | None
    error: str | None


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """The record of one turn. Times are Unix milliseconds; token counts of the prompt before the call are estimates.

    `usage` is what the upstream reported, null when it reported nothing. `redone` counts takeovers of this turn.
    """

    turn: int
    model: str
    queued_at_ms: int
    started_at_ms: int
    first_token_at_ms: int | None = None
    ended_at_ms: int | None = None
    redone: int = 0
    messages: tuple[int, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    estimated_prompt_tokens: int | None = None
    prompt_tokens_left: int | None = None
    completion_tokens_left: int | None = None
    attempts: tuple[Attempt, ...] = ()
    finish_reason: str | None = None
    error: str | None = None
    usage: StepUsage | None = None
    cached_tokens: int = 0
    reasoning_tokens: int = 0


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Turn).decode


async def of_run(database: Database, thread_id: str, run_id: str) -> list[Turn]:
    """The turns of a run, in order."""
    rows = await database.fetch_all(
        Statement("SELECT doc FROM turns WHERE thread_id = $1 AND run_id = $2 ORDER BY turn", (thread_id, run_id))
    )
    return [_decode(doc) for (doc,) in rows]


def put(thread_id: str, run_id: str, turn: Turn) -> Statement:
    """Insert or replace the record of a turn; a redo replaces that of the attempt before."""
    return Statement(
        "INSERT INTO turns (thread_id, run_id, turn, doc) VALUES ($1, $2, $3, $4) "
        "ON CONFLICT (thread_id, run_id, turn) DO UPDATE SET doc = excluded.doc",
        (thread_id, run_id, turn.turn, _encode(turn)),
    )
