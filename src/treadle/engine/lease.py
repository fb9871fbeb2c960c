"""The lease of this process: as long as it runs, nobody else takes over the runs of its worker."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

import structlog

from treadle import store
from treadle.store import Database

log = structlog.get_logger(__name__)

# How often a lease is renewed while it lasts.
RENEWALS: Final = 3
# On a database of one process the folder's lock is the lease: ours need not be renewed.
FOR_EVER: Final = 1e9
RETRY_SECONDS: Final = 1.0
# When the database was away, all leases are over when it is back. So much time gets everybody to renew their own.
SETTLING_SECONDS: Final = 2.0


class Lease:
    """Begins with `take`. By our own clock it is over at the latest when it is over by the database's.

    `term` counts how often it has begun: after a gap others may have taken what was ours.
    """

    def __init__(
        self, database: Database, worker_id: str, *, seconds: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.worker_id = worker_id
        self._database, self._monotonic = database, monotonic
        self._seconds = seconds if database.shared else FOR_EVER
        self.term = 0
        self._until = self._settled_at = 0.0
        self._is_given_back = False
        self._taken = asyncio.Event()

    @property
    def runs(self) -> bool:
        return self._monotonic() < self._until

    @property
    def is_settled(self) -> bool:
        """It runs, and a lease of another that does not is that of a lost worker."""
        return self._settled_at <= self._monotonic() < self._until

    def has_run_since(self, term: int) -> bool:
        """It runs, and has had no gap since that term."""
        return self.term == term and self.runs

    async def running(self) -> int:
        """Wait until it runs; its term."""
        while not self.runs:
            self._taken.clear()
            await self._taken.wait()
        return self.term

    async def take(self, *, now: int) -> None:
        """Begin or renew it. Raises DatabaseUnavailable."""
        if self._is_given_back:
            return
        asked = self._monotonic()
        await store.workers.take_lease(self._database, self.worker_id, seconds=self._seconds, now=now)
        if not self.runs:
            self.term += 1
            self._settled_at = asked + (SETTLING_SECONDS if self.term > 1 else 0.0)
        self._until = asked + self._seconds
        self._taken.set()

    async def give_back(self) -> None:
        """Nobody has to wait for its end. Raises DatabaseUnavailable."""
        self._is_given_back, self._until = True, 0.0
        await store.workers.give_back_lease(self._database, self.worker_id)

    async def renew_until_stopped(self, now: Callable[[], int]) -> None:
        """What fails is tried again soon: until then the lease still runs."""
        beat = self._seconds / RENEWALS
        wait = beat
        while True:
            await asyncio.sleep(wait)
            wait = beat
            try:
                await self.take(now=now())
            except store.DatabaseUnavailable as error:
                log.warning("lease not renewed", error=str(error), lease_runs=self.runs)
                wait = min(RETRY_SECONDS, beat / RENEWALS)
