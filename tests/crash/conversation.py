"""A client that asks, answers tool calls and comes back after every lost connection, and remembers what it was told."""

import json
import time
from collections.abc import Iterable
from typing import Any

from tests.crash.process import LOST, MortalServer
from tests.support.api import Event, Json
from treadle.engine.lifecycle import NEXT, TERMINAL
from treadle.store import Database, Statement

IDS = {"X-Treadle-Event-Ids": "1"}
TABLES = {"thread": "threads", "thread.message": "messages", "thread.run": "runs", "thread.run.step": "run_steps"}
# For messages and steps; a run's are in the engine's table.
FINISHED = ("completed", "incomplete", "cancelled", "expired", "failed")
THANKS = "Thank you."


class Conversation:
    """A thread with a question, a run that answers it, and the client's thanks.

    `told` holds the newest form of each object, by id, that an answer or an event showed; `answered` the ids of those
    that a 2xx answered. A client that streams comes back to the run's own stream (W-9); one that does not, polls.
    """

    def __init__(self, server: MortalServer, assistant_id: str, question: str, *, streamed: bool) -> None:
        self.server, self.assistant_id, self.question, self.streamed = server, assistant_id, question, streamed
        self.told: dict[str, Json] = {}
        self.answered: set[str] = set()
        self.event_ids: list[int] = []
        self.thread: Json = None
        self.run: Json = None
        self.ended_at = 0.0
        self.deaths = 0
        self.deltas = Deltas()

    async def to_its_end(self) -> Json:
        """The run when it is over, and the thread took another message. Starts the server again when it died."""
        while True:
            life = self.server.lives
            try:
                return await self._go_on()
            except LOST:
                self.deltas = Deltas()  # fragments of a stream that broke are worth nothing
                await self.server.revive(life)

    async def _go_on(self) -> Json:
        if self.thread is None:
            message = {"role": "user", "content": self.question}
            self.thread = self._answer(await self.server.api.created("/threads", {"messages": [message]}))
        await self._find_run()
        if self.run is None:
            await self._request("/runs", {"assistant_id": self.assistant_id})
        while self.run["status"] not in TERMINAL:
            if self.run["status"] == "requires_action":
                await self._request(f"/runs/{self.run['id']}/submit_tool_outputs", {"tool_outputs": outputs(self.run)})
            else:
                await self._wait()
        self.ended_at = time.perf_counter()
        await self._thank()
        return self.run

    async def _find_run(self) -> None:
        """Whether a request whose answer was lost had been accepted."""
        runs = (await self.server.api.found(f"{self.path}/runs"))["data"]
        assert len(runs) <= 1, "the client asked for one run"
        for run in runs:
            self.run = self._answer(run)

    async def _request(self, path: str, body: Json) -> None:
        """Ask for a leg of the run; a client that streams reads it to its end."""
        if not self.streamed:
            self.run = self._answer(await self.server.api.created(self.path + path, body))
            return
        await self._read("POST", path, {**body, "stream": True})

    async def _wait(self) -> None:
        if self.streamed:
            return await self._read("GET", f"/runs/{self.run['id']}/stream", None)
        self.run = self._answer(await self.server.api.found(f"{self.path}/runs/{self.run['id']}"))
        for step in (await self.server.api.found(f"{self.path}/runs/{self.run['id']}/steps"))["data"]:
            self.told[step["id"]] = step
        return None

    async def _read(self, method: str, path: str, body: Json) -> None:
        headers = dict(IDS)
        if method == "GET" and self.event_ids:
            headers["Last-Event-ID"] = str(self.event_ids[-1])
        async with self.server.api.stream(method, self.path + path, body=body, headers=headers) as events:
            async for event in events:
                self._hear(event)

    def _hear(self, event: Event) -> None:
        if event.id is not None:
            # Per run, and increasing also over a crash (W-9).
            assert not self.event_ids or int(event.id) > self.event_ids[-1], event
            self.event_ids.append(int(event.id))
        if event.name == "done":
            return
        self.deltas.add(event)
        if not event.name.endswith(".delta"):
            self.told[event.data["id"]] = event.data
        if event.data["object"] == "thread.run":
            self.run = event.data

    async def _thank(self) -> None:
        messages = (await self.server.api.found(f"{self.path}/messages"))["data"]
        if text(messages[0]) != THANKS:
            message = {"role": "user", "content": THANKS}
            self._answer(await self.server.api.created(f"{self.path}/messages", message))

    @property
    def path(self) -> str:
        return f"/threads/{self.thread['id']}"

    def _answer(self, answer: Json) -> Json:
        self.told[answer["id"]] = answer
        self.answered.add(answer["id"])
        return answer

    async def compare(self, plan: str, database: Database) -> None:
        """An autopsy: whatever the client was told is in the rows, or they are further (S-11)."""
        self.deaths += 1
        for told in self.told.values():
            row = await document(database, told)
            if row is None:
                self._may_be_replaced(told)
            elif "status" in told:
                assert row["status"] in _from_here_on(told), (told, row)
        if self.streamed and self.thread and self.deaths == 1 and plan.startswith("published"):
            await self._compare_published(database)

    def _may_be_replaced(self, told: Json) -> None:
        """A redo replaces what the life before left unfinished (R-9); nothing else goes away."""
        assert self.deaths > 1, told
        assert told["id"] not in self.answered, told
        assert told["status"] not in FINISHED, told

    async def _compare_published(self, database: Database) -> None:
        """The last event is with the client: no row is a step further than what it was told."""
        for table in ("runs", "run_steps"):
            of_thread = Statement(f"SELECT doc FROM {table} WHERE thread_id = $1", (self.thread["id"],))
            for (doc,) in await database.fetch_all(of_thread):
                row = json.loads(doc)
                assert self.told.get(row["id"], {}).get("status") == row["status"], row


