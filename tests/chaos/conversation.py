"""One run, brought to its end by a client that is careful and does not know what happens behind the API."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from tests.chaos.door import PAUSE_SECONDS, Door, Refused, Unknown
from tests.chaos.plans import Act, Manner, Plan
from tests.chaos.readings import Reading
from tests.crash.conversation import outputs
from tests.support.api import Json
from treadle.engine.lifecycle import TERMINAL

EVENT_IDS = {"X-Treadle-Event-Ids": "1"}

MakeOverdue = Callable[[Json], Awaitable[None]]


class Conversation:
    """Brings one planned run to its end. `run` is as it was last seen, `readings` are the streams that were read of it.

    An onlooker reads along through a door of its own. `make_overdue` lets the run's ten minutes pass.
    """

    def __init__(
        self, plan: Plan, thread: Json, assistant: Json, door: Door, other_door: Door, make_overdue: MakeOverdue
    ) -> None:
        self.plan, self.thread = plan, thread
        self.run: Json = None
        self.readings: list[Reading] = []
        self._assistant, self._door, self._other_door = assistant, door, other_door
        self._make_overdue = make_overdue
        self._last: Reading | None = None
        self._lost_leg: int | None = None  # the one whose request may have been carried out
        self._is_writing = asyncio.Event()

    async def to_its_end(self) -> None:
        """Raises Refused, in a group, for what must not be refused."""
        async with asyncio.TaskGroup() as group:
            if self.plan.act is Act.CANCEL_WRITING:
                group.create_task(self._cancel_when_it_writes())
            await self._create()
            if self.plan.onlooker:
                group.create_task(self._look_on())
            while self.run["status"] not in TERMINAL:
                if self.run["status"] == "requires_action":
                    await self._act()
                else:
                    await self._follow()
            self._is_writing.set()

    @property
    def path(self) -> str:
        return f"/threads/{self.thread['id']}/runs/{self.run['id']}"

    async def _create(self) -> None:
        message = {"role": "user", "content": self.plan.question}
        body = {"assistant_id": self._assistant["id"], "model": self.plan.model, "additional_messages": [message]}
        path = f"/threads/{self.thread['id']}/runs"
        while self.run is None:
            try:
                await self._begin_leg(0, path, body)
            except Unknown:
                await self._find(path)
            except Refused as refused:
                self._require_lost(0, refused, b"already has an active run")
                await self._find(path)

    async def _find(self, path: str) -> None:
        runs = (await self._door.get(f"{path}?limit=100"))["data"]
        self.run = next((run for run in runs if run["model"] == self.plan.model), None)

    async def _act(self) -> None:
        """Do with a waiting run as planned."""
        asked = self.plan.round_of(self.run)
        if asked < len(self.plan.rounds) - 1 or self.plan.act is Act.NOTHING:
            await self._submit(asked + 1)
        elif self.plan.act is Act.CANCEL_WAITING:
            await self._cancel(self._door)
            await self._look()
        else:
            await self._make_overdue(self.run)
            await self._look()

    async def _submit(self, leg: int) -> None:
        """A request that was lost is sent again while the run still waits for these calls."""
        body = {"tool_outputs": outputs(self.run)}
        try:
            await self._begin_leg(leg, f"{self.path}/submit_tool_outputs", body)
        except Unknown:
            pass
        except Refused as refused:
            self._require_lost(leg, refused, b"do not accept tool outputs")
        await self._look()

    async def _begin_leg(self, leg: int, path: str, body: Json) -> None:
        """Raises Unknown, Refused."""
        try:
            if self.plan.manner is Manner.POLL:
                self.run = await self._door.post(path, body)
                return
            headers = EVENT_IDS if self.plan.manner is Manner.ATTACH else {}
            self._last = Reading(leg=leg, before=self._last)
            await self._read(self._last, self._door, "POST", path, {**body, "stream": True}, headers)
        except Unknown:
            self._lost_leg = leg
            raise

    def _require_lost(self, leg: int, refused: Refused, words: bytes) -> None:
        """A request may only be refused because another, which was lost, has been carried out since we looked.

        An answer that allows to send it again says that it was not (H-24).
        """
        if leg != self._lost_leg or words not in refused.body:
            raise refused

    async def _follow(self) -> None:
        """Learn more of a run that is at work."""
        if self.plan.manner is Manner.ATTACH:
            self._last = Reading(leg=None, before=self._last)
            with suppress(Unknown):
                await self._attach(self._last, self._door)
        await asyncio.sleep(PAUSE_SECONDS)
        await self._look()

    async def _look(self) -> None:
        self.run = await self._door.get(self.path)
        if self.run["status"] == "in_progress":
            self._is_writing.set()

    async def _look_on(self) -> None:
        """Read one leg to its end."""
        reading: Reading | None = None
        while reading is None or not reading.is_at_end:
            reading = Reading(leg=None, before=reading)
            with suppress(Unknown):
                await self._attach(reading, self._other_door)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _attach(self, reading: Reading, door: Door) -> None:
        headers = {"Last-Event-ID": str(reading.last_id)} if reading.last_id else {}
        await self._read(reading, door, "GET", f"{self.path}/stream", None, headers)

    async def _read(
        self, reading: Reading, door: Door, method: str, path: str, body: Json, headers: dict[str, str]
    ) -> None:
        """Raises Unknown when the stream breaks, Refused."""
        self.readings.append(reading)
        async with door.stream(method, path, body, headers) as events:
            async for event in events:
                reading.hear(event)
                if event.name == "thread.message.delta":
                    self._is_writing.set()
                elif event.name.startswith("thread.run.") and event.data["object"] == "thread.run":
                    self.run = event.data
        reading.close()

    async def _cancel_when_it_writes(self) -> None:
        await self._is_writing.wait()
        while not await self._cancel(self._other_door):
            pass

    async def _cancel(self, door: Door) -> bool:
        """Whether the run is no longer to be cancelled: it is being cancelled, or over."""
        try:
            await door.post(f"{self.path}/cancel")
        except (Unknown, Refused):
            return (await door.get(self.path))["status"] in {*TERMINAL, "cancelling"}
        return True
