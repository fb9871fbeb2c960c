"""What a feed keeps in memory. Contract: docs/behaviour.md, W-9."""

from treadle.contract.events import EventName
from treadle.engine.feed import BUFFERED_BYTES, Feed


def published(count: int, size: int) -> Feed:
    feed = Feed(1)
    for _ in range(count):
        feed.publish(EventName.STEP_COMPLETED, "x" * size)
    return feed


def held(feed: Feed) -> int:
    """Bytes of events that a reader who comes back could still get."""
    events, _ = feed.take(feed._dropped)
    return sum(map(len, events))


def test_large_events_are_not_kept_by_the_thousand():
    """A run with 64 rounds of tool outputs may publish gigabytes."""
    feed = published(200, 1024 * 1024)

    assert BUFFERED_BYTES <= held(feed) <= 2 * BUFFERED_BYTES + 2 * 1024 * 1024


async def test_an_event_larger_than_all_that_is_kept_reaches_its_readers():
    feed = Feed(1)
    reader = feed.read(with_ids=False)

    feed.publish(EventName.STEP_COMPLETED, "x" * 2 * BUFFERED_BYTES)
    feed.publish(EventName.STEP_CREATED, "next")

    piece = await anext(aiter(reader))
    assert piece.startswith(b"event: thread.run.step.completed\n")
    assert piece.endswith(b'event: thread.run.step.created\ndata: "next"\n\n')


def test_ids_go_on_where_they_were_when_events_are_dropped():
    feed = published(200, 1024 * 1024)

    assert feed.last_id == feed.first_id + 199
    assert feed.read_after(feed.first_id) is None
    assert feed.read_after(feed.last_id - 1) is not None
