"""A run as it is now, in events: for readers that come late, and for those who missed something. Rule W-9."""

from collections.abc import Container

from treadle import store
from treadle.contract.events import RUN_EVENTS
from treadle.contract.messages import Message
from treadle.contract.run_steps import MessageCreationDetails, RunStep, StepDetails, StepStatus
from treadle.engine import deltas, lifecycle
from treadle.engine.feed import Feed, Reader, event
from treadle.engine.relay import Mode
from treadle.store import Database
from treadle.store.runs import RunRow


async def reader_for(database: Database, row: RunRow, feed: Feed, mode: Mode, event_id: int) -> Reader:
    """A reader of what is asked for; of a snapshot and what comes then, when the feed no longer has it."""
    return held_by(feed, mode, event_id) or await read_from(database, row, feed)


def held_by(feed: Feed, mode: Mode, event_id: int) -> Reader | None:
    """A reader of what is asked for; None when only a snapshot will do."""
    if mode is Mode.SNAPSHOT:
        return None
    reader = feed.read_after(event_id)
    if reader is None and mode is Mode.ON and event_id < feed.first_id and feed.is_whole:
        reader = feed.read_all()
    return reader


async def read_from(database: Database, row: RunRow, feed: Feed) -> Reader:
    """The run's current event, its unfinished step and message with all their content so far, then what comes next."""
    position = -1
    while position != feed.position:
        # Rows that were read while the feed went on are of another moment than the run's event.
        position = feed.position
        unfinished = list(feed.live()) if feed.live is not None else await _unfinished(database, row)
    run_event = feed.run_event or event(RUN_EVENTS[row.run.status], row.run)
    has_ended = row.run.status in lifecycle.ENDS_LEG if feed.run_event is None else feed.leg_has_ended
    # The whole snapshot counts as one event: a reader that lost part of it must get it again.
    *first, last = [run_event, *unfinished]
    return feed.read(with_ids=True, first=[*first, b"id: %d\n%b" % (feed.last_id, last)], at_end=has_ended)


async def closed_ids(database: Database, row: RunRow) -> set[str]:
    """The ids of the run's steps that are over, and of their messages."""
    steps = [row.step for row in await store.run_steps.of_run(database, *row.scope)]
    over = [step for step in steps if step.status is not StepStatus.IN_PROGRESS]
    return {id for step in over for id in (step.id, _message_id(step.step_details))}


async def beyond(database: Database, row: RunRow, begun: Container[str], closed: Container[str]) -> list[bytes]:
    """The events of steps and messages whose end is not in `closed`, or whose beginning is not in `begun`."""
    events: list[bytes] = []
    for step, message in await _steps_with_messages(database, row):
        if step.status is StepStatus.IN_PROGRESS:
            events += _so_far(step, message) if step.id not in begun else ()
        elif step.id not in closed:
            is_missing = message is not None and message.id not in closed
            events += deltas.closed_step(step, deltas.closed_message(message) if message and is_missing else ())
    return events


async def _unfinished(database: Database, row: RunRow) -> list[bytes]:
    events: list[bytes] = []
    for step, message in await _steps_with_messages(database, row):
        if step.status is StepStatus.IN_PROGRESS:
            events += _so_far(step, message)
    return events


async def _steps_with_messages(database: Database, row: RunRow) -> list[tuple[RunStep, Message | None]]:
    """The run's steps, oldest first, each with the message it writes."""
    steps = [row.step for row in await store.run_steps.of_run(database, *row.scope)]
    messages = {own.message.id: own.message for own in await store.messages.of_run(database, *row.scope)}
    return [(step, messages.get(_message_id(step.step_details))) for step in steps]


def _message_id(details: StepDetails) -> str:
    return details.message_creation.message_id if isinstance(details, MessageCreationDetails) else ""


def _so_far(step: RunStep, message: Message | None) -> list[bytes]:
    return [*deltas.step_so_far(step), *(deltas.message_so_far(message) if message is not None else ())]
