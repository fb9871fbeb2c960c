"""A hold on a run: its row as last seen, and the way to write for it so that a lost lease or a race loses nothing."""

from collections.abc import Callable

from treadle import store
from treadle.engine.feed import Feed
from treadle.engine.lease import Lease
from treadle.engine.lifecycle import IllegalMove, LeaseLost, RunMoved
from treadle.store import Batch, Database
from treadle.store.runs import RunRow

Build = Callable[[Batch, RunRow], RunRow | None]


class Hold:
    """`row` is the run as its holder last wrote or read it; `feed` is where its events go."""

    def __init__(self, database: Database, row: RunRow, feed: Feed, lease: Lease) -> None:
        self.database, self.row, self.feed = database, row, feed
        self.is_new = False  # nothing was done for the run yet: it has no turns, steps and messages of its own
        self._lease, self._term = lease, lease.term

    @property
    def has_lease(self) -> bool:
        """Nobody can have claimed the run. For what is shown but not written: a write asks for the fence."""
        return self._lease.has_run_since(self._term)

    async def regain_lease(self) -> None:
        """Wait until the lease runs. After a gap the row says whether somebody else has claimed the run.

        Raises LeaseLost and DatabaseUnavailable.
        """
        while not self._lease.has_run_since(self._term):
            self._term = await self._lease.running()
            fresh = await store.runs.find(self.database, *self.row.scope)
            if fresh is None or fresh.fence != self.row.fence:
                raise LeaseLost

    async def write(self, build: Build) -> None:
        """Commit what `build(batch, row)` adds, under our fence. `build` returns the moved row, or None for no move.

        When another writer (a concurrent `modifyRun`) changed the row, it is read and `build` is asked again. Raises
        LeaseLost when the fence is no longer ours, and IllegalMove when the new status forbids the move.
        """
        while True:
            batch = Batch()
            store.runs.require_fence(batch, self.row, LeaseLost)
            moved = build(batch, self.row)
            try:
                await self.database.commit(batch)
            except IllegalMove:
                raise
            except RunMoved:
                await self._read_again()
                continue
            if moved is not None:
                self.now_at(moved)
            return

    def now_at(self, row: RunRow) -> None:
        """`row` was written by us, and its event is in our feed."""
        self.row = row
        self.feed.fence = row.fence

    async def _read_again(self) -> None:
        fresh = await store.runs.find(self.database, *self.row.scope)
        if fresh is None or fresh.fence != self.row.fence:
            raise LeaseLost
        if fresh.version == self.row.version:
            # Nothing changed and yet our write missed: a bug, which must not be retried for ever.
            raise AssertionError(f"a write of {self.row.run.id} missed at version {fresh.version} without a reason")
        self.row = fresh
