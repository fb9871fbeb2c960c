"""Runs: the wire document beside what execution needs (version, fence, lease, turn). See docs/architecture.md."""

from collections.abc import Callable

import msgspec

from treadle.contract.errors import NotFound
from treadle.contract.pages import PageQuery
from treadle.contract.runs import Run
from treadle.store import pages, threads, workers
from treadle.store.batch import Batch, Statement
from treadle.store.database import Database, Row

ACTIVE = "('queued', 'in_progress', 'requires_action', 'cancelling')"
WORK = "('queued', 'in_progress', 'cancelling')"  # there is something to do for a worker

_COLLECTION = pages.Collection(
    table="runs",
    within="thread_id = $1 AND project_id = $2",
    members="thread_id = $1",
    arguments=2,
    scope=1,
    key=("created_at", "seq"),
    tombstones="$1",
)
_COLUMNS = "doc, project_id, version, fence, lease_owner, takeovers, turn, due_at, needs, include, reader, executor"
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Run).decode


class RunRow(msgspec.Struct, frozen=True, kw_only=True):
    """A run as its row has it. `due_at` is in Unix seconds, null once the run is over; `turn` counts from 0.

    `reader` says who wants the events of a run that another process executes (see `engine.relay`); `executor` is the
    process that executed it last.
    """

    run: Run
    project_id: str
    version: int = 1
    fence: int = 0
    lease_owner: str | None = None
    takeovers: int = 0
    turn: int = 0
    due_at: int | None
    needs: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    reader: str | None = None
    executor: str | None = None

    @property
    def scope(self) -> tuple[str, str]:
        """(thread id, run id): the key of everything that belongs to the run."""
        return self.run.thread_id, self.run.id


async def get(database: Database, project_id: str, thread_id: str, run_id: str) -> RunRow:
    """Raises NotFound for the thread, then for the run (E-61, E-62, E-63)."""
    row = await database.fetch_one(
        Statement(
            f"SELECT {_COLUMNS} FROM runs WHERE thread_id = $1 AND id = $2 AND project_id = $3",  # noqa: S608
            (thread_id, run_id, project_id),
        )
    )
    if row is None:
        await threads.require(database, project_id, thread_id)
        raise NotFound.of("run", run_id)
    return _row(row)


async def find(database: Database, thread_id: str, run_id: str) -> RunRow | None:
    """The run of a worker, which acts for every project; None when it was deleted."""
    row = await database.fetch_one(
        Statement(f"SELECT {_COLUMNS} FROM runs WHERE thread_id = $1 AND id = $2", (thread_id, run_id))  # noqa: S608
    )
    return _row(row) if row else None


async def find_active(database: Database, thread_id: str) -> RunRow | None:
    """The run that locks the thread, if any (R-8)."""
    row = await database.fetch_one(
        Statement(f"SELECT {_COLUMNS} FROM runs WHERE thread_id = $1 AND status IN {ACTIVE}", (thread_id,))  # noqa: S608
    )
    return _row(row) if row else None


async def list_page(database: Database, project_id: str, thread_id: str, query: PageQuery) -> bytes:
    """One page as JSON. Raises NotFound (E-61, P-8)."""
    try:
        rows = await pages.fetch(database, _COLLECTION, (thread_id, project_id), query)
    except pages.UnknownCursor as cursor:
        await threads.require(database, project_id, thread_id)
        raise NotFound.of("run", cursor.id) from None
    if not rows:
        await threads.require(database, project_id, thread_id)
    return pages.encode(rows, query)


async def due(database: Database, *, now: int, limit: int) -> list[RunRow]:
    """Active runs whose time is over, the longest overdue first (R-6)."""
    rows = await database.fetch_all(
        Statement(
            f"SELECT {_COLUMNS} FROM runs WHERE due_at IS NOT NULL AND due_at <= $1 ORDER BY due_at LIMIT $2",  # noqa: S608
            (now, limit),
        )
    )
    return [_row(row) for row in rows]


