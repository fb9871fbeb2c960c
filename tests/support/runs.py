"""Runs in the tests: how they are begun, waited for and answered."""

import asyncio
from collections.abc import Iterable

import msgspec

from tests.support.api import Api, Event, Json
from treadle.upstream.scripted import ScriptedUpstream, Turn, cut, hang, say

WORKING = ("queued", "in_progress", "cancelling")


def path(run: Json) -> str:
    return f"/threads/{run['thread_id']}/runs/{run['id']}"


async def begun(api: Api, thread: Json, assistant: Json, **body: Json) -> Json:
    """A new run, as createRun answers it."""
    return await api.created(f"/threads/{thread['id']}/runs", {"assistant_id": assistant["id"], **body})


async def writing(api: Api, thread: Json, assistant: Json, upstream: ScriptedUpstream, text: str) -> Json:
    """A run whose model has said `text`, which readers of the stream were shown, and will say no more."""
    pieces = -(-len(text) // 4)
    upstream.will_say(hang(say(text, chunk_size=4), after_chunks=1 + pieces))
    run = await begun(api, thread, assistant)
    shown = ""
    async with asyncio.timeout(15), api.stream("GET", f"{path(run)}/stream") as events:
        while shown != text:
            event = await anext(events)
            if event.name == "thread.message.delta":
                shown += event.data["delta"]["content"][0]["text"]["value"]
    return await api.found(path(run))


def broken_off(turn: Turn, *, after_chunks: int, inside: bool = False) -> Turn:
    """The answer until the connection breaks; what was sent before has been read by then."""
    return cut(msgspec.structs.replace(turn, delay_seconds=0.1), after_chunks=after_chunks, inside=inside)


async def settled(api: Api, run: Json) -> Json:
    """The run once nothing more happens to it by itself: it waits for tool outputs, or is over."""
    async with asyncio.timeout(15):
        while run["status"] in WORKING:
            run = await api.found(path(run))
    return run


async def ran(api: Api, thread: Json, assistant: Json, **body: Json) -> Json:
    """A new run, settled."""
    return await settled(api, await begun(api, thread, assistant, **body))


async def reached(api: Api, run: Json, status: str) -> Json:
    """The run once it has this status, which it may leave again by itself."""
    async with asyncio.timeout(15):
        while run["status"] != status:
            run = await api.found(path(run))
    return run


def call_ids(run: Json) -> list[str]:
    return [call["id"] for call in run["required_action"]["submit_tool_outputs"]["tool_calls"]]


def outputs(run: Json, text: str = "sunny") -> Json:
    """The body of a submit that answers every call of the round."""
    return {"tool_outputs": [{"tool_call_id": id, "output": text} for id in call_ids(run)]}


async def answered(api: Api, run: Json, text: str = "sunny") -> Json:
    """The run, settled again after its calls were answered."""
    return await settled(api, await api.created(f"{path(run)}/submit_tool_outputs", outputs(run, text)))


async def steps_of(api: Api, run: Json) -> list[Json]:
    """Its steps, oldest first."""
    return (await api.found(f"{path(run)}/steps", {"order": "asc", "limit": 100}))["data"]


async def messages_of(api: Api, thread: Json) -> list[Json]:
    """The thread's messages, oldest first."""
    return (await api.found(f"/threads/{thread['id']}/messages", {"order": "asc", "limit": 100}))["data"]


def text_of(message: Json) -> str:
    return "".join(part["text"]["value"] for part in message["content"] if part["type"] == "text")


def names(events: Iterable[Event]) -> list[str]:
    """The names of a stream's events, as short as section 7.3 has them; each stretch of deltas counts as one."""
    shortened: list[str] = []
    for event in events:
        name = event.name
        for long, short in (("thread.run.step.", "s."), ("thread.run.", "r."), ("thread.message.", "m.")):
            name = name.replace(long, short)
        if not (name.endswith(".delta") and shortened[-1:] == [name]):
            shortened.append(name)
    return shortened


def of_kind(events: Iterable[Event], name: str) -> list[Json]:
    """The data of all events of this name."""
    return [event.data for event in events if event.name == name]
