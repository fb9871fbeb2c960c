"""A disk that is full for a while, as clients see it. Contract: docs/behaviour.md, section 2.2 and H-23."""

import pytest

from tests.support import runs
from treadle.upstream.scripted import function_call, say


@pytest.fixture
def disk(server):
    """`disk.fill()` and `disk.free()`: whether the database may grow."""

    class Disk:
        def _limit(self, pages):
            writer = server.engine.database._writer
            server.call(lambda: writer.execute(f"PRAGMA max_page_count = {pages}").fetchall())

        def fill(self):
            self._limit(1)  # SQLite takes it for the size that the file has

        def free(self):
            self._limit(2**32 - 2)

    return Disk()


BIG = {"metadata": {f"{n}": "x" * 500 for n in range(16)}}


async def test_what_cannot_be_written_is_refused_for_now_and_what_can_be_read_is_read(api, assistant, disk):
    disk.fill()

    while (answer := await api.post("/threads", BIG)).status == 200:
        pass  # as long as there are free pages

    assert (answer.status, answer.error["type"], answer.error["code"]) == (503, "server_error", None)
    assert answer.headers["retry-after"] == "1"
    assert (await api.get(f"/assistants/{assistant['id']}")).status == 200
    disk.free()
    assert (await api.post("/threads", BIG)).status == 200


async def test_tool_outputs_that_found_no_room_can_be_submitted_again(api, assistant, thread, upstream, disk):
    """RL-4: the run waits on, for a request that was refused did nothing."""
    upstream.will_say(function_call("get_weather", {"city": "Kyiv"}), say("Sunny."))
    waiting = await runs.ran(api, thread, assistant)
    body = {"tool_outputs": [{"tool_call_id": id, "output": "x" * 500_000} for id in runs.call_ids(waiting)]}
    disk.fill()

    refused = await api.post(f"{runs.path(waiting)}/submit_tool_outputs", body)

    assert refused.status == 503
    assert await api.found(runs.path(waiting)) == waiting
    disk.free()
    run = await runs.settled(api, await api.created(f"{runs.path(waiting)}/submit_tool_outputs", body))
    assert run["status"] == "completed"
