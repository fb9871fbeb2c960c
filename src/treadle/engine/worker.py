"""The worker: executes runs, takes over those that lost theirs, and gives them back when it stops."""

import asyncio
import secrets
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
        self.id = f"worker_{secrets.token_hex(8)}"
        self._parts = parts
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._finishing: set[asyncio.Task[None]] = set()
        # Runs that somebody should be about to see to, and the loop's time when a scan first found them so.
        self._doubtful: dict[str, float] = {}
        self._room = asyncio.Event()
        self._stopping = not enabled

    @property
    def has_room(self) -> bool:
        """Another run may be started: the cap is not reached (RL-3)."""
        return self._places > 0

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

    async def take_over_all(self) -> None:
        """At the start of the only server on this data folder: every lease is void, its runs continue here (R-9)."""
        batch = Batch()
        batch.write(store.runs.void_leases(), rows=None)
        await self._parts.database.commit(batch)
        rows = await store.runs.unheld(self._parts.database, limit=self._places)
        await asyncio.gather(*(self._take(row) for row in rows))

    async def scan_until_stopped(self) -> None:
        """Pick up runs that wait for room or lost their task, once a second and whenever there is room again."""
        while True:
            with suppress(TimeoutError):
                # Not wait_for: in Python 3.11 it loses a cancellation that comes together with the event.
                async with asyncio.timeout(SCAN_SECONDS):
                    await self._room.wait()
            self._room.clear()
            try:
                await self._take_what_waits()
            except store.DatabaseUnavailable as error:
                log.warning("database unavailable", error=str(error))

    async def close(self) -> None:
        """Stop in good order: running turns get a few seconds, the rest goes on at the next start.

        Those who still read the events of a run are told then, and sent away.
        """
        self._stopping = True
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=self._parts.limits.stop_seconds)
        for task in list(self._tasks.values()):
            task.cancel()
        if waiting := [*self._tasks.values(), *self._finishing]:
            await asyncio.wait(waiting)
        self._parts.feeds.stop()

    async def _take_what_waits(self) -> None:
        """Runs that nobody holds, as far as there is room, and runs of ours without a task."""
        if self._stopping:
            return
        unheld = await store.runs.unheld(self._parts.database, limit=self._places)
        lost = [
            row
            for scope in await store.runs.held_by(self._parts.database, self.id)
            if scope[1] not in self._tasks and (row := await store.runs.find(self._parts.database, *scope)) is not None
        ]
        # The command that cancels a waiting run also finishes it, and a claimed run gets its task in a moment.
        doubtful = {row.run.id for row in unheld if row.run.status is S.CANCELLING} | {row.run.id for row in lost}
        left_alone = self._left_alone(doubtful)
        for run_id in left_alone:
            log.warning("run without a task", run_id=run_id)
        rows = [row for row in (*unheld, *lost) if row.run.id not in doubtful or row.run.id in left_alone]
        await asyncio.gather(*(self._take(row) for row in rows))

    def _left_alone(self, doubtful: set[str]) -> set[str]:
        """Those that have been in doubt for as long as a scan takes."""
        now = asyncio.get_running_loop().time()
        self._doubtful = {run_id: self._doubtful.get(run_id, now) for run_id in doubtful}
        return {run_id for run_id, since in self._doubtful.items() if now - since >= SCAN_SECONDS}

    async def _take(self, row: RunRow) -> None:
        hold = self._parts.hold(row)
        try:
            await hold.write(lambda batch, row: lifecycle.claim(batch, row, self.id, hold.feed, now=self._parts.now()))
        except (lifecycle.LeaseLost, lifecycle.RunMoved):
            return
        self.start(hold)

    async def _execute(self, hold: Hold, earlier: asyncio.Task[None] | None) -> None:
        """Bring a claimed run to the end of its leg, once the task of the leg before is done."""
        run_id = hold.row.run.id
        with structlog.contextvars.bound_contextvars(run_id=run_id):
            try:
                if earlier is not None:
                    await asyncio.wait({earlier})
                await self._continue(hold)
            except asyncio.CancelledError:
                if self._stopping:
                    await self._release(hold)
                raise
            except lifecycle.LeaseLost:
                log.info("run taken by another worker")
            except lifecycle.IllegalMove as error:
                log.info("run moved by another request", status=error.status)
            except store.DatabaseUnavailable as error:
                log.warning("run left for a later try", error=str(error))
            except Exception as error:
                await self._fail(hold, error)

    async def _continue(self, hold: Hold) -> None:
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
        with suppress(lifecycle.LeaseLost, lifecycle.RunMoved):
            await endings.end(hold, S.FAILED, now=self._parts.now(), last_error=told)

    async def _release(self, hold: Hold) -> None:
        with suppress(lifecycle.LeaseLost, lifecycle.RunMoved, store.DatabaseUnavailable):
            await hold.write(lifecycle.release)

    def _ended(self, run_id: str, task: asyncio.Task[None]) -> None:
        was_full = not self.has_room
        if self._tasks.get(run_id) is task:
            del self._tasks[run_id]
        if was_full:
            self._room.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("run task broke", run_id=run_id, exc_info=error)
