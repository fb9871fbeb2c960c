"""Each file in examples/ does what its first lines say, as a user runs it."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.server import KEY
from treadle.upstream.scripted import function_call, say

FOLDER = Path(__file__).parents[2] / "examples"
WITH_A_TEST = {
    *("demo.py", "function_tools.py", "list_run_steps.py", "official_sdk.py", "reattach.py", "stream_events.py"),
}


@pytest.fixture
def example(server, tmp_path):
    """`await example("name.py", ...)`: what it printed. It must end well and say nothing on standard error."""

    async def run(name, *arguments):
        own = {name: value for name, value in os.environ.items() if not name.startswith(("TREADLE_", "OPENAI_"))}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, FOLDER / name, *arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**own, "TREADLE_BASE_URL": server.url, "TREADLE_API_KEY": KEY, "HOME": str(tmp_path)},
            cwd=tmp_path,
        )
        out, err = await process.communicate()
        assert (process.returncode, err.decode()) == (0, "")
        return out.decode()

    return run


def test_each_example_has_a_test():
    assert {path.name for path in FOLDER.glob("*.py")} == WITH_A_TEST


async def test_list_run_steps_makes_a_run_and_lists_it(example, upstream):
    upstream.will_say(say("Because of scattering."))

    printed = await example("list_run_steps.py")

    first, step, last = printed.splitlines()
    assert first.endswith("is completed.")
    assert step.startswith("step_")
    assert "completed    wrote the message msg_" in step
    assert last.startswith("1 finished steps took ")


async def test_list_run_steps_lists_the_run_it_is_given(example, api, assistant, thread, upstream, until):
    upstream.will_say(function_call("get_weather", {"city": "Kyiv"}))
    run = await api.created(f"/threads/{thread['id']}/runs", {"assistant_id": assistant["id"]})

    async def waits():
        return (await api.found(f"/threads/{thread['id']}/runs/{run['id']}"))["status"] == "requires_action"

    await until(waits)
    printed = await example("list_run_steps.py", thread["id"], run["id"])

    assert 'in_progress  get_weather({"city":"Kyiv"}) = None' in printed
    assert printed.endswith("0 finished steps took 0 tokens.\n")


async def test_official_sdk(example, upstream):
    upstream.will_say(say("Because of scattering."))

    printed = await example("official_sdk.py")

    lines = printed.splitlines()
    assert lines[:2] == ["The run is completed.", "Because of scattering."]
    assert lines[2].startswith("message_creation completed ")


async def test_stream_events(example, upstream):
    upstream.will_say(say("Because of scattering."))

    printed = await example("stream_events.py", "Why is it red at dusk?")

    assert "[thread.run.created]" in printed
    assert "[thread.message.in_progress] Because of scattering.\n[thread.message.completed]" in printed
    assert printed.rstrip().endswith("[thread.run.completed]")
    assert upstream.requests[0].body["messages"][-1]["content"] == "Why is it red at dusk?"


async def test_function_tools(example, upstream):
    upstream.will_say(function_call("get_weather", {"city": "Kyiv"}) + function_call("get_weather", {"town": "Kyiv"}))
    upstream.will_say(say("It is sunny."))

    printed = await example("function_tools.py")

    first, second, *rest = printed.splitlines()
    assert first == 'get_weather({"city":"Kyiv"}) = sunny, 21 degrees'
    assert second.startswith('get_weather({"town":"Kyiv"}) = error: ')
    assert rest == ["The run is completed.", "It is sunny."]


async def test_reattach_loses_nothing_and_repeats_nothing(example, upstream):
    upstream.will_say(say("Blue light is scattered more than red.", chunk_size=5, delay_seconds=0.02))

    printed = await example("reattach.py")

    before, _, after = printed.partition("\n--- the connection is gone; again, from event ")
    assert before
    assert before + after.partition("\n")[2].rstrip("\n") == "Blue light is scattered more than red."


@pytest.mark.slow
def test_the_demo_installs_the_model_runs_and_lists_the_steps(tmp_path):
    done = subprocess.run(
        [sys.executable, FOLDER / "demo.py"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path / "home"), "TREADLE_PORT": "nonsense", "COLUMNS": "160"},
    )

    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "The run is completed." in done.stdout
    # How much so small a model says differs from one processor to the next; its text may take several lines of a cell.
    rows = [line.split("│")[1].strip() for line in done.stdout.splitlines() if line.startswith("│")]
    steps = [step for step in rows if step]
    assert (steps[0], steps[-1]) == ("tool_calls", "message_creation")
    assert 'count_files({"folder":' in done.stdout.partition("│ tool_calls")[2]
    assert (tmp_path / "demo-data" / "treadle.db").exists()
