"""Requests that meet at the worst moment, through the live server. Contract: RL-4, R-8, R-36, M-14, S-10."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from tests.support import runs
from tests.support.api import Api, Event, Json
from tests.support.server import LiveServer, running
from treadle import store
from treadle.contract.events import RUN_EVENTS
from treadle.engine import expiry, lifecycle
from treadle.upstream.scripted import ScriptedUpstream, function_call, hang, say

KYIV = function_call("get_weather", {"city": "Kyiv"})


async def assert_consistent(api: Api, thread: Json, run: Json) -> None:
    """Whatever won: nothing of the run is open, messages agree with their steps, and the thread is free."""
    assert run == await api.found(runs.path(run))
    messages = {message["id"]: message for message in await runs.messages_of(api, thread)}
    written = {id for id, message in messages.items() if message["run_id"] == run["id"]}
    named = set()
    for step in await runs.steps_of(api, run):
        assert step["status"] != "in_progress"
        if step["type"] == "message_creation":
            message = messages[step["step_details"]["message_creation"]["message_id"]]
            named.add(message["id"])
            assert message["status"] == ("completed" if step["status"] == "completed" else "incomplete")
    assert named == written
    await api.created(f"/threads/{thread['id']}/messages", {"role": "user", "content": "Once more?"})


def assert_legal(events: list[Event], status: str) -> None:
    """W-20: one event ends the leg, and it is the last one before done."""
    ends = [RUN_EVENTS[status] for status in lifecycle.ENDS_LEG]
    assert runs.names(events)[-2:] == [f"r.{status}", "done"]
    assert sum(event.name in ends for event in events) == 1


@pytest.mark.parametrize("moment", range(1, 14))
async def test_rl_4_a_cancel_at_any_event_of_a_run(api, assistant, thread, upstream, moment):
    upstream.will_say(say("It is sunny.", chunk_size=4, delay_seconds=0.001))
    body, seen, answer = {"assistant_id": assistant["id"], "stream": True}, [], None

    async with api.stream("POST", f"/threads/{thread['id']}/runs", body=body) as events:
        async for event in events:
            seen.append(event)
            if len(seen) == moment:
                answer = await api.post(f"{runs.path(seen[0].data)}/cancel")

    run = await runs.settled(api, await api.found(runs.path(seen[0].data)))
    if answer is not None and answer.status == 200:
        assert (answer.json["status"], run["status"]) == ("cancelling", "cancelled")
    else:
        assert run["status"] == "completed"
        assert answer is None or answer.error["message"] == "Cannot cancel run with status 'completed'."
    assert_legal(seen, run["status"])
    await assert_consistent(api, thread, run)


@pytest.mark.parametrize("moment", range(1, 14))
async def test_rl_4_expiry_at_any_event_of_a_run(api, assistant, thread, upstream, clock, moment):
    upstream.will_say(say("It is sunny.", chunk_size=4, delay_seconds=0.001))
    body, seen = {"assistant_id": assistant["id"], "stream": True}, []

    async with api.stream("POST", f"/threads/{thread['id']}/runs", body=body) as events:
        async for event in events:
            seen.append(event)
            if len(seen) == moment:
                clock.advance(601)
                await asyncio.gather(*(api.found(runs.path(seen[0].data)) for _ in range(3)))

    run = await api.found(runs.path(seen[0].data))
    assert run["status"] in ("expired", "completed")
    assert_legal(seen, run["status"])
    await assert_consistent(api, thread, run)


async def test_r_36_metadata_written_beside_a_working_run_are_not_lost_and_do_not_stop_it(
    api, assistant, thread, upstream
):
    upstream.will_say(say("It is sunny in Kyiv, and it will stay so.", chunk_size=2, delay_seconds=0.005) + KYIV)
    upstream.will_say(say("Sunny.", chunk_size=1, delay_seconds=0.01))
    run = await runs.begun(api, thread, assistant)
    written = 0

    async def modify_until(statuses: set[str]) -> Json:
        nonlocal written
        while True:
            written += 1
            found = await api.created(runs.path(run), {"metadata": {"count": str(written)}})
            assert found["metadata"] == {"count": str(written)}
            if found["status"] in statuses:
                return found

    async with asyncio.timeout(20):
        waiting = await modify_until({"requires_action", "failed"})
        await api.created(f"{runs.path(run)}/submit_tool_outputs", runs.outputs(waiting))
        done = await modify_until({"completed", "failed"})

    assert done["status"] == "completed"
    assert written > 10
    assert (await api.found(runs.path(run)))["metadata"] == {"count": str(written)}
    await assert_consistent(api, thread, done)


async def test_m_14_metadata_written_beside_a_streaming_message_are_not_lost_and_do_not_stop_it(
    api, assistant, thread, upstream
):
    text = "It is sunny in Kyiv, and it will stay so."
    upstream.will_say(say(text, chunk_size=1, delay_seconds=0.03))
    run = await runs.begun(api, thread, assistant)
    written, message = 0, None

    async with asyncio.timeout(20):
        while message is None or message["status"] == "in_progress":
            if message is None:
                [message] = [one for one in await runs.messages_of(api, thread) if one["run_id"]] or [None]
                continue
            written += 1
            path = f"/threads/{thread['id']}/messages/{message['id']}"
            message = await api.created(path, {"metadata": {"count": str(written)}})
            assert message["metadata"] == {"count": str(written)}

    run = await runs.settled(api, run)
    message = await api.found(path)
    assert (run["status"], message["status"]) == ("completed", "completed")
    assert (runs.text_of(message), message["metadata"]) == (text, {"count": str(written)})
    assert written > 10


async def test_t_7_a_thread_that_is_deleted_at_any_event_is_gone(api, assistant, upstream):
    for moment in range(1, 12):
        upstream.will_say(say("It is sunny.", chunk_size=4, delay_seconds=0.001))
        thread = await api.created("/threads")
        seen, deleted = [], None

        async with api.stream(
            "POST", f"/threads/{thread['id']}/runs", body={"assistant_id": assistant["id"], "stream": True}
        ) as events:
            async for event in events:
                seen.append(event)
                if len(seen) == moment:
                    deleted = await api.delete(f"/threads/{thread['id']}")

        assert deleted is not None
        assert deleted.status == 200
        assert runs.names(seen)[-2:] in (["r.cancelled", "done"], ["r.completed", "done"])
        assert (await api.get(runs.path(seen[0].data))).status == 404


async def test_r_8_messages_and_runs_created_together_never_meet_in_one_thread(api, assistant, thread, upstream):
    upstream.will_say(hang())

    answers = await asyncio.gather(
        *(api.post(f"/threads/{thread['id']}/messages", {"role": "user", "content": str(n)}) for n in range(10)),
        api.post(f"/threads/{thread['id']}/runs", {"assistant_id": assistant["id"]}),
        *(api.post(f"/threads/{thread['id']}/messages", {"role": "user", "content": str(n)}) for n in range(10)),
    )

    accepted = [answer for answer in answers if answer.status == 200 and answer.json["object"] == "thread.message"]
    asked = (await upstream.request(0)).body["messages"]
    assert len(asked) == 1 + len(accepted) == len(await runs.messages_of(api, thread))


class TestTheAnswerOfAWaitingRun:
    @pytest.fixture
    async def upstream(self) -> AsyncIterator[ScriptedUpstream]:
        """Every run calls a function, and then the model falls silent."""
        async with ScriptedUpstream(rounds=[[KYIV], [hang()]]) as server:
            yield server

    async def test_rl_4_a_cancel_against_a_submit(self, api, assistant):
        for _ in range(20):
            run = await runs.ran(api, await api.created("/threads"), assistant)

            cancelled, submitted = await asyncio.gather(
                api.post(f"{runs.path(run)}/cancel"),
                api.post(f"{runs.path(run)}/submit_tool_outputs", runs.outputs(run)),
            )

            assert cancelled.status == 200  # a run that was just answered can be cancelled, too
            if submitted.status != 200:
                status = "cancelling" if "cancelling" in submitted.error["message"] else "cancelled"
                assert submitted.error["message"] == f'Runs in status "{status}" do not accept tool outputs.'
            run = await runs.settled(api, cancelled.json)
            assert run["status"] == "cancelled"
            [step] = await runs.steps_of(api, run)
            assert step["status"] == ("completed" if submitted.status == 200 else "cancelled")

    async def test_rl_4_a_submit_against_expiry(self, api, assistant, clock):
        for _ in range(20):
            thread = await api.created("/threads")
            run = await runs.ran(api, thread, assistant)
            clock.advance(601)

            submitted, *found = await asyncio.gather(
                api.post(f"{runs.path(run)}/submit_tool_outputs", runs.outputs(run)),
                *(api.found(runs.path(run)) for _ in range(3)),
            )

            assert submitted.status == 400
            assert submitted.error["message"] == 'Runs in status "expired" do not accept tool outputs.'
            assert {one["status"] for one in found} == {"expired"}
            await assert_consistent(api, thread, found[0])


class Interruption:
    """Watches a server's commits and, while the n-th from `arm` on is under way, interrupts the run's worker."""

    def __init__(self) -> None:
        self.count = 0
        self._at: int | None = None
        self._interrupt: Callable[[], None] = lambda: None

    def arm(self, at: int, interrupt: Callable[[], None]) -> None:
        self.count, self._at, self._interrupt = 0, at, interrupt

    def __call__(self, phase: str) -> None:
        if phase == "before" and self._at is not None:
            self.count += 1
            if self.count == self._at:
                self._at = None
                self._interrupt()


class TestInTheMiddleOfACommit:
    """A task that is cancelled while its commit is under way must not write over what it committed."""

    @pytest.fixture
    def interruption(self) -> Interruption:
        return Interruption()

    @pytest.fixture
    def server(self, settings, clock, interruption) -> Iterator[LiveServer]:
        with running(settings, clock=clock, observe_commit=interruption) as live:
            yield live

    @pytest.mark.parametrize("moment", range(1, 7))
    async def test_s_10_an_interrupted_commit_leaves_nothing_half_closed(
        self, server, api, assistant, thread, upstream, interruption, moment
    ):
        upstream.will_say(say("Let me look. ") + KYIV, say("Sunny."))
        engine = server.engine

        async def expire() -> None:
            active = await store.runs.find_active(engine.database, thread["id"])
            if active is not None:
                await expiry.expire(engine, active)

        def interrupt() -> None:
            loop, told = server._loop, threading.Event()
            asyncio.run_coroutine_threadsafe(expire(), loop)
            if engine.database.shared:
                # Called on the loop, in a task of the commit's own.
                for task in engine.worker._tasks.values():
                    task.cancel()
            else:
                # Called in the writer's thread: it waits until the loop has told the worker's task to stop.
                loop.call_soon_threadsafe(lambda: loop.call_soon(lambda: loop.call_soon(told.set)))
                told.wait(10)

        interruption.arm(moment, interrupt)
        run = await runs.ran(api, thread, assistant)
        if run["status"] == "requires_action":
            answer = await api.post(f"{runs.path(run)}/submit_tool_outputs", runs.outputs(run))
            run = await runs.settled(api, answer.json if answer.status == 200 else await api.found(runs.path(run)))

        assert interruption.count >= moment, "the run had fewer commits than this"
        if run["status"] == "requires_action":
            run = await runs.settled(api, await api.created(f"{runs.path(run)}/cancel"))
        assert run["status"] in ("expired", "completed", "cancelled")
        await assert_consistent(api, thread, run)
