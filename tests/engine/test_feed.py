"""A run's feed and its readers. Contract: docs/behaviour.md, rules W-5, W-9, W-10 and W-20."""

import asyncio
import json

import pytest

from tests.engine.objects import a_run
from treadle.contract.events import EventName
from treadle.contract.runs import RunStatus as S
from treadle.engine.feed import BUFFERED_EVENTS, DONE, KEEP_ALIVE, MAX_KEPT_AFTER_END, Feed, Feeds, Reader, event

DELTA = EventName.MESSAGE_DELTA


def say(feed: Feed, *numbers: int) -> None:
    for number in numbers:
        feed.publish(DELTA, number)


def said(*numbers: int) -> bytes:
    return b"".join(event(DELTA, number) for number in numbers)


def end(feed: Feed, status: S = S.COMPLETED) -> bytes:
    """Publish the end of a leg, and return its event."""
    run = a_run(status)
    feed.publish_run(EventName(f"thread.run.{status}"), run)
    return event(EventName(f"thread.run.{status}"), run)


async def body(reader: Reader) -> bytes:
    return b"".join([piece async for piece in reader])


def ids(stream: bytes) -> list[int]:
    return [int(line[4:]) for line in stream.split(b"\n") if line.startswith(b"id: ")]


def test_w_2_an_event_is_two_lines_and_an_empty_one():
    assert event(DELTA, {"a": "b\n"}) == b'event: thread.message.delta\ndata: {"a":"b\\n"}\n\n'


async def test_a_reader_gets_what_comes_after_it_began_to_read():
    feed = Feed(1)
    say(feed, 1)
    reader = feed.read(with_ids=False)
    say(feed, 2, 3)
    last = end(feed)

    assert await body(reader) == said(2, 3) + last + DONE


async def test_a_waiting_reader_gets_an_event_at_once():
    feed = Feed(1)
    pieces = aiter(feed.read(with_ids=False))
    waiting = asyncio.ensure_future(anext(pieces))
    await asyncio.sleep(0)

    say(feed, 1)

    assert await asyncio.wait_for(waiting, 1) == said(1)


async def test_any_number_of_readers_get_the_same():
    feed = Feed(1)
    readers = [feed.read(with_ids=True) for _ in range(3)]
    tasks = [asyncio.ensure_future(body(reader)) for reader in readers]

    for number in range(10):
        say(feed, number)
        await asyncio.sleep(0)
    end(feed)

    first, second, third = await asyncio.gather(*tasks)
    assert first == second == third
    assert len(ids(first)) == 11


async def test_w_10_a_reader_stops_at_the_end_of_its_leg():
    feed = Feed(1)
    reader = feed.read(with_ids=False)
    say(feed, 1)
    last = end(feed, S.REQUIRES_ACTION)
    say(feed, 2)
    end(feed)

    assert await body(reader) == said(1) + last + DONE


async def test_w_10_a_reader_of_the_next_leg_begins_behind_the_end_of_the_one_before():
    feed = Feed(1)
    end(feed, S.REQUIRES_ACTION)
    reader = feed.read(with_ids=False)
    say(feed, 2)
    last = end(feed)

    assert await body(reader) == said(2) + last + DONE


async def test_w_9_ids_count_up_from_those_of_the_fence():
    feed, later = Feed(1), Feed(2)
    reader, late_reader = feed.read(with_ids=True), later.read(with_ids=True)
    for one in (feed, later):
        say(one, 1, 2)
        end(one)

    first, second = ids(await body(reader)), ids(await body(late_reader))

    assert first == [first[0], first[0] + 1, first[0] + 2]
    assert second[0] > first[-1]


async def test_w_9_a_reader_that_comes_back_gets_what_it_missed():
    feed = Feed(1)
    everything = feed.read(with_ids=True)
    say(feed, 1, 2, 3)
    end(feed)
    stream = await body(everything)

    for position, id in enumerate(ids(stream)[:-1], start=1):
        reader = feed.read_after(id)
        assert reader is not None
        events = stream.split(b"\n\n")
        assert await body(reader) == b"\n\n".join(events[position:])


async def test_w_9_who_has_seen_the_end_of_the_leg_is_told_that_it_is_done():
    feed = Feed(1)
    say(feed, 1)
    end(feed, S.REQUIRES_ACTION)

    reader = feed.read_after(feed.last_id)

    assert reader is not None
    assert await body(reader) == DONE


async def test_w_9_who_has_seen_the_end_of_the_leg_before_gets_the_next_one():
    feed = Feed(1)
    end(feed, S.REQUIRES_ACTION)
    seen = feed.last_id
    say(feed, 1)
    last = end(feed)

    reader = feed.read_after(seen)

    assert reader is not None
    stream = await body(reader)
    assert ids(stream) == [seen + 1, seen + 2]
    assert last in stream


