"""Run steps: what an assistant really did, in the order it did it. `list_page` is the reference operation (6.1)."""

from collections.abc import Callable

import msgspec

from treadle.contract.errors import NotFound
from treadle.contract.pages import PageQuery
from treadle.contract.run_steps import RunStep
from treadle.store import pages
from treadle.store.batch import Batch, Statement
from treadle.store.database import Database

# The steps of a run that is this project's and not overdue: an overdue one is expired first.
COLLECTION = pages.Collection(
    table="run_steps",
    within=(
        "thread_id = $1 AND run_id = $2 AND EXISTS (SELECT 1 FROM runs WHERE runs.thread_id = $1 AND runs.id = $2 "
        "AND runs.project_id = $3 AND (runs.due_at IS NULL OR runs.due_at > $4))"
    ),
    members="thread_id = $1 AND run_id = $2",
    arguments=4,
    scope=2,
    # `created_at` never decreases within a run (S-16), so `seq` alone is the order of P-3.
    key=("seq",),
    tombstones="$1 || '/' || $2",
)
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(RunStep).decode


class StepRow(msgspec.Struct, frozen=True):
    """A step with its place in the run (from 1) and the turn it belongs to (from 0)."""

    step: RunStep
    seq: int
    turn: int


async def find_page(
    database: Database, project_id: str, thread_id: str, run_id: str, query: PageQuery, *, now: int
) -> bytes | None:
    """One page of a run's steps as JSON, newest first unless `query.order` is "asc". One query.

    None when there is no step to show: the caller finds out whether the run exists, is overdue, or has none yet
    (`runs.get`), and then answers with `empty_page`. Raises NotFound for a cursor of another run (P-8).
    """
    try:
        rows = await pages.fetch(database, COLLECTION, (thread_id, run_id, project_id, now), query)
    except pages.UnknownCursor as cursor:
        # Outermost first (O-1): an unknown run is worse than an unknown cursor.
        if await _is_readable(database, project_id, thread_id, run_id, now):
            raise NotFound.of("run_step", cursor.id) from None
        return None
    return pages.encode(rows, query) if rows else None


def empty_page(query: PageQuery) -> bytes:
    return pages.encode([], query)


async def get_document(
    database: Database, project_id: str, thread_id: str, run_id: str, step_id: str, *, now: int
) -> bytes | None:
    """A step as JSON; None when it is not there, or its run is not this project's or overdue, as in `find_page`."""
    row = await database.fetch_one(
        Statement(
            f"SELECT doc FROM run_steps WHERE {COLLECTION.within} AND id = $5",  # noqa: S608 - our own words only
            (thread_id, run_id, project_id, now, step_id),
        )
    )
    return bytes(row[0]) if row else None


async def of_run(database: Database, thread_id: str, run_id: str) -> list[StepRow]:
    """All steps of a run, oldest first, for those who work on it."""
    rows = await database.fetch_all(
        Statement(
            "SELECT doc, seq, turn FROM run_steps WHERE thread_id = $1 AND run_id = $2 ORDER BY seq",
            (thread_id, run_id),
        )
    )
    return [StepRow(_decode(doc), seq, turn) for doc, seq, turn in rows]


def insert(row: StepRow) -> Statement:
    step = row.step
    return Statement(
        "INSERT INTO run_steps (thread_id, run_id, seq, id, turn, status, created_at, doc) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        (step.thread_id, step.run_id, row.seq, step.id, row.turn, step.status, step.created_at, _encode(step)),
    )


def update(row: StepRow) -> Statement:
    """Write over a step that is still in progress; a completed one never changes (S-10)."""
    step = row.step
    return Statement(
        "UPDATE run_steps SET status = $1, doc = $2 WHERE thread_id = $3 AND run_id = $4 AND seq = $5 AND id = $6 "
        "AND status = 'in_progress'",
        (step.status, _encode(step), step.thread_id, step.run_id, row.seq, step.id),
    )


def refuse_open(batch: Batch, thread_id: str, run_id: str, *, error: Callable[[], Exception]) -> None:
    """Raise `error()` at commit if a step of the run is in progress at this point of the batch."""
    batch.refuse(
        Statement(
            "SELECT id FROM run_steps WHERE thread_id = $1 AND run_id = $2 AND status = 'in_progress'",
            (thread_id, run_id),
        ),
        else_raise=lambda _step_id: error(),
    )


def delete(batch: Batch, row: StepRow) -> None:
    """Delete a step that a redo replaces (R-9); its place in the list stays known (P-8)."""
    step = row.step
    batch.write(
        Statement(
            "INSERT INTO tombstones (scope, id, created_at, seq) VALUES ($1, $2, $3, $4)",
            (f"{step.thread_id}/{step.run_id}", step.id, step.created_at, row.seq),
        )
    )
    batch.write(
        Statement(
            "DELETE FROM run_steps WHERE thread_id = $1 AND run_id = $2 AND seq = $3 AND status = 'in_progress'",
            (step.thread_id, step.run_id, row.seq),
        )
    )


async def _is_readable(database: Database, project_id: str, thread_id: str, run_id: str, now: int) -> bool:
    row = await database.fetch_one(
        Statement(
            "SELECT 1 FROM runs WHERE thread_id = $1 AND id = $2 AND project_id = $3 "
            "AND (due_at IS NULL OR due_at > $4)",
            (thread_id, run_id, project_id, now),
        )
    )
    return row is not None
