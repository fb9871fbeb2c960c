"""What a stranger makes of our document: thousands of requests derived from it, right ones and wrong ones.

No answer may be a server error, have a status, type or body that the document does not state, take what the document
forbids, go without the key, or show what was deleted.
"""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from tests.support.server import KEY
from treadle.upstream.scripted import ScriptedUpstream, say

COMMAND = Path(sys.executable).with_name("schemathesis")


@pytest.fixture
async def upstream():
    async with ScriptedUpstream(choose=lambda received: say("It is sunny.")) as server:
        yield server


async def explore(server, folder, *options):
    """Exit status and report of one exploration. Its caches and reports stay in `folder`."""
    process = await asyncio.create_subprocess_exec(
        COMMAND,
        "run",
        f"{server.root}/openapi.json",
        f"--header=Authorization: Bearer {KEY}",
        # An id that is right in form may name nothing, and rules beyond the schema may refuse a body (E-70, M-3).
        "--exclude-checks=positive_data_acceptance",
        # Their bodies and answers are the model server's affair (MD-4).
        "--exclude-path=/chat/completions",
        "--exclude-path=/embeddings",
        "--continue-on-failure",
        *options,
        cwd=folder,
        env=os.environ | {"SCHEMATHESIS_HOOKS": "tests.support.schemathesis_hooks", "PYTHONPATH": os.getcwd()},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()


async def test_a_short_exploration_finds_nothing(server, tmp_path):
    """The same requests each time."""
    status, report = await explore(
        server, tmp_path, "--phases=examples,coverage,fuzzing", "--max-examples=10", "--seed=1"
    )

    assert status == 0, report
    assert "Tested: 27" in report, report


@pytest.mark.slow
async def test_a_long_exploration_also_of_sequences_finds_nothing(server, tmp_path):
    """What one operation made the next ones use. Without the seed it is other requests each time."""
    status, report = await explore(server, tmp_path, "--max-examples=100", "--max-time=180", "--seed=1")

    assert status == 0, report
