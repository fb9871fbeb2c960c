"""The model server of the documentation's examples: it asks for the weather, then tells it."""

import asyncio
import functools
import io
from collections.abc import AsyncIterator

import pytest

from tests.docs.blocks import Block
from treadle.upstream.scripted import Received, ScriptedUpstream, Turn, function_call, say

SHOWN_URL = "http://127.0.0.1:8000/v1"
SHOWN_KEY = "sk-treadle-..."


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    """Calls `get_weather` when it may and has no result yet; otherwise answers in words."""
    async with ScriptedUpstream(choose=_about_the_weather) as server:
        yield server


def _about_the_weather(received: Received) -> Turn:
    body = received.body
    if body.get("tools") and body["messages"][-1]["role"] != "tool":
        return function_call("get_weather", {"city": "Kyiv"})
    return say("It is sunny in Kyiv, 21 degrees.")


async def outputs(blocks: list[Block], url: str, key: str) -> list[str]:
    """What the blocks print, run one after the other as one program against the server at `url`."""

    def run() -> list[str]:
        names: dict[str, object] = {"__name__": "__main__"}
        printed = []
        for block in blocks:
            out = io.StringIO()
            names["print"] = functools.partial(print, file=out)
            code = block.code.replace(SHOWN_URL, url).replace(SHOWN_KEY, key)
            # The line numbers of a traceback are those of the document.
            exec(compile("\n" * block.line + code, str(block), "exec"), names)
            printed.append(out.getvalue())
        return printed

    return await asyncio.to_thread(run)
