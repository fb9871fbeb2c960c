"""Cancelling a run, from every status that can be left. Contract: docs/behaviour.md, section 5.4."""

import structlog

from treadle import store
from treadle.contract.errors import InvalidRequest
from treadle.contract.runs import Run
from treadle.contract.runs import RunStatus as S
from treadle.engine import endings, expiry, holders, lifecycle
from treadle.engine.engine import Engine
from treadle.engine.hold import Hold
from treadle.store import Batch
from treadle.store.runs import RunRow

log = structlog.get_logger(__name__)


async def cancel(engine: Engine, project_id: str, thread_id: str, run_id: str) -> Run:
    """R-50: the run as `cancelling`; it goes on to `cancelled` by itself. Raises NotFound, InvalidRequest (E-75)."""
    row = await store.runs.get(engine.database, project_id, thread_id, run_id)
    row = await expiry.settle(engine, row)
    try:
        hold = await _begin_cancel(engine, row)
    except lifecycle.IllegalMove as moved:
        raise InvalidRequest.cannot_cancel_run(moved.status) from None
    except lifecycle.LeaseLost:
        return await cancel(engine, project_id, thread_id, run_id)
    answer = hold.row.run
    engine.worker.finish_later(_finish_later(engine, hold))
    return answer


async def cancel_now(engine: Engine, row: RunRow) -> None:
    """Cancel an active run and return when it is over (T-7)."""
    try:
        hold = await _begin_cancel(engine, row)
    except (lifecycle.IllegalMove, lifecycle.LeaseLost):
        # It ended by itself, or somebody else is cancelling it: that one finishes it, or we do.
        fresh = await store.runs.find(engine.database, *row.scope)
        if fresh is None or fresh.run.status is not S.CANCELLING:
            return
        hold = engine.hold(fresh)
    await finish(engine, hold)


async def _begin_cancel(engine: Engine, row: RunRow) -> Hold:
    """Move the run to cancelling. Raises IllegalMove and LeaseLost."""
    if S.CANCELLING not in lifecycle.NEXT[row.run.status]:
        raise lifecycle.IllegalMove(row.run.status)
    hold = engine.hold(row)

    def build(batch: Batch, row: RunRow) -> RunRow:
        return lifecycle.move(batch, row, S.CANCELLING, hold.feed, now=engine.now())

    await hold.write(build)
    return hold


async def _finish_later(engine: Engine, hold: Hold) -> None:
    try:
        await finish(engine, hold)
    except store.DatabaseUnavailable as error:
        # A worker takes it up: it looks for runs that are still to be cancelled.
        log.warning("database unavailable", run_id=hold.row.run.id, error=str(error))


async def finish(engine: Engine, hold: Hold) -> None:
    """R-51: stop whoever works on the run, then close what it left open."""
    if await holders.ends_elsewhere(engine, hold.row):
        return
    await engine.worker.stop(hold.row.run.id)
    fresh = await store.runs.find(engine.database, *hold.row.scope)
    if fresh is None or fresh.run.status is not S.CANCELLING:
        return
    hold.row = fresh
    try:
        await endings.end(hold, S.CANCELLED, now=engine.now())
    except (lifecycle.LeaseLost, lifecycle.RunMoved):
        return
