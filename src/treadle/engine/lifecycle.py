"""A run's status, and the only place that changes it. Contract: docs/behaviour.md, section 5.1."""

from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import replace

from treadle import store
from treadle.contract.events import RUN_EVENTS, EventName
from treadle.contract.runs import Run
from treadle.contract.runs import RunStatus as S
from treadle.engine.feed import Feed
from treadle.store import Batch
from treadle.store.runs import RunRow

NEXT: Final[Mapping[S, frozenset[S]]] = {
    S.QUEUED: frozenset({S.IN_PROGRESS, S.CANCELLING, S.FAILED, S.EXPIRED}),
    S.IN_PROGRESS: frozenset({S.REQUIRES_ACTION, S.CANCELLING, S.COMPLETED, S.INCOMPLETE, S.FAILED, S.EXPIRED}),
    S.REQUIRES_ACTION: frozenset({S.QUEUED, S.CANCELLING, S.EXPIRED}),
    S.CANCELLING: frozenset({S.CANCELLED}),
    **{status: frozenset() for status in (S.CANCELLED, S.COMPLETED, S.INCOMPLETE, S.FAILED, S.EXPIRED)},
}
TERMINAL: Final = frozenset(status for status, after in NEXT.items() if not after)
# A stream covers one leg: it ends with one of these (W-10).
ENDS_LEG: Final = TERMINAL | {S.REQUIRES_ACTION}

LIFETIME_SECONDS: Final = 600
MAX_TAKEOVERS: Final = 3  # of one turn, then the run fails

_RUN_FIELDS: Final = frozenset(Run.__struct_fields__)
_TIMESTAMPS: Final[Mapping[S, str]] = {
    S.IN_PROGRESS: "started_at",
    S.COMPLETED: "completed_at",
    S.INCOMPLETE: "completed_at",
    S.FAILED: "failed_at",
    S.CANCELLED: "cancelled_at",
}


class RunMoved(Exception):
    """Another writer changed the run first. Read it again and decide again."""


class IllegalMove(RunMoved):
    """The run's present status does not allow the move; `status` is that status."""

    def __init__(self, status: S) -> None:
        super().__init__(f"the run is {status}")
        self.status = status


class LeaseLost(Exception):
    """Somebody else claimed the run, or it was deleted: the holder has nothing more to say about it."""


def begin(batch: Batch, row: RunRow, feed: Feed) -> RunRow:
    """Add to `batch` the new run; when it is durable the feed says thread.run.created and thread.run.queued."""
    row = replace(row, fence=row.fence + 1)  # its events count as a holder's, as in `move`
    batch.write(store.runs.insert(row))
    batch.then(feed.publish_run, EventName.RUN_CREATED, row.run)
    batch.then(feed.publish_run, RUN_EVENTS[S.QUEUED], row.run)
    return row


def move(batch: Batch, row: RunRow, to: S, feed: Feed, *, now: int, **changes: Any) -> RunRow:
    """Add to `batch` the guarded move of `row` to `to`; when it is durable, the run's feed says `thread.run.<to>`.

    `changes` are fields of the run or of its row. What follows from the status itself (timestamps, R-3 to R-5; the
    lease; required_action, R-40) is set here. A run that nobody holds changes hands with its move, and its fence goes
    up, so that the ids of later events begin above this one's, also after a crash (W-9). So it does at the end of a
    leg: a worker whose run was ended over its head can write nothing more for it.

    Raises IllegalMove at once, and RunMoved at commit when version, fence or status are no longer those of `row`: of
    two racing writers one wins and nothing of the other's batch is written.
    """
    if to not in NEXT[row.run.status]:
        raise IllegalMove(row.run.status)
    of_run: dict[str, Any] = {"status": to, "required_action": None, **_consequences(to, now)}
    stays_held = row.lease_owner is not None and to not in ENDS_LEG
    of_row: dict[str, Any] = {"fence": row.fence if stays_held else row.fence + 1}
    if to in ENDS_LEG:
        of_row["lease_owner"] = None
    if to in TERMINAL:
        of_row["due_at"] = None
    for name, value in changes.items():
        (of_run if name in _RUN_FIELDS else of_row)[name] = value
    moved = _written(batch, row, replace(row.run, **of_run), of_row)
    batch.then(feed.publish_run, RUN_EVENTS[to], moved.run)
    return moved


def claim(batch: Batch, row: RunRow, worker_id: str, feed: Feed, *, now: int, is_loss: bool = True) -> RunRow:
    """Add to `batch` the claim of a run for a worker: fence + 1. A queued run also moves to in_progress.

    For a run that was in progress this is a takeover, not a status move (R-9); it is counted when `is_loss`.
    """
    if row.run.status is S.QUEUED:
        return move(batch, row, S.IN_PROGRESS, feed, now=now, lease_owner=worker_id, executor=worker_id)
    changes = {"fence": row.fence + 1, "lease_owner": worker_id, "executor": worker_id}
    changes["takeovers"] = row.takeovers + is_loss
    return _written(batch, row, row.run, changes)


def release(batch: Batch, row: RunRow) -> RunRow:
    """Add to `batch` the return of a run whose worker stops in good order: that is not counted as a takeover."""
    return _written(batch, row, row.run, {"lease_owner": None, "takeovers": row.takeovers - 1})


def modify(batch: Batch, row: RunRow, metadata: dict[str, str]) -> RunRow:
    """Add to `batch` a change of metadata, which is allowed in every status (R-36)."""
    return _written(batch, row, replace(row.run, metadata=metadata), {})


def _consequences(to: S, now: int) -> dict[str, Any]:
    changes: dict[str, Any] = {_TIMESTAMPS[to]: now} if to in _TIMESTAMPS else {}
    if to in TERMINAL:
        changes["expires_at"] = None
    return changes


def _written(batch: Batch, row: RunRow, run: Run, of_row: dict[str, Any]) -> RunRow:
    written = replace(row, run=run, version=row.version + 1, **of_row)
    batch.write(store.runs.update(written, before=row), else_raise=RunMoved)
    return written
