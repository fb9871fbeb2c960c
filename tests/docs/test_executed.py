"""The code in README and the guides does what the text says."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from tests.docs.blocks import EXECUTED, blocks, programs
from tests.docs.conftest import outputs
from tests.support.server import KEY
from tools.docs import ROOT
from treadle import app, settings

# The official SDK calls the whole API deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

README = ROOT / "README.md"
BIN = Path(sys.executable).parent
WITH_PROGRAMS = [path for path in EXECUTED if programs(path)]
WITH_COMMANDS = sorted({block.path for block in blocks("bash") if block.is_run})


@pytest.mark.parametrize("path", WITH_PROGRAMS, ids=lambda path: path.name)
async def test_the_programs_of_a_document_print_what_it_shows(path, server):
    found = programs(path)

    printed = await outputs([block for block, _ in found], server.url, KEY)

    for (block, shown), actual in zip(found, printed, strict=True):
        assert shown in (None, actual), str(block)


async def test_the_server_that_the_readme_starts_runs_the_program_of_the_readme(upstream, tmp_path):
    [line] = [block.code for block in blocks("bash") if block.path == README and block.comment == "server"]
    command = line.replace("http://localhost:11434/v1", upstream.base_url)
    [(program, shown)] = programs(README)

    process = await asyncio.create_subprocess_exec(
        *command.split(), "--port", "0", env=environment(tmp_path), stderr=asyncio.subprocess.PIPE
    )
    try:
        url = await served_url(process.stderr)
        key = (tmp_path / ".local/share/treadle/api-key").read_text().strip()
        printed = await outputs([program], url, key)
    finally:
        process.terminate()
        await process.communicate()

    assert printed == [shown]


@pytest.mark.parametrize("path", WITH_COMMANDS, ids=lambda path: path.name)
async def test_the_shell_commands_of_a_document_work(path, server, tmp_path):
    ours = {"TREADLE_DATA_DIR": server.settings.data_dir, "TREADLE_BASE_URL": server.url, "TREADLE_API_KEY": KEY}

    for block in blocks("bash"):
        if block.path == path and block.is_run:
            process = await asyncio.create_subprocess_exec(
                *("bash", "-euo", "pipefail", "-c", block.code),
                cwd=tmp_path,
                env=environment(tmp_path) | ours,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            said, _ = await process.communicate()
            assert process.returncode == 0, f"{block}: {said.decode()}"


@pytest.mark.parametrize("block", blocks("toml"), ids=str)
def test_a_configuration_that_is_shown_is_accepted(block, tmp_path):
    file = tmp_path / "treadle.toml"
    file.write_text(block.code)

    chosen = settings.read({}, data_dir=tmp_path, config=file)

    assert not app.model_map(chosen).is_empty


def environment(home: Path) -> dict[str, str]:
    """A user's environment with our commands on the path, and nothing of ours in it."""
    return {"HOME": str(home), "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}


async def served_url(log: asyncio.StreamReader) -> str:
    """The base URL that a starting server names."""
    async with asyncio.timeout(30):
        async for line in log:
            if line.startswith(b"Treadle serves "):
                return line.split()[-1].decode()
    raise AssertionError("the server ended without saying where it listens")
