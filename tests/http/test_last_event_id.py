"""The header with which a reader of a run's events comes back. Contract: docs/behaviour.md, W-9."""

import pytest

from tests.support import runs
from treadle.upstream.scripted import say


@pytest.mark.parametrize("last", ["9" * 5000, "9" * 20, "-1", "1.5", "x", "\u0665", ""])
async def test_what_cannot_be_an_id_is_as_none(api, assistant, thread, upstream, last):
    upstream.will_say(say("Sunny."))
    run = await runs.ran(api, thread, assistant)

    headers = {"Last-Event-ID": last.encode()}
    async with api.stream("GET", f"{runs.path(run)}/stream", headers=headers) as events:
        names = [event.name async for event in events]

    assert names == ["thread.run.completed", "done"]
