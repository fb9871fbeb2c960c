"""Runs whose time is over. Contract: docs/behaviour.md, rules R-4, R-6, R-7 and S-10."""

import asyncio

import pytest

from tests.support import runs
from tests.support.api import Json
from treadle.upstream.scripted import function_call, hang, say


@pytest.fixture
async def waiting(api, assistant, thread, upstream) -> Json:
    upstream.will_say(function_call("get_weather", {"city": "Kyiv"}))
    return await runs.ran(api, thread, assistant)


@pytest.fixture
async def working(api, assistant, thread, upstream) -> Json:
    return await runs.writing(api, thread, assistant, upstream, "It is su")


async def test_r_4_a_run_lives_for_ten_minutes(api, waiting, clock):
    clock.advance(590)
    before = await api.found(runs.path(waiting))
    clock.advance(11)
    after = await api.found(runs.path(waiting))

    assert before["status"] == "requires_action"
    assert before["expires_at"] == before["created_at"] + 600
    assert (after["status"], after["expires_at"], after["required_action"]) == ("expired", None, None)
    assert (after["completed_at"], after["failed_at"], after["cancelled_at"], after["last_error"]) == (None,) * 4


async def test_r_6_a_working_run_expires_with_its_message_and_its_step(api, thread, upstream, working, clock):
    clock.advance(601)

    run = await api.found(runs.path(working))
    message = (await runs.messages_of(api, thread))[-1]
    [step] = await runs.steps_of(api, run)
    assert run["status"] == "expired"
    assert message["status"] == "incomplete"
    assert message["incomplete_details"] == {"reason": "run_expired"}
    assert runs.text_of(message) == "It is su"
    assert (step["status"], step["expires_at"]) == ("expired", None)
    assert step["expired_at"] == message["incomplete_at"]
    await asyncio.wait_for(upstream.requests[0].dropped.wait(), 10)


async def test_r_6_a_working_run_expires_without_anybody_asking_for_it(api, working, clock):
    async with api.stream("GET", f"{runs.path(working)}/stream") as events:
        clock.advance(601)
        seen = [event async for event in events]

    assert runs.names(seen)[-4:] == ["m.incomplete", "s.expired", "r.expired", "done"]


async def test_r_6_a_waiting_run_expires_without_anybody_asking_for_it(server, waiting, clock, until):
    def status() -> str:
        return server.engine.feeds.find(waiting["id"]).run_event.split(b"\n")[0].decode()

    clock.advance(601)

    async def has_expired() -> bool:
        return server.call(status) == "event: thread.run.expired"

    assert await until(has_expired)


async def test_r_6_list_runs_shows_an_overdue_run_expired(api, thread, waiting, clock):
    clock.advance(601)

    [run] = (await api.found(f"/threads/{thread['id']}/runs"))["data"]
    assert run["status"] == "expired"


async def test_r_6_list_run_steps_shows_the_steps_of_an_overdue_run_expired(api, waiting, clock):
    clock.advance(601)

    [step] = (await api.found(f"{runs.path(waiting)}/steps"))["data"]
    assert step["status"] == "expired"


async def test_r_6_an_overdue_run_without_steps_is_expired_by_list_run_steps_too(
    api, assistant, thread, upstream, clock
):
    upstream.will_say(hang())
    run = await runs.begun(api, thread, assistant)

    clock.advance(601)

    assert (await api.found(f"{runs.path(run)}/steps"))["data"] == []
    assert (await api.found(runs.path(run)))["status"] == "expired"


async def test_r_6_an_overdue_run_no_longer_keeps_messages_out(api, thread, waiting, clock):
    clock.advance(601)

    await api.created(f"/threads/{thread['id']}/messages", {"role": "user", "content": "And in Lviv?"})

    assert (await api.found(runs.path(waiting)))["status"] == "expired"


async def test_r_6_an_overdue_run_no_longer_keeps_runs_out(api, assistant, thread, upstream, working, clock):
    upstream.will_say(say("Sunny."))
    clock.advance(601)

    run = await runs.ran(api, thread, assistant)

    assert run["status"] == "completed"
    assert (await api.found(runs.path(working)))["status"] == "expired"


async def test_r_6_an_overdue_run_takes_no_outputs(api, waiting, clock):
    clock.advance(601)

    answer = await api.post(f"{runs.path(waiting)}/submit_tool_outputs", runs.outputs(waiting))

    assert answer.status == 400
    assert answer.error["message"] == 'Runs in status "expired" do not accept tool outputs.'


async def test_r_6_modify_run_shows_an_overdue_run_expired(api, waiting, clock):
    clock.advance(601)

    run = await api.created(runs.path(waiting), {"metadata": {"seen": "yes"}})

    assert (run["status"], run["metadata"]) == ("expired", {"seen": "yes"})


async def test_r_6_of_many_readers_each_sees_the_run_expired(api, thread, working, clock):
    clock.advance(601)

    found = await asyncio.gather(*(api.found(runs.path(working)) for _ in range(20)))

    assert {run["status"] for run in found} == {"expired"}
    assert all(run == found[0] for run in found)


async def test_r_6_an_expired_run_no_longer_locks_its_thread_and_is_never_taken_up_again(
    api, thread, upstream, working, clock
):
    clock.advance(601)
    run = await api.found(runs.path(working))

    clock.advance(601)

    assert await api.found(runs.path(working)) == run
    assert len(upstream.requests) == 1
