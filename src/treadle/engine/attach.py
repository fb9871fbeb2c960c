"""Attaching to a run's events, at any time, any number of readers. Contract: docs/behaviour.md, rule W-9."""

from treadle import store
from treadle.contract.events import RUN_EVENTS
from treadle.contract.run_steps import MessageCreationDetails, StepStatus
from treadle.contract.runs import ACTIVE
from treadle.engine import deltas, expiry, lifecycle
from treadle.engine.engine import Engine
from treadle.engine.feed import Feed, Reader, event
from treadle.store.runs import RunRow


async def attach(engine: Engine, project_id: str, thread_id: str, run_id: str, last_event_id: int | None) -> Reader:
    """What came after `last_event_id`; without it, or when that is no longer held, a snapshot and what comes then.

    Raises NotFound (E-61, E-62).
    """
    row = await store.runs.get(engine.database, project_id, thread_id, run_id)
    row = await expiry.settle(engine, row)
    feed = engine.feeds.find(run_id)
    if feed is not None and last_event_id is not None and (reader := feed.read_after(last_event_id)) is not None:
        return reader
    if feed is None:
        # A run that is over needs no place among the feeds.
        fence = row.fence + 1
        feed = engine.feeds.open(run_id, fence) if row.run.status in ACTIVE else Feed(fence)
    return await _snapshot(engine, row, feed)


async def _snapshot(engine: Engine, row: RunRow, feed: Feed) -> Reader:
    """The run's current event, then its unfinished step and message with all their content so far."""
    run_event = feed.run_event or event(RUN_EVENTS[row.run.status], row.run)
    unfinished = list(feed.live()) if feed.live is not None else await _from_rows(engine, row)
    has_ended = row.run.status in lifecycle.ENDS_LEG if feed.run_event is None else feed.leg_has_ended
    # The whole snapshot counts as one event: a reader that lost part of it must get it again.
    *first, last = [run_event, *unfinished]
    return feed.read(with_ids=True, first=[*first, b"id: %d\n%b" % (feed.last_id, last)], at_end=has_ended)


async def _from_rows(engine: Engine, row: RunRow) -> list[bytes]:
    steps = await store.run_steps.of_run(engine.database, *row.scope)
    messages = {own.message.id: own.message for own in await store.messages.of_run(engine.database, *row.scope)}
    events: list[bytes] = []
    for step in (row.step for row in steps if row.step.status is StepStatus.IN_PROGRESS):
        events += deltas.step_so_far(step)
        if isinstance(step.step_details, MessageCreationDetails):
            message = messages.get(step.step_details.message_creation.message_id)
            events += deltas.message_so_far(message) if message is not None else ()
    return events
