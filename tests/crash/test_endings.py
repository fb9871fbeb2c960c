"""Runs that are cancelled or expire, and threads that are deleted, with a death at every commit of it."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import pytest

from tests.crash.conversation import text
from tests.crash.process import LOST, MortalServer
from tests.crash.trial import ASSISTANT
from tests.support.api import Json
from treadle.engine.lifecycle import LIFETIME_SECONDS, TERMINAL
from treadle.store import Database, Statement
from treadle.store.threads import REMOVED_AT_ONCE
from treadle.upstream.scripted import ScriptedUpstream, function_call, hang, say

# What a death before a commit leaves in the rows, a death after the commit before it left already.
SOME_PHASES = ["after", *(pytest.param(phase, marks=pytest.mark.slow) for phase in ("before", "published"))]
# Answers that leave a run unfinished, by the question that gets them; the run's status and its number of steps then.
CALL = function_call("get_weather", {"city": "Kyiv"})
UNFINISHED = {
    "text": (hang(say("It is sunny in Kyiv."), after_chunks=3), ("in_progress", 1)),
    "text and a call": (hang(say("Wait. ") + CALL, after_chunks=3), ("in_progress", 2)),
    "a call that waits": (CALL, ("requires_action", 1)),
}


@pytest.fixture
async def upstream():
    """A model server that gives the answer of UNFINISHED, however often it is asked."""
    async with ScriptedUpstream(
        choose=lambda received: UNFINISHED[received.body["messages"][-1]["content"]][0]
    ) as server:
        yield server


@pytest.fixture
def unfinished(mortal: MortalServer, until) -> Callable[[str], Awaitable[Json]]:
    """`await unfinished(question)`: a run that has come as far as UNFINISHED says, on a thread of its own."""

    async def make(question: str) -> Json:
        assistant = await mortal.api.created("/assistants", ASSISTANT)
        thread = {"messages": [{"role": "user", "content": question}]}
        run = await mortal.api.created("/threads/runs", {"assistant_id": assistant["id"], "thread": thread})

        async def has_come_so_far() -> bool:
            status = (await mortal.api.found(path(run)))["status"]
            steps = (await mortal.api.found(f"{path(run)}/steps"))["data"]
            return (status, len(steps)) == UNFINISHED[question][1]

        await until(has_come_so_far)
        return run

    return make


def path(run: Json) -> str:
    return f"/threads/{run['thread_id']}/runs/{run['id']}"


async def end(server: MortalServer, run: Json, status: str) -> Json:
    """The run when it is over: cancelled by a client that asks again until it knows, or expired."""
    if status == "expired":
        server.advance(LIFETIME_SECONDS + 1)
    while True:
        life = server.lives
        try:
            run = await server.api.found(path(run))
            if run["status"] in TERMINAL:
                return run
            if status == "cancelled" and run["status"] != "cancelling":
                await server.api.created(f"{path(run)}/cancel")
        except LOST:
            await server.revive(life)


@pytest.mark.parametrize("phase", SOME_PHASES)
@pytest.mark.parametrize("status", ["cancelled", "expired"])
@pytest.mark.parametrize("question", UNFINISHED)
async def test_r_53_s_10_an_ending_that_dies_at_any_commit_is_whole(mortal, unfinished, question, status, phase):
    run = await unfinished(question)
    await mortal.kill_at("never")
    await end(mortal, run, status)
    commits = await mortal.kill_at("never")
    assert commits > 0

    for number in range(1, commits + 1):
        run = await unfinished(question)
        await mortal.kill_at(f"{phase}:{number}")
        run = await end(mortal, run, status)
        await mortal.spare()

        assert await mortal.api.found(path(run)) == run
        assert (run["status"], run["required_action"], run["expires_at"]) == (status, None, None)
        await check_closed(mortal, run, f"run_{status}")
        # the thread is free.
        await mortal.api.created(f"/threads/{run['thread_id']}/messages", {"role": "user", "content": "Thanks."})
    assert mortal.deaths


async def check_closed(server: MortalServer, run: Json, reason: str) -> None:
    """No step or message is open, and what was cut says why."""
    steps = (await server.api.found(f"{path(run)}/steps", {"order": "asc"}))["data"]
    messages = (await server.api.found(f"/threads/{run['thread_id']}/messages", {"run_id": run["id"]}))["data"]
    *earlier, last = steps
    assert [step["status"] for step in earlier] == ["completed"] * len(earlier)
    assert last["status"] == run["status"]
    assert last[f"{last['status']}_at"] is not None
    if last["type"] == "message_creation":
        (message,) = messages
        assert message["status"] == "incomplete"
        assert message["incomplete_details"] == {"reason": reason}
        assert "It is sunny in Kyiv.".startswith(text(message))
    else:
        assert [message["status"] for message in messages] == ["completed"] * len(earlier)


@pytest.mark.parametrize("phase", SOME_PHASES)
@pytest.mark.parametrize("question", UNFINISHED)
async def test_t_7_a_deletion_that_dies_at_any_commit_leaves_nothing_and_loses_nothing(
    mortal, unfinished, until, question, phase
):
    async def nothing_is_left() -> bool:
        await mortal.tend()
        async with mortal.database() as database:
            return not any((await rows_of(database, run["thread_id"])).values())

    run = await unfinished(question)
    await mortal.kill_at("never")
    await mortal.api.delete(f"/threads/{run['thread_id']}")
    await until(nothing_is_left)
    commits = await mortal.kill_at("never")
    assert commits > 1

    for number in range(1, commits + 1):
        run = await unfinished(question)
        await mortal.kill_at(f"{phase}:{number}")
        await delete(mortal, run)
        await until(nothing_is_left)
        await mortal.spare()

        for gone in (
            f"/threads/{run['thread_id']}",
            path(run),
            f"{path(run)}/steps",
            f"/threads/{run['thread_id']}/messages",
        ):
            assert (await mortal.api.get(gone)).status == 404
    assert mortal.deaths


async def delete(server: MortalServer, run: Json) -> None:
    """Delete the run's thread, and ask again until it is known to be gone. Until then it is all there."""
    thread = f"/threads/{run['thread_id']}"
    while True:
        life = server.lives
        try:
            if (await server.api.get(thread)).status == 404:
                return
            assert len((await server.api.found(f"{thread}/messages"))["data"]) > 0
            assert (await server.api.get(f"{path(run)}/steps")).status == 200
            await server.api.delete(thread)
        except LOST:
            await server.revive(life)


