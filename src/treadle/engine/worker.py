"""The worker: executes runs, takes over those that lost theirs, and gives them back when it stops."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Final

import structlog

from treadle import store
from treadle.contract.runs import LastError
from treadle.contract.runs import RunStatus as S
from treadle.engine import endings, lifecycle, turn
from treadle.engine.feed import Feed
from treadle.engine.hold import Hold
from treadle.engine.parts import Parts
from treadle.store import Batch
from treadle.store.runs import RunRow

log = structlog.get_logger(__name__)

# The net below the direct hand-over: queued runs behind the cap, and runs of ours that lost their task.
SCAN_SECONDS: Final = 1.0
TAKEN_AT_ONCE: Final = 200


class Worker:
    """One per process. A run it holds has its id as `lease_owner` and a task here.

    One that is not `enabled` executes nothing: its runs wait for another process.
    """

    def __init__(self, parts: Parts, *, enabled: bool = True) -> None:
        self.id = parts.process_id
        self._parts = parts
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._finishing: set[asyncio.Task[None]] = set()
        # Runs of ours that have no task, and the loop's time when a scan first found them so.
        self._doubtful: dict[str, float] = {}
        # Runs whose task gave up because of the database: that is no loss of a worker.
        self._excused: set[str] = set()
        self._awake = asyncio.Event()
        self._scanned_at = 0.0
        self._enabled = enabled
        self._stopping = not enabled

    @property
    def is_enabled(self) -> bool:
        return self._enabled

    @property
    def has_room(self) -> bool:
        """Another run may be started: the lease runs, and the cap is not reached (RL-3)."""
        return self._places > 0 and self._parts.lease.runs

    def wake(self) -> None:
        """Somebody says that there is work."""
        self._awake.set()

    @property
    def _places(self) -> int:
        free = 0 if self._stopping else self._parts.limits.max_runs - len(self._tasks)
        return max(0, min(free, TAKEN_AT_ONCE))

    def claim(self, batch: Batch, row: RunRow, feed: Feed) -> RunRow:
        """Add to `batch` the claim of a queued run, if there is room; otherwise the run waits in the queue."""
        if not self.has_room:
            return row
        return lifecycle.claim(batch, row, self.id, feed, now=self._parts.now())

    def start(self, hold: Hold) -> None:
        """Execute a run; its claim is durable. Does nothing for a run that was not claimed."""
        row = hold.row
        if row.lease_owner != self.id:
            return
        # A client may answer a waiting run before the task of the leg that is over has quite ended.
        earlier = self._tasks.get(row.run.id)
        task = asyncio.create_task(self._execute(hold, earlier), name=row.run.id)
        self._tasks[row.run.id] = task
        task.add_done_callback(lambda _: self._ended(row.run.id, task))

    async def stop(self, run_id: str) -> None:
        """Take a run out of its task's hands. When this returns, all it wrote is durable and it writes no more."""
        task = self._tasks.get(run_id)
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
        # Reads see what a cancelled task had given to the writer (a barrier: batches commit in their order).
        await self._parts.database.commit(Batch())

    def finish_later(self, work: Coroutine[None, None, None]) -> None:
        """Run `work` in the background; a stopping server waits for it."""
        task = asyncio.create_task(work)
        self._finishing.add(task)
        task.add_done_callback(self._finishing.discard)

    async def begin(self) -> None:
        """Take the lease, and what waits.

        On an embedded database we are the only server: every other lease is void, its runs continue here (R-9).
        """
        database = self._parts.database
        if not database.shared:
            batch = Batch()
            batch.write(store.workers.void_leases(), rows=None)
            batch.write(store.runs.release_all(), rows=None)
            await database.commit(batch)
        if self._enabled:
            await self._parts.lease.take(now=self._parts.now())
            await self._take_free()

    async def scan_until_stopped(self) -> None:
        """Pick up runs that wait for room or lost their worker.

        Once a second, when the lease of another worker should be over, and whenever somebody wakes us.
        """
        loop = asyncio.get_running_loop()
        while True:
            next_loss = self._parts.peers.next_loss_at - loop.time()
            with suppress(TimeoutError):
                # Not wait_for: in Python 3.11 it loses a cancellation that comes together with the event.
                async with asyncio.timeout(next_loss if 0 < next_loss < SCAN_SECONDS else SCAN_SECONDS):
                    await self._awake.wait()
            self._awake.clear()
            try:
                await self._take_free()
                await self._take_lost()
            except store.DatabaseUnavailable as error:
                log.warning("database unavailable", error=str(error))

    async def close(self) -> None:
        """Stop in good order: running turns get a few seconds, the rest goes on elsewhere or at the next start.

        Those who still read the events of a run are told then, and sent away.
        """
        self._stopping = True
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=self._parts.limits.stop_seconds)
        had_tasks = bool(self._tasks)
        for task in list(self._tasks.values()):
            task.cancel()
        if waiting := [*self._tasks.values(), *self._finishing]:
            await asyncio.wait(waiting)
        self._parts.feeds.stop()
        if self._enabled:
            self._enabled = False
            with suppress(store.DatabaseUnavailable):
                await self._parts.lease.give_back()
            if had_tasks:
                self._parts.peers.offer_work()

    async def _take_free(self) -> None:
        """Claim runs that nobody holds, as far as there is room."""
        while self.has_room:
            places = self._places
            take_over = self._parts.lease.is_settled
            rows = await store.runs.claim(self._parts.database, self.id, limit=places, take_over=take_over)
            for row in rows:
                if row.takeovers:
                    log.info("run taken over", run_id=row.run.id, takeovers=row.takeovers)
                self._begin(self._parts.hold(row), row)
            if len(rows) < places:
                return

    async def take_offered(self, thread_id: str, run_id: str) -> None:
        """Claim a queued run that another process has no room for: begun with one commit, as a run of our own is."""
        if not self.has_room:
            return
        row = await store.runs.find(self._parts.database, thread_id, run_id)
        if row is None or row.run.status is not S.QUEUED or row.lease_owner is not None:
            return
        hold = self._parts.hold(row)
        now = self._parts.now()
        try:
            await hold.write(lambda batch, row: lifecycle.claim(batch, row, self.id, hold.feed, now=now))
        except (lifecycle.LeaseLost, lifecycle.RunMoved):
            return
        self._begin(hold, row)

    def _begin(self, hold: Hold, row: RunRow) -> None:
        """Execute a run that we claimed as it was in `row`, and send its events to the process that has its client."""
        hold.is_new = row.run.status is S.QUEUED and row.turn == 0
        if row.reader is not None:
            process_id, session = row.reader.split("/")
            if process_id != self.id:
                self._parts.relay.serve(session, process_id, hold.row.fence, hold.feed.read_all())
        self.start(hold)

    async def _take_lost(self) -> None:
        """Claim runs of ours anew that are without a task."""
        now = asyncio.get_running_loop().time()
        if self._stopping or not self._parts.lease.runs or now - self._scanned_at < SCAN_SECONDS:
            return
        self._scanned_at = now
        scopes = await store.runs.held_by(self._parts.database, self.id)
        self._send_readers_away(self._excused - {run_id for _thread_id, run_id in scopes})
        lost = [scope for scope in scopes if scope[1] not in self._tasks]
        # A claimed run gets its task in a moment.
        self._doubtful = {run_id: self._doubtful.get(run_id, now) for _thread_id, run_id in lost}
        for scope in lost:
            if now - self._doubtful[scope[1]] < SCAN_SECONDS:
                continue
            row = await store.runs.find(self._parts.database, *scope)
            if row is not None and row.lease_owner == self.id and scope[1] not in self._tasks:
                log.warning("run without a task", run_id=row.run.id)
                await self._take_again(row)

    async def _take_again(self, row: RunRow) -> None:
        hold = self._parts.hold(row)
        is_loss = row.run.id not in self._excused
        self._excused.discard(row.run.id)
        now = self._parts.now()
        try:
            await hold.write(
                lambda batch, row: lifecycle.claim(batch, row, self.id, hold.feed, now=now, is_loss=is_loss)
            )
            self.start(hold)
        except (lifecycle.LeaseLost, lifecycle.IllegalMove):
            await self._let_go(hold)

    def _send_readers_away(self, run_ids: set[str]) -> None:
        """What was left for a later try has ended after all, or went to another worker: its readers look anew."""
        self._excused -= run_ids
        for run_id in run_ids if self._parts.database.shared else ():
            self._parts.feeds.move(run_id)

    async def _execute(self, hold: Hold, earlier: asyncio.Task[None] | None) -> None:
        """Bring a claimed run to the end of its leg, once the task of the leg before is done."""
        run_id = hold.row.run.id
        with structlog.contextvars.bound_contextvars(run_id=run_id):
            try:
                if earlier is not None:
                    await asyncio.wait({earlier})
                await self._continue_or_fail(hold)
            except asyncio.CancelledError:
                if self._stopping:
                    await self._release(hold)
                raise
            except lifecycle.LeaseLost:
                log.info("run taken by another worker")
                await self._let_go(hold)
            except lifecycle.IllegalMove as error:
                log.info("run moved by another request", status=error.status)
            except store.DatabaseUnavailable as error:
                self._excused.add(run_id)
                log.warning("run left for a later try", error=str(error))

    async def _continue_or_fail(self, hold: Hold) -> None:
        try:
            await self._continue(hold)
        except (lifecycle.LeaseLost, lifecycle.IllegalMove, store.DatabaseUnavailable):
            raise
        except Exception as error:
            await self._fail(hold, error)

    async def _continue(self, hold: Hold) -> None:
        if hold.row.run.status is S.QUEUED:
            now = self._parts.now()
            await hold.write(lambda batch, row: lifecycle.move(batch, row, S.IN_PROGRESS, hold.feed, now=now))
        row = hold.row
        if row.run.status is S.CANCELLING:
            await endings.end(hold, S.CANCELLED, now=self._parts.now())
        elif row.takeovers > lifecycle.MAX_TAKEOVERS:
            message = f"The worker was lost {row.takeovers} times while it took turn {row.turn + 1} of this run."
            await endings.end(
                hold, S.FAILED, now=self._parts.now(), last_error=LastError(code="server_error", message=message)
            )
        else:
            await turn.take(self._parts, hold)
            log.info("leg ended", status=hold.row.run.status)

    async def _fail(self, hold: Hold, error: Exception) -> None:
        told = turn.last_error(error)
        if told.message == turn.UNKNOWN_FAILURE:
            log.exception("run failed by a fault of ours", exc_info=error)
        else:
            log.warning("run failed", code=told.code, error=told.message)
        await endings.end(hold, S.FAILED, now=self._parts.now(), last_error=told)

    async def _release(self, hold: Hold) -> None:
        with suppress(lifecycle.LeaseLost, lifecycle.RunMoved, store.DatabaseUnavailable):
            await hold.write(lifecycle.release)

    async def _let_go(self, hold: Hold) -> None:
        """Send those who read the run's events to its new worker, if it has one. When in doubt, let them look."""
        run_id = hold.row.run.id
        if not self._parts.database.shared:
            return
        row = None
        with suppress(store.DatabaseUnavailable):
            row = await store.runs.find(self._parts.database, *hold.row.scope)
        is_ours = row is not None and (row.lease_owner == self.id or row.fence == hold.feed.fence)
        if not is_ours and self._parts.feeds.find(run_id) is hold.feed:
            self._parts.feeds.move(run_id)

    def _ended(self, run_id: str, task: asyncio.Task[None]) -> None:
        was_full = self._places == 0
        if self._tasks.get(run_id) is task:
            del self._tasks[run_id]
        if was_full:
            self._awake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("run task broke", run_id=run_id, exc_info=error)
