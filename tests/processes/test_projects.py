"""Two projects on one database never see each other, through any process."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.processes.cluster import Member
from tests.processes.talk import asked
from tests.support.api import Api, Json
from tests.support.runs import begun, messages_of, outputs, path, settled, steps_of
from treadle import store
from treadle.http.routes import BINDINGS
from treadle.upstream.scripted import function_call, say

STRANGERS_KEY = "sk-treadle-test-key-of-another-project-0000002"
# What is sent where a body is needed, so that nothing but the ids is wrong.
BODIES: dict[str, Json] = {
    "createMessage": {"role": "user", "content": "hi"},
    "modifyMessage": {"metadata": {}},
    "modifyRun": {"metadata": {}},
    "modifyThread": {"metadata": {}},
    "modifyAssistant": {"name": "mine"},
}


@pytest.fixture
async def stranger_at(postgres: str) -> AsyncIterator[Callable[[Member], Api]]:
    """`stranger_at(member)`: a client of another project."""
    async with AsyncExitStack() as stack:
        database = await store.open_database(Path(), postgres)
        await store.keys.create(database, STRANGERS_KEY, name="stranger", project="another", now=int(time.time()))
        await database.close()

        def client(member: Member) -> Api:
            api = Api(member.api.root, STRANGERS_KEY)
            stack.push_async_callback(api.close)
            return api

        yield client


async def test_every_operation_that_takes_an_id_is_404_for_another_project(cluster, upstream, rows, stranger_at):
    upstream.will_say(say("Let me look. ") + function_call("get_weather", {"city": "Kyiv"}))
    both, front = await asyncio.gather(cluster.serve(), cluster.serve(work=False))
    thread, assistant = await asked(both.api)
    run = await settled(both.api, await begun(both.api, thread, assistant))
    ids = {
        "thread_id": thread["id"],
        "assistant_id": assistant["id"],
        "run_id": run["id"],
        "message_id": (await messages_of(both.api, thread))[0]["id"],
        "step_id": (await steps_of(both.api, run))[0]["id"],
    }
    bodies = {
        **BODIES,
        "createRun": {"assistant_id": assistant["id"]},
        "submitToolOuputsToRun": outputs(run),
    }
    operations = [bound.operation for bound in BINDINGS if {*bound.operation.path_kinds} & {*ids}]
    before = await rows.all()

    for stranger in map(stranger_at, (both, front)):
        for operation in operations:
            answer = await stranger.request(
                operation.method, operation.path.format(**ids), body=bodies.get(operation.id)
            )
            assert answer.status == 404, (operation.id, answer.body)
        for place in (f"/threads/{thread['id']}/runs", "/threads/runs"):
            answer = await stranger.post(place, {"assistant_id": assistant["id"], "stream": True})
            assert answer.status == 404, answer.body
        assert (await stranger.found("/assistants"))["data"] == []

    assert await rows.all() == before
    # Attaching to the events of a run is among them.
    assert {"getRun", "listRunSteps", "cancelRun", "deleteThread", "streamRun"} <= {one.id for one in operations}


async def test_runs_of_two_projects_are_executed_by_the_same_worker_and_stay_apart(cluster, upstream, stranger_at):
    upstream.will_say(say("It is sunny."), say("It is sunny."))
    front, _workers = await cluster.front_and_workers()
    stranger = stranger_at(front)

    runs = [await settled(api, await begun(api, *await asked(api))) for api in (front.api, stranger)]

    assert [run["status"] for run in runs] == ["completed", "completed"]
    for api, theirs in ((front.api, runs[1]), (stranger, runs[0])):
        assert (await api.get(path(theirs))).status == 404
        assert len((await api.found("/assistants"))["data"]) == 1