@pytest.mark.parametrize("offset", [-2, 1, 1000])
def test_w_9_an_id_that_was_never_given_or_is_of_another_worker_is_not_held(offset):
    feed = Feed(1)

    assert feed.read_after(feed.last_id + offset) is None


async def test_w_9_an_id_that_is_no_longer_held_is_not_served():
    feed = Feed(1)
    say(feed, 0)
    first = feed.last_id

    say(feed, *range(2 * BUFFERED_EVENTS))

    assert feed.read_after(first) is None
    assert feed.read_after(feed.last_id - BUFFERED_EVENTS + 10) is not None


async def test_w_8_a_reader_that_fell_behind_is_told_so_and_the_stream_is_done():
    feed = Feed(1)
    reader = feed.read(with_ids=False)

    say(feed, *range(2 * BUFFERED_EVENTS))
    stream = await body(reader)

    name, data = stream.removesuffix(DONE).decode().rstrip("\n").split("\n")
    told = json.loads(data.removeprefix("data: "))
    inner = told.pop("error")
    assert name == "event: error"
    assert told == inner
    assert inner["message"].startswith("This reader fell too far behind the run.")


async def test_a_reader_that_falls_behind_in_the_middle_gets_no_gap():
    feed = Feed(1)
    pieces = aiter(feed.read(with_ids=False))
    say(feed, 1)
    assert await anext(pieces) == said(1)

    say(feed, *range(3 * BUFFERED_EVENTS))

    assert (await anext(pieces)).startswith(b"event: error\n")
    assert [piece async for piece in pieces] == []


async def test_a_reader_one_event_short_of_the_buffer_gets_everything():
    feed = Feed(1)
    reader = feed.read(with_ids=False)

    say(feed, *range(2 * BUFFERED_EVENTS - 2))
    last = end(feed, S.REQUIRES_ACTION)

    assert await body(reader) == said(*range(2 * BUFFERED_EVENTS - 2)) + last + DONE


async def test_w_5_a_silent_stream_is_kept_alive_and_goes_on():
    feed = Feed(1, keep_alive_seconds=0.01)
    pieces = aiter(feed.read(with_ids=False))

    assert [await anext(pieces) for _ in range(3)] == [KEEP_ALIVE] * 3
    say(feed, 1)
    assert await anext(pieces) == said(1)


async def test_a_reader_that_is_closed_ends_without_more_events():
    feed = Feed(1)
    reader = feed.read(with_ids=False)
    reading = asyncio.ensure_future(body(reader))
    await asyncio.sleep(0)

    reader.close()
    say(feed, 1)

    assert await asyncio.wait_for(reading, 1) == b""


async def test_what_is_given_first_comes_first_and_without_ids_of_its_own():
    feed = Feed(1)
    reader = feed.read(with_ids=True, first=[b"event: snapshot\n\n"])
    say(feed, 1)
    end(feed)

    stream = await body(reader)

    assert stream.startswith(b"event: snapshot\n\nid: ")


def test_the_events_of_a_leg_that_is_over_are_not_live():
    feed = Feed(1)
    feed.live = lambda: [b"event: snapshot\n\n"]

    end(feed, S.REQUIRES_ACTION)

    assert feed.live is None
    assert feed.leg_has_ended


def test_the_feed_knows_the_runs_present_state():
    feed = Feed(1)
    queued = a_run()
    feed.publish_run(EventName.RUN_QUEUED, queued)
    say(feed, 1)

    assert feed.run_event == event(EventName.RUN_QUEUED, queued)
    assert not feed.leg_has_ended


class TestFeeds:
    def test_a_run_has_one_feed(self):
        feeds = Feeds()

        assert feeds.open("run_1", 1) is feeds.open("run_1", 2) is feeds.find("run_1")
        assert feeds.open("run_2", 1) is not feeds.find("run_1")

    def test_a_feed_of_a_run_that_was_not_created_is_forgotten(self):
        feeds = Feeds()
        feeds.open("run_1", 1)

        feeds.discard("run_1")

        assert feeds.find("run_1") is None

    async def test_a_feed_outlives_its_run_for_readers_that_come_back(self):
        feeds = Feeds()
        feed = feeds.open("run_1", 1)

        end(feed)

        assert feeds.find("run_1") is feed
        assert feed.ended

    async def test_of_many_runs_that_are_over_the_latest_are_kept_and_of_those_that_are_not_all(self):
        feeds = Feeds()
        going_on = feeds.open("run_going_on", 1)

        for number in range(MAX_KEPT_AFTER_END + 1):
            end(feeds.open(f"run_{number}", 1))

        assert feeds.find("run_0") is None
        assert feeds.find("run_1") is not None
        assert feeds.find("run_going_on") is going_on
