"""What clients say in this suite, and what they make of the events they get."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterable

from tests.support.api import Api, Event, Json
from tests.support.runs import messages_of, steps_of
from treadle.upstream.scripted import ScriptedUpstream

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
CLOSED = ("completed", "incomplete", "failed", "cancelled", "expired")
_FRAGMENTS = ("value", "arguments")
_ID = re.compile(r"(?:asst|thread|msg|run|step|call)_\w+")


async def asked(api: Api) -> tuple[Json, Json]:
    """A thread with a question, and an assistant with a function."""
    assistant = await api.created("/assistants", {"model": "gpt-4o", "tools": [WEATHER]})
    thread = await api.created("/threads", {"messages": [{"role": "user", "content": "What is the weather in Kyiv?"}]})
    return thread, assistant


async def until_event(events: AsyncIterator[Event], name: str) -> list[Event]:
    """The events up to the first one of this name."""
    heard = [await anext(events)]
    while heard[-1].name != name:
        heard.append(await anext(events))
    return heard


async def until_text(events: AsyncIterator[Event], text: str) -> list[Event]:
    """The events until the message's text, put together from its deltas, is `text`."""
    heard: list[Event] = []
    while said(heard) != text:
        heard.append(await anext(events))
    return heard


async def is_dropped(upstream: ScriptedUpstream) -> None:
    """Returns when whoever asked the model has hung up: it is not left talking to nobody."""
    async with asyncio.timeout(10):
        await upstream.requests[0].dropped.wait()


async def all_of(events: AsyncIterator[Event]) -> list[Event]:
    return [event async for event in events]


def said(events: Iterable[Event]) -> str:
    """The text of all messages, as a client puts it together: a message that is created again begins anew (C-2)."""
    texts: dict[str, str] = {}
    for event in events:
        if event.name == "thread.message.created":
            texts[event.data["id"]] = ""
        elif event.name == "thread.message.delta":
            texts[event.data["id"]] = texts.get(event.data["id"], "") + shown([event])
    return "".join(texts.values())


def shown(events: Iterable[Event]) -> str:
    """All text that deltas brought, in the order in which it came."""
    deltas = [event.data["delta"] for event in events if event.name == "thread.message.delta"]
    return "".join(block["text"]["value"] for delta in deltas for block in delta["content"])


def closed(events: Iterable[Event]) -> list[str]:
    """The ids of the steps and messages that were told to be over, in order."""
    return [event.data["id"] for event in events if _is_closing(event)]


async def closed_rows(api: Api, run: Json) -> list[str]:
    """The ids of the run's steps and messages that are over, in the order of their events."""
    messages = await messages_of(api, {"id": run["thread_id"]})
    of_run = {message["id"] for message in messages if message["run_id"] == run["id"] and message["status"] in CLOSED}
    ids: list[str] = []
    for step in await steps_of(api, run):
        message_id = step["step_details"].get("message_creation", {}).get("message_id")
        ids += [message_id] if message_id in of_run else []
        ids += [step["id"]] if step["status"] in CLOSED else []
    return ids


def increasing(events: Iterable[Event]) -> bool:
    """The ids of the events increase, and are there (W-9)."""
    ids = [int(event.id) for event in events if event.id is not None]
    return bool(ids) and ids == sorted(set(ids))


def comparable(events: Iterable[Event]) -> list[tuple[str, Json]]:
    """(name, data) without what differs from run to run: ids are numbered as they come, times are only there or not,
    and deltas of one object that follow each other are one."""
    numbers: dict[str, str] = {}
    told: list[tuple[str, Json]] = []
    for event in events:
        data = _plain(event.data, numbers)
        if event.name.endswith(".delta") and told and told[-1][0] == event.name and told[-1][1]["id"] == data["id"]:
            told[-1] = event.name, _joined(told[-1][1], data)
        else:
            told.append((event.name, data))
    return told


def _is_closing(event: Event) -> bool:
    kind, _, status = event.name.rpartition(".")
    return kind in ("thread.run.step", "thread.message") and status in CLOSED


def _plain(value: Json, numbers: dict[str, str], key: str = "") -> Json:
    match value:
        case dict():
            return {name: _plain(of_name, numbers, name) for name, of_name in value.items()}
        case list():
            return [_plain(item, numbers) for item in value]
        case str():
            return _ID.sub(lambda found: numbers.setdefault(found[0], f"<{len(numbers)}>"), value)
        case int() if key.endswith("_at"):
            return "a time"
        case _:
            return value


def _joined(first: Json, second: Json, key: str = "") -> Json:
    """Two deltas as one, as clients accumulate them: fragments are appended, lists joined by `index` (C-9)."""
    match first, second:
        case dict(), dict():
            both = {name: _joined(first[name], second[name], name) for name in first.keys() & second.keys()}
            return {**first, **second, **both}
        case list(), list():
            items = {item["index"]: item for item in first}
            for item in second:
                items[item["index"]] = _joined(items[item["index"]], item) if item["index"] in items else item
            return [items[index] for index in sorted(items)]
        case str(), str() if key in _FRAGMENTS:
            return first + second
        case _:
            return second
