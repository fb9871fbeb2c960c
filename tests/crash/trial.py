"""Conversations of one script, one after the other on one server, each of them with a death at a commit of its own."""

import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable, Sequence

from tests.crash import legality
from tests.crash.conversation import Conversation
from tests.crash.legality import Rounds, Shape
from tests.crash.process import DEADLINE_SECONDS, MortalServer
from tests.support.api import Json
from treadle.upstream.scripted import Received, ScriptedUpstream

PHASES = ("before", "after", "published")
Beside = Callable[[Conversation], Awaitable[None]]

CITY = {"type": "object", "properties": {"city": {"type": "string"}}}
ASSISTANT = {
    "model": "gpt-4o",
    "tools": [{"type": "function", "function": {"name": "get_weather", "parameters": CITY}}],
}


class Trial:
    """`rounds` is the script of `upstream`; `beside` is what another client does while a conversation goes on.

    Conversations are checked when they end. `shapes` are those of their runs (see `legality`); `seconds` has, per
    death, the time from the start of the next life to the end of the run, where that was still to come.
    """

    def __init__(
        self,
        server: MortalServer,
        upstream: ScriptedUpstream,
        rounds: Rounds,
        *,
        streamed: bool,
        beside: Beside | None = None,
    ) -> None:
        self.server, self.seconds, self.shapes = server, list[float](), list[Shape]()
        self._upstream, self._rounds, self._streamed, self._beside = upstream, rounds, streamed, beside
        self._numbers = itertools.count(1)
        self._assistant: Json = None

    async def commits(self) -> int:
        """How many commits such a conversation takes when nothing happens."""
        await self._converse("never")
        return await self.server.kill_at("never")

    async def kill(self, plan: str, *plans: str) -> int:
        """A conversation with a death at `plan`, and in the lives after it at `plans`. The number of deaths: a slow
        machine commits partial text more often, a fast one does not come as far as the last of these commits."""
        self.server.plans[:] = plans
        try:
            conversation = await self._converse(plan)
        except Exception as error:
            error.add_note(f"killed at {[plan, *plans]}")
            raise
        if (seconds := conversation.ended_at - self.server.started_at) > 0:
            self.seconds.append(seconds)
        return conversation.deaths

    async def _converse(self, plan: str) -> Conversation:
        if self._assistant is None:
            self._assistant = await self.server.api.created("/assistants", ASSISTANT)
        question = f"What is the weather on day {next(self._numbers)}?"
        conversation = Conversation(self.server, self._assistant["id"], question, streamed=self._streamed)
        self.server.autopsy = conversation.compare
        await self.server.kill_at(plan)
        async with asyncio.TaskGroup() as group:
            if self._beside is not None:
                group.create_task(self._beside(conversation))
            await conversation.to_its_end()
        if plan != "never":
            # A death at the last commit comes when the client has all its answers.
            await self.server.spare()
        requests = requests_of(question, self._upstream.requests)
        self.shapes.append(await legality.check(conversation, self._rounds, requests))
        return conversation


def requests_of(question: str, requests: Sequence[Received]) -> list[Received]:
    """The model server's requests that contain `question`."""
    return [received for received in requests if json.dumps(question).encode() in received.content]


async def asked(upstream: ScriptedUpstream, time: int) -> None:
    """Wait until the model server was asked for the `time`-th time, counted from 0."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        await upstream.request(time)
