"""What must be true when everything has settled: each run as its script says, each page the same, nothing left over."""

import asyncio
import itertools
import random
from collections.abc import Sequence
from typing import Any

import asyncpg

from tests.chaos.conversation import Conversation
from tests.chaos.door import Door, Refused
from tests.chaos.plans import Step
from tests.crash.conversation import text
from tests.support.api import Json

ACTIVE = "('queued', 'in_progress', 'requires_action', 'cancelling')"
# What must be empty, and what is wrong with what is there.
LEFT_OVER = {
    "an unfinished run": f"SELECT id, status, lease_owner FROM runs WHERE status IN {ACTIVE}",
    "a run that is over and still held": f"SELECT id, status, lease_owner FROM runs WHERE lease_owner IS NOT NULL "
    f"AND status NOT IN {ACTIVE}",
    "a run that is over and still due": f"SELECT id, status FROM runs WHERE due_at IS NOT NULL "
    f"AND status NOT IN {ACTIVE}",
    "an unfinished step": "SELECT run_id, id FROM run_steps WHERE status = 'in_progress'",
    "an unfinished message": "SELECT run_id, id FROM messages WHERE status = 'in_progress'",
    "a step without its turn": "SELECT run_id, id FROM run_steps WHERE NOT EXISTS (SELECT 1 FROM turns WHERE "
    "turns.thread_id = run_steps.thread_id AND turns.run_id = run_steps.run_id AND turns.turn = run_steps.turn)",
}
# Walked by every client of lists; of the others each thread has a few.
LIMITS = (1, 100)
MORE_LIMITS = 2


async def check_run(conversation: Conversation, door: Door) -> list[str]:
    """What is wrong with a run, its steps, its messages and what was read of it."""
    plan, path = conversation.plan, conversation.path
    run = await door.get(path)
    steps = (await door.get(f"{path}/steps?order=asc&limit=100"))["data"]
    thread_path = f"/threads/{conversation.thread['id']}"
    messages = (await door.get(f"{thread_path}/messages?order=asc&limit=100&run_id={run['id']}"))["data"]

    problems = []
    if run["status"] != plan.status:
        problems.append(f"it is {run['status']} and should be {plan.status}: {run['last_error']}")
    own = {message["id"]: message for message in messages}
    shape = [_shape(step, own) for step in steps]
    if not plan.allows(shape):
        problems.append(f"its steps are {shape} and should be {plan.steps}")
    created = [step["step_details"]["message_creation"]["message_id"] for step in steps if _creates(step)]
    if created != list(own):
        problems.append(f"its messages are {list(own)}, and its steps created {created}")
    expected = {"cancelled": "incomplete", "expired": "incomplete"}
    for step in steps:
        message = own.get(step["step_details"]["message_creation"]["message_id"]) if _creates(step) else None
        wanted = "incomplete" if run["status"] == "incomplete" else expected.get(step["status"], step["status"])
        if message is not None and message["status"] != wanted:
            problems.append(f"a message is {message['status']}, and its step {step['status']}")
    for reading in conversation.readings:
        problems += reading.compare(run, steps, messages)
    return [f"{plan}, {path}: {problem}" for problem in problems]


def _shape(step: Json, messages: dict[str, Json]) -> Step:
    if _creates(step):
        message = messages.get(step["step_details"]["message_creation"]["message_id"])
        said: Any = None if message is None else text(message)
    else:
        functions = [call["function"] for call in step["step_details"]["tool_calls"]]
        said = [(function["name"], function["arguments"], function["output"]) for function in functions]
    return Step(step["type"], step["status"], said)


def _creates(step: Json) -> bool:
    return bool(step["type"] == "message_creation")


async def check_thread(conversations: Sequence[Conversation], doors: Sequence[Door], rng: random.Random) -> list[str]:
    """What is wrong with a thread, on which these runs were made one after the other."""
    path = f"/threads/{conversations[0].thread['id']}"
    lists = [f"{path}/runs", f"{path}/messages", *(f"{conversation.path}/steps" for conversation in conversations)]
    pages = await asyncio.gather(*(_check_pages(list_path, doors, rng) for list_path in lists))
    problems = [problem for of_list, _objects in pages for problem in of_list]

    (_, runs), (_, messages), *_steps = pages
    if [run["id"] for run in runs] != [conversation.run["id"] for conversation in conversations]:
        problems.append(f"its runs are {[(run['id'], run['model']) for run in runs]}")
    asked = [text(message) for message in messages if message["run_id"] is None]
    if asked != [conversation.plan.question for conversation in conversations]:
        problems.append(f"it was asked {asked}")
    by_run = [run_id for run_id, _ in itertools.groupby(message["run_id"] for message in messages) if run_id]
    if len(by_run) != len(set(by_run)):
        problems.append(f"messages of its runs are mixed: {by_run}")
    try:
        await doors[-1].post(f"{path}/messages", {"role": "user", "content": "Thank you."})
    except Refused as refused:
        problems.append(f"it is locked: {refused}")
    return [f"{path}: {problem}" for problem in problems]


async def _check_pages(path: str, doors: Sequence[Door], rng: random.Random) -> tuple[list[str], list[Json]]:
    """(problems, all objects of the list, the oldest first), read through every door, in pages of several lengths."""
    problems = []
    expected = (await doors[0].get(f"{path}?order=asc&limit=100"))["data"]
    for door, order in itertools.product(doors, ("asc", "desc")):
        whole = expected if order == "asc" else expected[::-1]
        for limit in (*LIMITS, *rng.sample(range(2, 100), MORE_LIMITS)):
            read = await _walk(door, f"{path}?order={order}&limit={limit}")
            if read != whole:
                problems.append(f"{path} in pages of {limit}, {order}: {read} and should be {whole}")
    return problems, expected


async def _walk(door: Door, path: str) -> list[Json]:
    objects: list[Json] = []
    has_more = True
    while has_more:
        page = await door.get(f"{path}&after={objects[-1]['id']}" if objects else path)
        objects += page["data"]
        has_more = page["has_more"] and bool(page["data"])
    return objects


async def check_rows(database: asyncpg.Pool, *, runs: int) -> list[str]:
    """What is left over in the rows. There must be so many runs: none lost, none made twice."""
    problems = []
    for what, sql in LEFT_OVER.items():
        problems += [f"{what}: {dict(row)}" for row in await database.fetch(sql)]
    count = await database.fetchval("SELECT count(*) FROM runs")
    if count != runs:
        problems.append(f"there are {count} runs and should be {runs}")
    return problems