async def claim(database: Database, worker_id: str, *, limit: int, take_over: bool = True) -> list[RunRow]:
    """Claim runs that have work to do and no worker, the oldest first: queued ones, those still to be cancelled, and
    with `take_over` those left behind by a worker whose lease is over. Others may claim others at the same time.

    The fence goes up, and for a run whose turn had begun the count of takeovers (R-9). The status stays.
    """
    is_free = f"(lease_owner IS NULL OR NOT {workers.LEASE_RUNS})" if take_over else "lease_owner IS NULL"
    rows = await database.fetch_written(
        Statement(
            "WITH free AS MATERIALIZED ("  # noqa: S608 - our own words only
            f"SELECT thread_id, id FROM runs WHERE status IN {WORK} "
            f"AND {is_free} ORDER BY seq LIMIT $1 FOR UPDATE SKIP LOCKED) "
            "UPDATE runs SET lease_owner = $2, executor = $2, fence = fence + 1, version = version + 1, "
            "takeovers = takeovers + CASE WHEN status = 'queued' THEN 0 ELSE 1 END "
            f"WHERE (thread_id, id) IN (SELECT thread_id, id FROM free) RETURNING {_COLUMNS}",
            (limit, worker_id),
        )
    )
    return [_row(row) for row in rows]


async def held_by(database: Database, worker_id: str) -> list[tuple[str, str]]:
    """(thread id, run id) of the unfinished runs whose lease the worker has."""
    rows = await database.fetch_all(
        Statement(
            f"SELECT thread_id, id FROM runs WHERE status IN {WORK} AND lease_owner = $1 ORDER BY seq",  # noqa: S608
            (worker_id,),
        )
    )
    return [(thread_id, run_id) for thread_id, run_id in rows]


def release_all() -> Statement:
    """Take every run from its worker. Only for the holder of the data folder's lock: all workers before it are gone."""
    return Statement(
        f"UPDATE runs SET lease_owner = NULL WHERE lease_owner IS NOT NULL AND status IN {WORK}",  # noqa: S608
        (),
    )


def refuse_active(batch: Batch, thread_id: str, error: Callable[[str], Exception]) -> None:
    """Raise `error(run id)` at commit while the thread has an active run. The batch has the thread's lock (R-8)."""
    batch.refuse(
        Statement(f"SELECT id FROM runs WHERE thread_id = $1 AND status IN {ACTIVE}", (thread_id,)),  # noqa: S608
        else_raise=error,
    )


def insert(row: RunRow) -> Statement:
    run = row.run
    return Statement(
        "INSERT INTO runs (thread_id, id, project_id, created_at, status, version, fence, lease_owner, takeovers, "
        "turn, due_at, needs, include, reader, executor, doc) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
        (
            run.thread_id,
            run.id,
            row.project_id,
            run.created_at,
            run.status,
            row.version,
            row.fence,
            row.lease_owner,
            row.takeovers,
            row.turn,
            row.due_at,
            ",".join(row.needs),
            ",".join(row.include),
            row.reader,
            row.executor,
            _encode(run),
        ),
    )


def update(row: RunRow, *, before: RunRow) -> Statement:
    """Write `row` over `before`: changes nothing unless version, fence and status are still those of `before`."""
    return Statement(
        "UPDATE runs SET status = $1, version = $2, fence = $3, lease_owner = $4, takeovers = $5, turn = $6, "
        "due_at = $7, reader = $8, executor = $9, doc = $10 "
        "WHERE thread_id = $11 AND id = $12 AND version = $13 AND fence = $14 AND status = $15",
        (
            row.run.status,
            row.version,
            row.fence,
            row.lease_owner,
            row.takeovers,
            row.turn,
            row.due_at,
            row.reader,
            row.executor,
            _encode(row.run),
            *row.scope,
            before.version,
            before.fence,
            before.run.status,
        ),
    )


def require_fence(batch: Batch, row: RunRow, error: Callable[[], Exception]) -> None:
    """Begin `batch` with the run's row as its holder knows it; `error()` at commit when somebody else claimed it."""
    batch.require(
        Statement(
            "SELECT 1 FROM runs WHERE thread_id = $1 AND id = $2 AND fence = $3 FOR UPDATE", (*row.scope, row.fence)
        ),
        else_raise=error,
    )


def _row(row: Row) -> RunRow:
    doc, project_id, version, fence, lease_owner, takeovers, turn, due_at, needs, include, reader, executor = row
    return RunRow(
        run=_decode(doc),
        project_id=project_id,
        version=version,
        fence=fence,
        lease_owner=lease_owner,
        takeovers=takeovers,
        turn=turn,
        due_at=due_at,
        needs=tuple(needs.split(",")) if needs else (),
        include=tuple(include.split(",")) if include else (),
        reader=reader,
        executor=executor,
    )
