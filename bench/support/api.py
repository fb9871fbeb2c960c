"""What every run needs before it can be measured: an assistant, and threads with a question in them."""

import asyncio
from pathlib import Path
from typing import Final

from bench.support import load
from bench.support.load import Connection
from bench.support.processes import Process

QUESTION: Final = {
    "role": "user",
    "content": "What is the weather like in Kyiv today, and what about the next three days?",
}
MODEL: Final = "gpt-4o"
# Threads are made side by side, so that they share commits.
MAKERS: Final = 16


class Api:
    """Makes things on one server, and the requests that are then measured."""

    def __init__(self, connections: list[Connection], key: str) -> None:
        self._connections, self.key = connections, key
        self._assistant_id = ""

    @classmethod
    async def open(cls, server: Process, data_dir: Path) -> "Api":
        """Also makes the assistant that all runs are of."""
        api = cls([await Connection.open(server.port) for _ in range(MAKERS)], load.key_of(data_dir))
        assistant = {"model": MODEL, "instructions": "Answer in a few words."}
        api._assistant_id = await api._created(api._connections[0], "/assistants", assistant)
        return api

    async def threads(self, count: int) -> list[str]:
        """Ids of new threads that each have one message."""
        remaining = iter(range(count))

        async def make(connection: Connection) -> list[str]:
            return [await self._created(connection, "/threads", {"messages": [QUESTION]}) for _ in remaining]

        return [id for made in await asyncio.gather(*map(make, self._connections)) for id in made]

    def streamed_run(self, thread_id: str) -> bytes:
        """The request for a run of the assistant, streamed."""
        body = {"assistant_id": self._assistant_id, "stream": True}
        return load.request("POST", f"/v1/threads/{thread_id}/runs", key=self.key, body=body)

    def close(self) -> None:
        for connection in self._connections:
            connection.close()

    async def _created(self, connection: Connection, path: str, body: object) -> str:
        answer = await connection.ask(load.request("POST", f"/v1{path}", key=self.key, body=body))
        made: str = answer.json["id"]
        return made


def direct_call() -> bytes:
    """The same question asked of the model server itself, streamed."""
    messages = [{"role": "system", "content": "Answer in a few words."}, QUESTION]
    body = {"model": MODEL, "messages": messages, "stream": True, "stream_options": {"include_usage": True}}
    return load.request("POST", "/v1/chat/completions", body=body)
