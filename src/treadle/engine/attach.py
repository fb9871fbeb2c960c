"""Attaching to a run's events, at any time, any number of readers. Contract: docs/behaviour.md, rule W-9."""

from treadle import store
from treadle.contract.runs import ACTIVE
from treadle.engine import expiry, snapshot
from treadle.engine.engine import Engine
from treadle.engine.feed import Feed, Stream
from treadle.engine.following import Follower
from treadle.engine.relay import Mode


async def attach(engine: Engine, project_id: str, thread_id: str, run_id: str, last_event_id: int | None) -> Stream:
    """What came after `last_event_id`; without it, or when that is no longer held, a snapshot and what comes then.

    Raises NotFound (E-61, E-62).
    """
    row = await store.runs.get(engine.database, project_id, thread_id, run_id)
    row = await expiry.settle(engine, row)
    mode, event_id = (Mode.SNAPSHOT, 0) if last_event_id is None else (Mode.AFTER, last_event_id)
    if engine.database.shared:
        closed = await snapshot.closed_ids(engine.database, row)
        return Follower(engine, row.scope, mode=mode, event_id=event_id, with_ids=True, closed=closed)
    feed = engine.feeds.find(run_id)
    if feed is not None:
        return await snapshot.reader_for(engine.database, row, feed, mode, event_id)
    # A run that is over needs no place among the feeds.
    fence = row.fence + 1
    feed = engine.feeds.open(run_id, fence) if row.run.status in ACTIVE else Feed(fence)
    return await snapshot.read_from(engine.database, row, feed)
