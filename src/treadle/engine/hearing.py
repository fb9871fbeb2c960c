"""What other processes on the same database tell us, and what we do then."""

from collections.abc import Awaitable, Callable, Sequence

import structlog

from treadle import store
from treadle.contract.events import EventName
from treadle.contract.runs import RunStatus as S
from treadle.engine import expiry, peers, snapshot
from treadle.engine.commands import cancelling
from treadle.engine.engine import Engine
from treadle.engine.feed import Feed
from treadle.engine.peers import Heard
from treadle.engine.relay import Mode
from treadle.store.runs import RunRow

log = structlog.get_logger(__name__)

Work = Callable[..., Awaitable[None]]


async def begin(engine: Engine) -> None:
    """Listen, from now on."""
    await engine.peers.listen(
        {
            peers.WORK: _later(engine, _work),
            peers.LOOK: _later(engine, _look),
            peers.ATTACH: _later(engine, _attach),
            peers.DETACH: lambda arguments, _text: engine.relay.stop(arguments[0]),
            peers.EVENTS: engine.relay.hear,
        },
        reconnected=engine.worker.wake,
    )


def _later(engine: Engine, work: Work) -> Heard:
    async def guarded(arguments: Sequence[str]) -> None:
        try:
            await work(engine, *arguments)
        except store.DatabaseUnavailable as error:
            log.warning("database unavailable", error=str(error))
        except Exception as error:
            log.exception("message not obeyed", exc_info=error)

    return lambda arguments, _text: engine.worker.finish_later(guarded(arguments))


async def _work(engine: Engine, *scope: str) -> None:
    if scope:
        await engine.worker.take_offered(*scope)
    else:
        engine.worker.wake()


async def _look(engine: Engine, thread_id: str, run_id: str) -> None:
    """Somebody changed a run that we execute, or did: cancel it, expire it, or let it go."""
    row = await store.runs.find(engine.database, thread_id, run_id)
    if row is None or row.lease_owner != engine.process_id:
        await engine.worker.stop(run_id)
        engine.feeds.move(run_id)
    elif row.run.status is S.CANCELLING:
        hold = engine.hold(row)
        hold.feed.publish_run(EventName.RUN_CANCELLING, row.run)
        await cancelling.finish(engine, hold)
    else:
        await expiry.settle(engine, row)


async def _attach(engine: Engine, session: str, to: str, thread_id: str, run_id: str, mode: str, event_id: str) -> None:
    """A reader in another process wants the events of a run that we execute."""
    row = await store.runs.find(engine.database, thread_id, run_id)
    feed = engine.feeds.find(run_id)
    if row is None or feed is None or not _is_told_by(engine, row, feed):
        engine.relay.refuse(session, to, -1 if row is None else row.fence)
        return
    reader = await snapshot.reader_for(engine.database, row, feed, Mode(mode), int(event_id))
    engine.relay.serve(session, to, feed.fence, reader)


def _is_told_by(engine: Engine, row: RunRow, feed: Feed) -> bool:
    """The feed has the run's last events, or they will be published in a moment: their commit is through."""
    if row.lease_owner is not None:
        return row.lease_owner == engine.process_id
    return feed.fence == row.fence or (row.executor == engine.process_id and not feed.leg_has_ended)
