"""Readers that attach at a commit: what they are told fits together, whichever commit it is (W-9, 7.4)."""

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest

from tests.crash.conversation import Deltas, outputs
from tests.support.api import Api, Event, Json, parsed
from tests.support.server import LiveServer, running
from treadle.engine import attach
from treadle.engine.engine import Engine
from treadle.engine.feed import Reader
from treadle.upstream.scripted import function_call, say

CALLS = function_call("get_weather", {"city": "Kyiv"}) + function_call("get_weather", {"city": "Lviv"})


class Audience:
    """Attaches a reader to the run in the very moment in which the events of a commit are out, at every commit."""

    def __init__(self) -> None:
        self.engine: Engine | None = None
        self.heard: list[asyncio.Task[list[Event]]] = []

    def observe(self, phase: str) -> None:
        if phase == "published" and self.engine is not None:
            scopes = self.engine.database._reader.execute("SELECT project_id, thread_id, id FROM runs").fetchall()
            for scope in scopes:
                reader = at_once(attach.attach(self.engine, *scope, None))
                self.heard.append(asyncio.ensure_future(listen(reader)))

    async def all_heard(self) -> list[list[Event]]:
        return [await task for task in self.heard]


def at_once(work: Coroutine[Any, Any, Reader]) -> Reader:
    """The result of a coroutine that does not wait: the event loop gets no turn meanwhile."""
    with pytest.raises(StopIteration) as stopped:
        work.send(None)
    return stopped.value.value


async def listen(reader: Reader) -> list[Event]:
    return [event async for event in parsed(Body(reader))]


class Body:
    """A reader's stream, as far as `parsed` looks at a response."""

    def __init__(self, reader: Reader) -> None:
        self.aiter_raw = reader.__aiter__


@pytest.fixture
def database_url() -> None:
    """SQLite, where a read does not wait: nothing comes between the events and the reader."""


@pytest.fixture
def audience() -> Audience:
    return Audience()


@pytest.fixture
def server(settings, clock, audience) -> Iterator[LiveServer]:
    with running(settings, clock=clock, observe_commit=audience.observe) as live:
        audience.engine = live.engine
        yield live


@pytest.mark.parametrize("answer", [say("Let me look. ") + CALLS, CALLS], ids=["text and calls", "calls"])
async def test_w_9_what_a_reader_is_told_fits_together_from_whichever_commit_on(
    api, assistant, thread, upstream, until, server, audience, answer
):
    upstream.will_say(answer, say("It is sunny in both cities."))

    run = await api.created(f"/threads/{thread['id']}/runs", {"assistant_id": assistant["id"]})
    run = await until(lambda: reached(api, run, "requires_action"))
    path = f"/threads/{thread['id']}/runs/{run['id']}"
    await api.created(f"{path}/submit_tool_outputs", {"tool_outputs": outputs(run)})
    run = await until(lambda: reached(api, run, "completed"))

    heard = server.call(audience.all_heard)
    for events in heard:
        fits_together(events)
    assert len(heard) > 5
    assert {run_events(events)[-1] for events in heard} == {"thread.run.requires_action", "thread.run.completed"}


async def reached(api: Api, run: Json, status: str) -> Json:
    """The run once it has `status`."""
    now = await api.found(f"/threads/{run['thread_id']}/runs/{run['id']}")
    return now if now["status"] == status else None


def fits_together(events: list[Event]) -> None:
    """It begins with the run, deltas follow what they belong to, and whatever is open is closed before the end."""
    deltas, is_open = Deltas(), set[str]()
    assert events[0].data["object"] == "thread.run"
    assert events[-1].name == "done"
    for event in events[:-1]:
        deltas.add(event)
        if event.name.endswith(".created"):
            is_open.add(event.data["id"])
        if event.name in ("thread.message.completed", "thread.run.step.completed"):
            is_open.remove(event.data["id"])
    # Only a step whose calls wait for their outputs outlasts the leg.
    assert len(is_open) == (run_events(events)[-1] == "thread.run.requires_action")


def run_events(events: list[Event]) -> list[str]:
    return [event.name for event in events if event.name != "done" and event.data["object"] == "thread.run"]
