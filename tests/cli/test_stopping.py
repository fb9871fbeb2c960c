"""How `treadle serve` stops while somebody reads the events of a run. Contract: docs/behaviour.md, W-7 and W-8."""

import asyncio
import contextlib
import json
import signal
import sys

import httpx2
import pytest

from tests.support.api import BETA, parsed
from treadle.upstream.scripted import ScriptedUpstream, hang, say

KEY = "sk-treadle-the-key-of-this-test-0123456789"
HEADERS = {**BETA, "Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
# `docker stop` kills a container after as many.
GRANTED_SECONDS = 10


class Streaming:
    """A server, and the events of a run whose model has begun to answer and does not go on."""

    def __init__(self, process, events):
        self.process, self.events = process, events

    async def rest(self):
        return [event async for event in self.events]

    async def ended(self):
        """(exit code, what it wrote)."""
        _out, told = await self.process.communicate()
        return self.process.returncode, told.decode()


@pytest.fixture
async def streaming(environment, tmp_path):
    async with contextlib.AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(ScriptedUpstream(hang(say("It is"), after_chunks=2)))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "treadle", "serve", "--port", "0"),
            *("--data-dir", str(tmp_path / "data"), "--upstream", upstream.base_url),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**environment, "TREADLE_API_KEY": KEY},
            cwd=tmp_path,
        )
        stack.callback(lambda: process.returncode is None and process.kill())
        url = (await process.stderr.readline()).decode().split()[-1]
        http = await stack.enter_async_context(httpx2.AsyncClient(base_url=url, headers=HEADERS, timeout=30))
        assistant = (await http.post("/assistants", json={"model": "gpt-4o"})).json()
        body = json.dumps({"assistant_id": assistant["id"], "stream": True})
        response = await stack.enter_async_context(http.stream("POST", "/threads/runs", content=body))
        events = parsed(response)
        while (await anext(events)).name != "thread.message.delta":
            pass
        yield Streaming(process, events)


async def test_readers_are_told_and_all_is_over_before_a_container_is_killed(streaming):
    async with asyncio.timeout(GRANTED_SECONDS - 1):
        streaming.process.send_signal(signal.SIGTERM)
        *_, error, done = await streaming.rest()
        code, told = await streaming.ended()

    assert (error.name, done.name) == ("error", "done")
    assert error.data["error"]["message"].startswith("The server is stopping.")
    assert error.data["error"]["type"] == "server_error"
    assert (code, told.count("Traceback")) == (0, 0)


async def test_who_insists_does_not_wait_for_runs(streaming):
    """Ctrl-C again and again."""
    ended = asyncio.ensure_future(streaming.ended())

    async with asyncio.timeout(4):
        while not ended.done():
            with contextlib.suppress(ProcessLookupError):
                streaming.process.send_signal(signal.SIGINT)
            await asyncio.wait({ended}, timeout=0.2)

    code, _told = ended.result()
    assert code == 0
