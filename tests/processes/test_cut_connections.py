"""Connections to the database are cut: requests, streams and runs go on over new ones."""

import asyncio

import openai
import pytest

from tests.processes.talk import all_of, asked, closed, closed_rows, shown, until_text
from tests.support.runs import messages_of, text_of
from treadle.upstream.scripted import say

BEGINNING = "It is sunny"
ANSWER = f"{BEGINNING} in Kyiv, and it rains in Lviv."
SPOKEN = say(ANSWER, chunk_size=len(BEGINNING))
LOCK = "SELECT FROM threads WHERE id = $1 FOR UPDATE"


async def test_a_stream_and_its_run_go_on(cluster, upstream, rows, valve):
    upstream.will_say(SPOKEN)
    valve.shut_after(BEGINNING)
    await cluster.worker(upstream_url=valve.url)
    front = await cluster.serve(work=False)
    thread, assistant = await asked(front.api)
    body = {"assistant_id": assistant["id"], "stream": True}

    async with front.api.stream("POST", f"/threads/{thread['id']}/runs", body=body) as stream:
        events = await until_text(stream, BEGINNING)
        run = events[0].data
        assert await rows.cut_connections() >= 4
        # While nobody listens, the worker's frames are lost.
        valve.open()
        events += await all_of(stream)

    assert [text_of(message) for message in (await messages_of(front.api, thread))[1:]] == [ANSWER]
    assert shown(events) == ANSWER
    assert closed(events) == await closed_rows(front.api, run)
    assert len(upstream.requests) == 1
    assert (await rows.run(run))["takeovers"] == 0


async def test_signals_are_carried_again(cluster, upstream, rows, valve):
    upstream.will_say(SPOKEN)
    valve.shut_after(BEGINNING)
    worker = await cluster.worker(upstream_url=valve.url)
    front = await cluster.serve(work=False)
    thread, assistant = await asked(front.api)

    assert await rows.cut_connections() >= 4
    await asyncio.gather(*(member.says("signals are back") for member in (front, worker)))

    body = {"assistant_id": assistant["id"], "stream": True}
    async with front.api.stream("POST", f"/threads/{thread['id']}/runs", body=body) as stream:
        # It comes while the model has not gone on, so it was relayed.
        await until_text(stream, BEGINNING)
        valve.open()
        await all_of(stream)


async def test_h_24_a_commit_whose_end_nobody_knows_is_not_to_be_sent_again(cluster, rows):
    """Its connection is cut while it waits for a lock."""
    front = await cluster.serve(work=False)
    thread, _assistant = await asked(front.api)
    message = {"role": "user", "content": "And in Lviv?"}

    async with rows.locked(LOCK, thread["id"]) as lock:
        posting = asyncio.create_task(front.api.post(f"/threads/{thread['id']}/messages", message))
        await rows.cut(await lock.is_awaited())
        answer = await posting

    assert answer.status == 503
    assert answer.headers["x-should-retry"] == "false"
    assert "retry-after" not in answer.headers
    assert "may have been carried out" in answer.error["message"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the whole API is marked so
async def test_h_24_the_official_client_does_not_send_it_again(cluster, rows):
    front = await cluster.serve(work=False)
    thread, _assistant = await asked(front.api)
    messages = front.sdk.with_options(max_retries=2).beta.threads.messages

    async with rows.locked(LOCK, thread["id"]) as lock:
        posting = asyncio.create_task(messages.create(thread["id"], role="user", content="And in Lviv?"))
        await rows.cut(await lock.is_awaited())
        with pytest.raises(openai.InternalServerError):
            await posting

    # Here it was not carried out, so a second try would be seen.
    assert len(await messages_of(front.api, thread)) == 1


async def test_a_read_whose_connection_is_dead_is_tried_again(cluster, rows):
    front = await cluster.serve(work=False)
    thread, _assistant = await asked(front.api)

    assert await rows.cut_connections() > 0

    assert (await front.api.found(f"/threads/{thread['id']}"))["id"] == thread["id"]


async def test_a_write_whose_connection_was_dead_before_it_began_is_carried_out_once(cluster, rows):
    front = await cluster.serve(work=False)
    thread, _assistant = await asked(front.api)

    assert await rows.cut_connections() > 0
    answer = await front.api.post(f"/threads/{thread['id']}/messages", {"role": "user", "content": "And in Lviv?"})

    # Or nobody knows: the server may have cut the connection before or after it got the statement.
    assert answer.status == 200 or answer.headers["x-should-retry"] == "false"
    assert len(await messages_of(front.api, thread)) == (2 if answer.status == 200 else 1)
