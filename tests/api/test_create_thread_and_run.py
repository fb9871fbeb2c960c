"""createThreadAndRun. Contract: docs/behaviour.md, rule R-32."""

import pytest

from tests.support import runs
from tests.support.rows import row_counts
from treadle.upstream.scripted import hang, say

MISSING_FILE = {"code_interpreter": {"file_ids": ["file-0"]}}


async def test_r_32_a_thread_and_a_run_on_it_are_created(api, assistant, upstream):
    upstream.will_say(say("Sunny."))
    thread = {"messages": [{"role": "user", "content": "Weather?"}], "metadata": {"ticket": "7"}}

    run = await api.created("/threads/runs", {"assistant_id": assistant["id"], "thread": thread})

    created = await api.found(f"/threads/{run['thread_id']}")
    assert run["status"] == "queued"
    assert created["metadata"] == {"ticket": "7"}
    assert (await runs.settled(api, run))["status"] == "completed"
    assert [runs.text_of(message) for message in await runs.messages_of(api, created)] == ["Weather?", "Sunny."]


async def test_r_32_without_a_thread_an_empty_one_is_made(api, upstream):
    upstream.will_say(say("Hello."))
    assistant = await api.created("/assistants", {"model": "gpt-4o", "instructions": "Greet."})

    run = await api.created("/threads/runs", {"assistant_id": assistant["id"]})

    assert (await runs.settled(api, run))["status"] == "completed"
    assert (await upstream.request(0)).body["messages"] == [{"role": "system", "content": "Greet."}]


@pytest.mark.parametrize("field", ["additional_messages", "additional_instructions"])
async def test_r_32_its_body_has_nothing_additional(api, assistant, field):
    answer = await api.post("/threads/runs", {"assistant_id": assistant["id"], field: None})

    assert answer.status == 400
    assert answer.error["message"] == f"Unknown parameter: '{field}'."


async def test_r_20_and_r_21_its_run_overrides_as_any_run(api, assistant, upstream):
    upstream.will_say(say("Hello."))

    run = await api.created(
        "/threads/runs",
        {"assistant_id": assistant["id"], "temperature": 0, "tools": [], "instructions": "", "model": "llama"},
    )

    assert (run["temperature"], run["tools"], run["instructions"], run["model"]) == (0, [], "", "llama")
    assert (await upstream.request(0)).body["model"] == "llama"


@pytest.mark.parametrize(
    ("changes", "status", "param"),
    [
        ({"assistant_id": "asst_0"}, 404, None),
        (
            {"thread": {"messages": [{"role": "user", "content": "Hi"}, {"role": "user"}]}},
            400,
            "thread.messages[1].content",
        ),
        ({"thread": {"metadata": {"key": 1}}}, 400, "thread.metadata.key"),
        ({"tool_choice": {"type": "function", "function": {"name": "roll"}}}, 400, "tool_choice"),
        (
            {"tool_resources": {"code_interpreter": {"file_ids": ["file-0"]}}},
            400,
            "tool_resources.code_interpreter.file_ids",
        ),
    ],
)
async def test_r_32_what_is_refused_creates_neither(api, server, assistant, changes, status, param):
    before = await row_counts(server.settings)

    answer = await api.post("/threads/runs", {"assistant_id": assistant["id"], **changes})

    assert answer.status == status
    assert answer.error["param"] == param
    assert await row_counts(server.settings) == before


async def test_r_8_the_new_thread_is_locked(api, assistant, upstream):
    upstream.will_say(hang())

    run = await api.created("/threads/runs", {"assistant_id": assistant["id"]})

    answer = await api.post(f"/threads/{run['thread_id']}/runs", {"assistant_id": assistant["id"]})
    assert answer.status == 400
    assert answer.error["message"] == f"Thread {run['thread_id']} already has an active run {run['id']}."
