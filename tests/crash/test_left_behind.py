"""Runs that a dead server left behind, in every status, and how often a turn may be taken again (R-9)."""

import pytest

from tests.crash.conversation import document, outputs, text
from tests.crash.process import MortalServer
from tests.crash.trial import ASSISTANT, asked, requests_of
from tests.support.api import Json
from treadle.engine.lifecycle import TERMINAL
from treadle.store import Database
from treadle.upstream.scripted import function_call, hang, say

CALL = function_call("get_weather", {"city": "Kyiv"})
TAKEOVERS = 3  # of one turn
SILENCE = hang(say("It is sunny and warm in Kyiv."), after_chunks=3)
ANSWER = say("It is sunny.")


class Left:
    """A run on a mortal server, seen by a client that polls."""

    def __init__(self, server: MortalServer, until, run: Json) -> None:
        self.server, self.run, self._until = server, run, until
        self.path = f"/threads/{run['thread_id']}/runs/{run['id']}"

    async def now(self) -> Json:
        return await self.server.api.found(self.path)

    async def reaches(self, *statuses: str) -> Json:
        """The run when it has one of `statuses`."""

        async def has_reached() -> Json:
            run = await self.now()
            return run if run["status"] in statuses else None

        return await self._until(has_reached)

    async def ends(self) -> Json:
        return await self.reaches(*TERMINAL)

    async def answer(self) -> None:
        """Submit the outputs that the run waits for."""
        run = await self.now()
        await self.server.api.created(f"{self.path}/submit_tool_outputs", {"tool_outputs": outputs(run)})

    async def steps(self) -> list[Json]:
        return (await self.server.api.found(f"{self.path}/steps", {"order": "asc"}))["data"]

    async def messages(self) -> list[Json]:
        path = f"/threads/{self.run['thread_id']}/messages"
        return (await self.server.api.found(path, {"order": "asc", "run_id": self.run["id"]}))["data"]


@pytest.fixture
def start_run(mortal: MortalServer, until):
    """`await start_run(question)`: a run of an assistant with a function, on a thread of its own."""

    async def start(question: str = "What is the weather?") -> Left:
        assistant = await mortal.api.created("/assistants", ASSISTANT)
        thread = {"messages": [{"role": "user", "content": question}]}
        body = {"assistant_id": assistant["id"], "thread": thread}
        return Left(mortal, until, await mortal.api.created("/threads/runs", body))

    return start


async def die(server: MortalServer) -> None:
    """kill -9, and the next life."""
    await server.kill()
    await server.start()


async def test_r_9_a_run_in_progress_goes_on(mortal, upstream, start_run):
    upstream.will_say(SILENCE, ANSWER)
    left = await start_run()
    await asked(upstream, 0)

    await die(mortal)

    assert (await left.ends())["status"] == "completed"
    assert [text(message) for message in await left.messages()] == ["It is sunny."]


async def test_r_9_partial_text_survives_until_the_redo_begins_the_same_message_anew(
    mortal, upstream, start_run, until
):
    upstream.will_say(SILENCE, ANSWER)
    left = await start_run()
    rows: list[Json] = []

    async def partial() -> list[Json]:
        return [message for message in await left.messages() if message["content"]]

    (flushed,) = await until(partial)  # M-13: about a second old at most

    async def look(_plan: str, database: Database) -> None:
        rows.append(await document(database, flushed))

    mortal.autopsy = look
    await die(mortal)
    await left.ends()

    assert text(flushed) == "It is sunny and "
    assert rows == [flushed]
    assert [(message["id"], text(message)) for message in await left.messages()] == [(flushed["id"], "It is sunny.")]


async def test_r_9_a_waiting_run_keeps_waiting_and_asks_nobody(mortal, upstream, start_run):
    upstream.will_say(CALL, ANSWER)
    left = await start_run()
    before = await left.reaches("requires_action")

    await die(mortal)

    assert await left.now() == before
    assert len(upstream.requests) == 1
    await left.answer()
    assert (await left.ends())["status"] == "completed"
    assert [step["type"] for step in await left.steps()] == ["tool_calls", "message_creation"]


