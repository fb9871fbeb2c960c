"""A client that has several runs to make."""

import asyncio
import time
import traceback
from collections.abc import Sequence

import asyncpg

from tests.chaos.conversation import Conversation
from tests.chaos.door import Door, Unknown
from tests.chaos.plans import Plan
from tests.support.api import Json


class Client:
    """Makes its runs one after the other on a thread of its own. What goes wrong with one is in `problems`."""

    def __init__(self, planned: Sequence[Plan], door: Door, other_door: Door, database: asyncpg.Pool) -> None:
        self.conversations: list[Conversation] = []
        self.problems: list[str] = []
        self._planned, self._doors, self._database = planned, (door, other_door), database
        self._began_at = time.monotonic()

    @property
    def made(self) -> list[Conversation]:
        """Those whose run was created."""
        return [conversation for conversation in self.conversations if conversation.run]

    @property
    def unfinished(self) -> list[str]:
        """The runs that are not at their end, as they were last seen."""
        return [
            f"{one.plan} is not over: {one.run}"
            for one in self.conversations
            if one.run is None or one.run["status"] != one.plan.status
        ]

    async def live(self, assistant: Json) -> None:
        """Goes on to the next run when one has failed."""
        thread = await self._thread()
        for plan in self._planned:
            await asyncio.sleep(self._began_at + plan.begins_at - time.monotonic())
            conversation = Conversation(plan, thread, assistant, *self._doors, self._make_overdue)
            self.conversations.append(conversation)
            try:
                await conversation.to_its_end()
            except Exception as error:  # whatever it is, the others go on
                self.problems.append(f"{plan}: {''.join(traceback.format_exception(error))}")

    async def _thread(self) -> Json:
        """A thread that was made without our hearing of it does no harm."""
        while True:
            try:
                return await self._doors[0].post("/threads", {})
            except Unknown:
                pass

    async def _make_overdue(self, run: Json) -> None:
        await self._database.execute(
            "UPDATE runs SET due_at = floor(treadle_now()) WHERE thread_id = $1 AND id = $2 AND status = $3",
            *(run["thread_id"], run["id"], "requires_action"),
        )