async def test_t_7_the_remains_of_a_long_thread_are_removed_by_the_next_life(mortal, until):
    thread = await mortal.api.created("/threads")
    messages = f"/threads/{thread['id']}/messages"
    message = {"role": "user", "content": "And another thing."}
    await asyncio.gather(*(mortal.api.created(messages, message) for _ in range(REMOVED_AT_ONCE + 20)))
    at_death: list[dict[str, int]] = []

    async def count(_plan: str, database: Database) -> None:
        at_death.append(await rows_of(database, thread["id"]))

    async def nothing_is_left() -> bool:
        async with mortal.database() as database:
            return not any((await rows_of(database, thread["id"])).values())

    mortal.autopsy = count

    await mortal.kill_at("after:2")  # the deletion itself, then the first part of the remains
    with contextlib.suppress(LOST):
        await mortal.api.delete(f"/threads/{thread['id']}")
    await mortal.revive(1)

    assert (at_death[0]["messages"], at_death[0]["threads"]) == (20, 0)
    assert (await mortal.api.get(messages)).status == 404
    await until(nothing_is_left)


async def rows_of(database: Database, thread_id: str) -> dict[str, int]:
    """How many rows each table has of the thread."""
    conditions = {
        **dict.fromkeys(("threads", "deleted_threads"), "id = $1"),
        **dict.fromkeys(("messages", "runs", "run_steps", "turns"), "thread_id = $1"),
        "tombstones": "substr(scope, 1, length($1)) = $1",
    }
    counts: dict[str, int] = {}
    for table, condition in conditions.items():
        row = await database.fetch_one(Statement(f"SELECT count(*) FROM {table} WHERE {condition}", (thread_id,)))
        counts[table] = row[0] if row else 0
    return counts
