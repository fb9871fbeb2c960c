"""Runs whose time is over: by a timer, and lazily by whoever meets one. Contract: docs/behaviour.md, R-6 and R-7."""

import asyncio
from typing import Final

import structlog

from treadle import store
from treadle.contract.runs import ACTIVE
from treadle.contract.runs import RunStatus as S
from treadle.engine import endings, holders, lifecycle
from treadle.engine.engine import Engine
from treadle.store.runs import RunRow

log = structlog.get_logger(__name__)

TICK_SECONDS: Final = 1.0
EXPIRED_AT_ONCE: Final = 100


def is_overdue(engine: Engine, row: RunRow) -> bool:
    return row.due_at is not None and row.due_at <= engine.now()


def _is_long_overdue(engine: Engine, row: RunRow) -> bool:
    """The process that executes the run had its time to see to it."""
    return row.due_at is not None and row.due_at + holders.GRACE_SECONDS <= engine.now()


async def settle(engine: Engine, row: RunRow) -> RunRow:
    """The run as it must be seen now: an overdue one is expired first (R-6)."""
    while is_overdue(engine, row):
        await expire(engine, row)
        fresh = await store.runs.find(engine.database, *row.scope)
        if fresh is None:
            return row
        row = fresh
    return row


async def expire(engine: Engine, row: RunRow) -> None:
    """End an overdue run as expired; one that was being cancelled ends as cancelled (R-7)."""
    if await holders.ends_elsewhere(engine, row):
        return
    await engine.worker.stop(row.run.id)
    fresh = await store.runs.find(engine.database, *row.scope)
    if fresh is None or fresh.run.status not in ACTIVE:
        return
    to = S.CANCELLED if fresh.run.status is S.CANCELLING else S.EXPIRED
    try:
        await endings.end(engine.hold(fresh), to, now=engine.now())
    except (lifecycle.LeaseLost, lifecycle.RunMoved):
        return
    # A submit that came between the two has started the next leg.
    await engine.worker.stop(row.run.id)
    log.info("run expired", run_id=row.run.id, status=to)


async def watch_until_stopped(engine: Engine) -> None:
    """Expire what is due, also when nobody asks for it (R-6)."""
    while True:
        try:
            for row in await store.runs.due(engine.database, now=engine.now(), limit=EXPIRED_AT_ONCE):
                if not engine.is_elsewhere(row) or _is_long_overdue(engine, row):
                    await expire(engine, row)
        except store.DatabaseUnavailable as error:
            log.warning("database unavailable", error=str(error))
        await asyncio.sleep(TICK_SECONDS)
