"""What must be true of a conversation whose run is over, however often the server died meanwhile."""

import itertools
import json
from collections.abc import Iterator, Sequence
from typing import Any

from tests.crash.conversation import FINISHED, THANKS, Conversation, output, text
from tests.support.api import Json
from treadle.store import Database, Statement
from treadle.upstream.scripted import Received, Turn

Rounds = Sequence[Sequence[Turn]]
# Steps without their ids: ("message_creation", text) or ("tool_calls", [(name, arguments, output), ...]).
Shape = list[tuple[str, Any]]

USAGE = ("prompt_tokens", "completion_tokens", "total_tokens")


async def check(conversation: Conversation, rounds: Rounds, asked: Sequence[Received]) -> Shape:
    """The run completed with the steps of a legal answer, and nothing is lost, doubled or left over.

    `rounds` is the script of the model server, `asked` its requests. Returns what the run looks like.
    """
    run, steps, messages = await _read(conversation)
    assert run["status"] == "completed", run
    own = {message["id"]: message for message in messages if message["run_id"] == run["id"]}

    assert [step for step in steps if step["status"] != "completed" or step["completed_at"] is None] == []
    assert [message for message in own.values() if message["status"] != "completed"] == []
    shape = _shape(steps, own)
    assert shape in list(legal_shapes(rounds))
    # Every message belongs to one step, every step to one message.
    created = [step["step_details"]["message_creation"]["message_id"] for step in _messages(steps)]
    assert sorted(created) == sorted(own)
    assert len({step["id"] for step in steps}) == len(steps)
    assert {key: sum(step["usage"][key] for step in steps) for key in USAGE} == {
        key: run["usage"][key] for key in USAGE
    }
    # The thread was free again, and nothing a client added is there twice.
    assert [text(message) for message in messages if message["run_id"] is None] == [conversation.question, THANKS]

    _check_told(conversation, {object["id"]: object for object in [run, *steps, *messages]})
    _check_prompts(asked)
    async with conversation.server.database() as database:
        await _check_rows(database, conversation.thread["id"], run, steps, messages)
    return shape


async def _read(conversation: Conversation) -> tuple[Json, list[Json], list[Json]]:
    api, path = conversation.server.api, conversation.path
    (run,) = (await api.found(f"{path}/runs"))["data"]
    steps = (await api.found(f"{path}/runs/{run['id']}/steps", {"order": "asc"}))["data"]
    messages = (await api.found(f"{path}/messages", {"order": "asc"}))["data"]
    return run, steps, messages


def legal_shapes(rounds: Rounds) -> Iterator[Shape]:
    """What a run may look like: of each turn the first or the second answer, or the text of the one that was complete
    and the calls of the other (R-9)."""
    for answer in _answers(rounds[0]):
        said: Shape = [("message_creation", answer.text)] if answer.text or not answer.calls else []
        if not answer.calls:
            yield said
            continue
        calls = [(call.name, call.text, output(call.text)) for call in answer.calls]
        for rest in legal_shapes(rounds[1:] or rounds[-1:]):
            yield [*said, ("tool_calls", calls), *rest]


def _answers(variants: Sequence[Turn]) -> Iterator[Turn]:
    yield from variants
    for first, second in itertools.combinations(variants, 2):
        if first.text and first.calls:
            yield Turn(text=first.text, calls=second.calls)


def _shape(steps: list[Json], messages: dict[str, Json]) -> Shape:
    shape: Shape = []
    for step in steps:
        details = step["step_details"]
        if step["type"] == "message_creation":
            shape.append(("message_creation", text(messages[details["message_creation"]["message_id"]])))
        else:
            functions = [call["function"] for call in details["tool_calls"]]
            calls = [(function["name"], function["arguments"], function["output"]) for function in functions]
            shape.append(("tool_calls", calls))
    return shape


def _messages(steps: list[Json]) -> list[Json]:
    return [step for step in steps if step["type"] == "message_creation"]


def _check_told(conversation: Conversation, present: dict[str, Json]) -> None:
    """What was answered is there; what was told as finished is as it was told (S-10, S-15)."""
    for id, told in conversation.told.items():
        if told["object"] == "thread":
            continue  # it was found: its run and messages were
        assert id in present or (id not in conversation.answered and told["status"] not in FINISHED), told
        if told["object"] in ("thread.message", "thread.run.step") and told["status"] in FINISHED:
            assert present[id] == told


def _check_prompts(asked: Sequence[Received]) -> None:
    """A turn that is taken again asks the very same (R-9)."""
    prompts = {json.dumps(received.body, sort_keys=True) for received in asked}
    answered_rounds = [sum("tool_calls" in message for message in json.loads(prompt)["messages"]) for prompt in prompts]
    assert sorted(answered_rounds) == list(range(len(prompts)))


async def _check_rows(database: Database, thread_id: str, run: Json, steps: list[Json], messages: list[Json]) -> None:
    """No row of the thread is left over or missing."""

    async def rows(sql: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in await database.fetch_all(Statement(f"{sql} ORDER BY 1", (thread_id,)))]

    assert await rows("SELECT lease_owner, due_at, status FROM runs WHERE thread_id = $1") == [
        (None, None, "completed")
    ]
    assert await rows("SELECT id FROM run_steps WHERE thread_id = $1") == [
        (id,) for id in sorted(step["id"] for step in steps)
    ]
    assert await rows("SELECT id FROM messages WHERE thread_id = $1") == [
        (id,) for id in sorted(one["id"] for one in messages)
    ]
    turns = await rows("SELECT DISTINCT turn FROM run_steps WHERE thread_id = $1")
    assert await rows("SELECT turn FROM turns WHERE thread_id = $1") == turns == [(turn,) for turn in range(len(turns))]
    # A step or a message that a redo replaced keeps its place (P-8), under the run and the thread.
    of_thread = "scope = $1 OR substr(scope, 1, length($1) + 1) = $1 || '/'"
    gone = await rows(f"SELECT id FROM tombstones WHERE {of_thread}")
    assert [id for (id,) in gone if id in {object["id"] for object in [*steps, *messages]}] == []
    scopes = await rows(f"SELECT DISTINCT scope FROM tombstones WHERE {of_thread}")
    assert {scope for (scope,) in scopes} <= {thread_id, f"{thread_id}/{run['id']}"}
