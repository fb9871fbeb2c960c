"""How long runs wait for another worker after theirs was lost."""

import asyncio
import time
from typing import NamedTuple

import asyncpg

LOOK_SECONDS = 0.02
_WORK = "status IN ('queued', 'in_progress', 'cancelling')"


class _Loss(NamedTuple):
    worker_id: str
    at: float


class Takeovers:
    """`seconds` from the loss of a worker to the claim of a run of its by another, for each such run."""

    def __init__(self, database: asyncpg.Pool) -> None:
        self.seconds: list[float] = []
        self._database = database
        self._lost: dict[str, _Loss] = {}  # by run id
        self._dead: set[str] = set()

    async def holders(self, *, takeovers: int = 0) -> list[str]:
        """The ids of workers that hold runs which were taken over at least so often in their present turn."""
        rows = await self._database.fetch(
            f"SELECT DISTINCT lease_owner FROM runs WHERE {_WORK} AND lease_owner IS NOT NULL AND takeovers >= $1",
            takeovers,
        )
        return [id for (id,) in rows if id not in self._dead]

    async def lost(self, worker_ids: list[str], at: float, *, for_ever: bool) -> None:
        """These workers were killed, or paused, at the time `at` (see `time.monotonic`)."""
        rows = await self._database.fetch(
            f"SELECT id, lease_owner FROM runs WHERE {_WORK} AND lease_owner = ANY($1)", worker_ids
        )
        self._lost |= {run_id: _Loss(worker_id, at) for run_id, worker_id in rows}
        if for_ever:
            self._dead |= set(worker_ids)

    def found(self, worker_ids: list[str]) -> None:
        """A worker that was paused goes on, with what nobody has taken from it."""
        self._lost = {run_id: loss for run_id, loss in self._lost.items() if loss.worker_id not in worker_ids}

    async def watch_until_stopped(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            asked = dict(self._lost)
            if not asked:
                continue
            rows = await self._database.fetch(
                f"SELECT id, lease_owner FROM runs WHERE {_WORK} AND id = ANY($1)", list(asked)
            )
            holders = dict(map(tuple, rows))
            for run_id, loss in asked.items():
                holder = holders.get(run_id)
                if holder == loss.worker_id:
                    continue
                if holder is not None and self._lost.get(run_id) == loss:
                    self.seconds.append(time.monotonic() - loss.at)
                # Else it was ended over its worker's head, by a cancel.
                self._lost.pop(run_id, None)
