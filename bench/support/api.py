"""What every run needs before it can be measured: an assistant, and threads with a question in them."""

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


class Api:
    """Makes things on one server over one connection, and the requests that are then measured."""

    def __init__(self, connection: Connection, key: str) -> None:
        self._connection, self.key = connection, key
        self._assistant_id = ""

    @classmethod
    async def open(cls, server: Process, data_dir: Path) -> "Api":
        """Also makes the assistant that all runs are of."""
        api = cls(await Connection.open(server.port), load.key_of(data_dir))
        api._assistant_id = await api.created("/assistants", {"model": MODEL, "instructions": "Answer in a few words."})
        return api

    async def created(self, path: str, body: object) -> str:
        """The id of a new object."""
        answer = await self._connection.ask(load.request("POST", f"/v1{path}", key=self.key, body=body))
        made: str = answer.json["id"]
        return made

    async def threads(self, count: int) -> list[str]:
        """Ids of new threads that each have one message."""
        return [await self.created("/threads", {"messages": [QUESTION]}) for _ in range(count)]

    def streamed_run(self, thread_id: str) -> bytes:
        """The request for a run of the assistant, streamed."""
        body = {"assistant_id": self._assistant_id, "stream": True}
        return load.request("POST", f"/v1/threads/{thread_id}/runs", key=self.key, body=body)

    def close(self) -> None:
        self._connection.close()


def direct_call() -> bytes:
    """The same question asked of the model server itself, streamed."""
    messages = [{"role": "system", "content": "Answer in a few words."}, QUESTION]
    body = {"model": MODEL, "messages": messages, "stream": True, "stream_options": {"include_usage": True}}
    return load.request("POST", "/v1/chat/completions", body=body)