class Deltas:
    """What an accumulating client makes of deltas (7.4): it equals the whole object, also over snapshots (W-9).

    A message or step that begins anew after a crash is created anew (R-9); the client begins anew with it.
    """

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._arguments: dict[str, list[str]] = {}

    def add(self, event: Event) -> None:
        id, object = event.data.get("id"), event.data
        match event.name:
            case "thread.message.created":
                self._texts[id] = ""
            case "thread.message.delta":
                self._texts[id] += "".join(block["text"]["value"] for block in object["delta"]["content"])
            case "thread.message.completed":
                assert self._texts[id] == text(object)
            case "thread.run.step.created":
                self._arguments[id] = []
            case "thread.run.step.delta":
                for call in object["delta"]["step_details"]["tool_calls"]:
                    self._add_call(self._arguments[id], call)
            case "thread.run.step.completed" if id in self._arguments:  # else its calls were found by polling
                calls = object["step_details"].get("tool_calls", ())
                assert self._arguments[id] == [call["function"]["arguments"] for call in calls]

    @staticmethod
    def _add_call(arguments: list[str], call: Json) -> None:
        assert ("id" in call) == (call["index"] == len(arguments)), call  # D-5: the head comes once, and first
        if "id" in call:
            arguments.append("")
        arguments[call["index"]] += call["function"].get("arguments", "")


def outputs(run: Json) -> list[Json]:
    """What the client's functions return: always the same for the same arguments."""
    calls = run["required_action"]["submit_tool_outputs"]["tool_calls"]
    return [{"tool_call_id": call["id"], "output": output(call["function"]["arguments"])} for call in calls]


def output(arguments: str) -> str:
    return f"sunny for {arguments}"


def text(message: Json) -> str:
    return "".join(part["text"]["value"] for part in message["content"])


async def document(database: Database, told: Json) -> Json:
    """The row's document of an object that a client was told of; None when there is none."""
    row = await database.fetch_one(Statement(f"SELECT doc FROM {TABLES[told['object']]} WHERE id = $1", (told["id"],)))
    return json.loads(row[0]) if row else None


def _from_here_on(told: Json) -> set[str]:
    """The statuses that the object may have by now."""
    if told["object"] != "thread.run":
        return {told["status"]} if told["status"] in FINISHED else {"in_progress", *FINISHED}
    reached: set[Any] = {told["status"]}
    while (more := _after(reached)) - reached:
        reached |= more
    return reached


def _after(statuses: Iterable[Any]) -> set[Any]:
    return {after for status, follows in NEXT.items() if status in statuses for after in follows}
