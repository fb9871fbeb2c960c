"""modifyRun. Contract: docs/behaviour.md, rule R-36."""

import pytest

from tests.support import runs
from treadle.upstream.scripted import function_call, hang, say


async def test_r_36_a_run_that_is_over_takes_metadata_and_nothing_else_changes(api, assistant, thread, upstream):
    upstream.will_say(say("Sunny."))
    run = await runs.ran(api, thread, assistant, metadata={"ticket": "7"})

    modified = await api.created(runs.path(run), {"metadata": {"seen": "yes"}})

    assert modified == {**run, "metadata": {"seen": "yes"}}
    assert await api.found(runs.path(run)) == modified


async def test_r_36_a_working_run_takes_metadata(api, assistant, thread, upstream):
    upstream.will_say(hang())
    run = await runs.begun(api, thread, assistant)

    modified = await api.created(runs.path(run), {"metadata": {"seen": "yes"}})

    assert (modified["status"], modified["metadata"]) == ("in_progress", {"seen": "yes"})


async def test_r_36_the_metadata_of_a_waiting_run_outlive_the_submit(api, assistant, thread, upstream):
    upstream.will_say(function_call("get_weather", {"city": "Kyiv"}), say("Sunny."))
    run = await runs.ran(api, thread, assistant)

    await api.created(runs.path(run), {"metadata": {"seen": "yes"}})
    done = await runs.answered(api, run)

    assert (done["status"], done["metadata"]) == ("completed", {"seen": "yes"})


@pytest.mark.parametrize(("body", "after"), [({"metadata": None}, {}), ({}, {"ticket": "7"}), (None, {"ticket": "7"})])
async def test_a_6_null_clears_metadata_and_omitting_them_keeps_them(api, assistant, thread, upstream, body, after):
    upstream.will_say(say("Sunny."))
    run = await runs.ran(api, thread, assistant, metadata={"ticket": "7"})

    answer = await api.post(runs.path(run), body)

    assert answer.status == 200
    assert answer.json["metadata"] == after


async def test_r_36_nothing_but_metadata_may_be_changed(api, assistant, thread, upstream):
    upstream.will_say(say("Sunny."))
    run = await runs.ran(api, thread, assistant)

    answer = await api.post(runs.path(run), {"status": "queued"})

    assert answer.status == 400
    assert answer.error["message"] == "Unknown parameter: 'status'."


async def test_e_62_an_unknown_run_is_404(api, thread):
    answer = await api.post(f"/threads/{thread['id']}/runs/run_0", {"metadata": {}})

    assert answer.status == 404
    assert answer.error["message"] == "No run found with id 'run_0'."
