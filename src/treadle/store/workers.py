"""Workers: the processes that execute runs. A run is held as long as the lease of its worker runs."""

from treadle.store.batch import Batch, Statement
from treadle.store.database import Database

# Nobody holds a run whose worker has no such row. Leases are compared with the database's clock only.
LEASE_RUNS = "EXISTS (SELECT 1 FROM workers WHERE workers.id = runs.lease_owner AND lease_until > treadle_now())"

# Long after their runs were taken over, the rows of lost workers go.
_KEPT_SECONDS = 3600


async def take_lease(database: Database, worker_id: str, *, seconds: float, now: int) -> None:
    """Begin or renew the worker's lease: it runs out `seconds` from now."""
    batch = Batch()
    batch.write(
        Statement(
            "INSERT INTO workers (id, started_at, lease_until) VALUES ($1, $2, treadle_now() + $3) "
            "ON CONFLICT (id) DO UPDATE SET lease_until = excluded.lease_until",
            (worker_id, now, float(seconds)),
        )
    )
    await database.commit(batch)


async def give_back_lease(database: Database, worker_id: str) -> None:
    """The worker stops: its lease is over now. The rows of workers that were lost long ago go with it."""
    batch = Batch()
    batch.write(
        Statement(
            f"DELETE FROM workers WHERE id = $1 OR lease_until < treadle_now() - {_KEPT_SECONDS}",  # noqa: S608
            (worker_id,),
        ),
        rows=None,
    )
    await database.commit(batch)


async def living(database: Database) -> dict[str, float]:
    """All workers whose lease runs: how many seconds it has left, by id."""
    rows = await database.fetch_all(
        Statement("SELECT id, lease_until - treadle_now() FROM workers WHERE lease_until > treadle_now()", ())
    )
    return dict(rows)


def void_leases() -> Statement:
    """End every lease. Only for the holder of the data folder's lock: it knows that all holders are gone."""
    return Statement("DELETE FROM workers", ())