class TestWithRoomForOneRun:
    @pytest.fixture
    async def mortal(self, tmp_path, upstream, database_url):
        options = ("--max-runs", "1")
        async with MortalServer(tmp_path / "data", upstream.base_url, *options, database_url=database_url) as server:
            yield server

    async def test_rl_3_a_queued_run_waits_on_behind_the_one_that_goes_on(self, mortal, upstream, start_run):
        upstream.will_say(SILENCE, SILENCE, ANSWER, ANSWER)
        first, second = await start_run("the first"), await start_run("the second")
        await asked(upstream, 0)

        await die(mortal)
        await asked(upstream, 1)
        statuses = [(await first.now())["status"], (await second.now())["status"]]
        await die(mortal)

        assert statuses == ["in_progress", "queued"]
        assert [(await left.ends())["status"] for left in (first, second)] == ["completed", "completed"]
        assert len(requests_of("the first", upstream.requests)) == 3
        assert len(requests_of("the second", upstream.requests)) == 1


async def test_r_7_a_run_that_was_being_cancelled_for_too_long_becomes_cancelled_never_expired(
    mortal, upstream, start_run
):
    upstream.will_say(hang())  # nothing to keep: the next commit is the cancel's
    left = await start_run()
    await asked(upstream, 0)
    await mortal.kill_at("published:1")
    cancelling = await mortal.api.created(f"{left.path}/cancel")

    await mortal.bury()
    mortal.ahead = 601
    await mortal.start()

    assert cancelling["status"] == "cancelling"
    assert (await left.ends())["status"] == "cancelled"


@pytest.mark.parametrize("status", ["in_progress", "requires_action"])
async def test_r_6_a_run_that_became_overdue_while_the_server_was_dead_is_expired_when_it_returns(
    mortal, upstream, start_run, status
):
    upstream.will_say(SILENCE if status == "in_progress" else CALL, SILENCE)
    left = await start_run()
    await asked(upstream, 0)
    await left.reaches(status)

    await mortal.kill()
    mortal.ahead = 601
    await mortal.start()

    assert (await left.now())["status"] == "expired"
    assert [step["status"] for step in await left.steps() if step["status"] == "in_progress"] == []


async def test_r_9_the_fourth_takeover_of_one_turn_fails_the_run_and_asks_no_more(mortal, upstream, start_run):
    upstream.will_say(*[SILENCE] * (TAKEOVERS + 1))
    left = await start_run()
    for time in range(TAKEOVERS + 1):
        await asked(upstream, time)
        await die(mortal)

    run = await left.ends()

    assert run["status"] == "failed"
    assert run["last_error"]["code"] == "server_error"
    assert len(upstream.requests) == 1 + TAKEOVERS
    assert [step["status"] for step in await left.steps() if step["status"] == "in_progress"] == []


async def test_r_9_the_takeovers_of_an_earlier_turn_do_not_count(mortal, upstream, start_run):
    upstream.will_say(*[SILENCE] * TAKEOVERS, CALL, *[SILENCE] * TAKEOVERS, ANSWER)
    left = await start_run()
    for time in range(TAKEOVERS):
        await asked(upstream, time)
        await die(mortal)
    await left.reaches("requires_action")
    await left.answer()
    for time in range(TAKEOVERS):
        await asked(upstream, TAKEOVERS + 1 + time)
        await die(mortal)

    assert (await left.ends())["status"] == "completed"


async def test_r_9_a_server_that_is_stopped_gives_its_runs_back_and_that_counts_as_no_takeover(
    mortal, upstream, start_run
):
    times = TAKEOVERS + 2
    upstream.will_say(*[SILENCE] * times, ANSWER)
    left = await start_run()
    for time in range(times):
        await asked(upstream, time)
        await mortal.terminate()
        await mortal.start()

    assert (await left.ends())["status"] == "completed"
    assert [text(message) for message in await left.messages()] == ["It is sunny."]
    assert mortal.deaths == []
