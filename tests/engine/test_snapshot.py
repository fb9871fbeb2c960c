"""Snapshots for readers that come late. Contract: docs/behaviour.md, rule W-9."""

from collections.abc import Callable
from typing import Any

from tests.engine.objects import a_row, a_run
from treadle.contract.events import EventName
from treadle.contract.runs import RunStatus as S
from treadle.engine import snapshot
from treadle.engine.feed import DONE, Feed, event
from treadle.store import Database


class Slow:
    """A database in front of which `meanwhile` happens, once, while something is read."""

    def __init__(self, database: Database, meanwhile: Callable[[], None]) -> None:
        self._database, self._meanwhile = database, [meanwhile]

    async def fetch_all(self, statement: Any) -> Any:
        rows = await self._database.fetch_all(statement)
        if self._meanwhile:
            self._meanwhile.pop()()
        return rows


async def test_a_run_that_ends_while_its_snapshot_is_made_has_ended_in_it(database):
    feed = Feed(1)
    cancelling, cancelled = a_run(S.CANCELLING), a_run(S.CANCELLED)
    feed.publish_run(EventName.RUN_CANCELLING, cancelling)
    slow = Slow(database, lambda: feed.publish_run(EventName.RUN_CANCELLED, cancelled))

    reader = await snapshot.read_from(slow, a_row(cancelling), feed)

    body = b"".join([piece async for piece in reader])
    assert body == b"id: %d\n" % feed.last_id + event(EventName.RUN_CANCELLED, cancelled) + DONE
