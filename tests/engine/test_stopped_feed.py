"""What the readers of a feed hear when the server stops. Contract: docs/behaviour.md, W-8."""

import asyncio

from treadle.contract.events import EventName
from treadle.engine.feed import DONE, Feeds


async def test_readers_get_what_was_published_then_an_error_and_the_end():
    feeds = Feeds()
    feed = feeds.open("run_1", 1)
    late, waiting = feed.read(with_ids=False), feed.read(with_ids=False)
    heard = asyncio.create_task(collected(waiting))
    await asyncio.sleep(0)  # it waits now
    feed.publish(EventName.STEP_CREATED, "step")

    feeds.stop()

    for text in (await heard, await collected(late)):
        assert text.startswith(b'event: thread.run.step.created\ndata: "step"\n\n')
        assert text.count(b"event: error\ndata: ") == 1
        assert text.endswith(b"\n\n" + DONE)


async def collected(reader) -> bytes:
    return b"".join([piece async for piece in reader])
