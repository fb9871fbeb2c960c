"""Requests for the embedded model, whose upstream has the base URL "local:"."""

import time
from collections.abc import AsyncGenerator

import aiohttp
import pytest

from tests.upstream.conftest import HELLO, Asker
from treadle.contract.errors import BadGateway, Unavailable
from treadle.upstream import (
    LOCAL,
    Attempt,
    ChatChunk,
    ChatRequest,
    ModelMap,
    NoUpstream,
    Route,
    Upstream,
    UpstreamSettings,
    UpstreamUnavailable,
)
from treadle.upstream.scripted import ScriptedUpstream, say
from treadle.upstream.stream import stream

EMBEDDED = ModelMap([UpstreamSettings(name="embedded", base_url=LOCAL)])
BODY = b'{"model":"smollm2","messages":[]}'


class Embedded:
    """Stands where the model's own process would: its address is known only once it runs."""

    def __init__(self, server: ScriptedUpstream, session: aiohttp.ClientSession) -> None:
        self._settings, self._session = Asker(server.base_url).settings(), session

    async def settings(self) -> UpstreamSettings:
        return self._settings

    def stream_chat(
        self, request: ChatRequest, attempts: list[Attempt] | None = None
    ) -> AsyncGenerator[list[ChatChunk], None]:
        route = Route(upstream=self._settings, model="the-file")
        return stream(self._session, route, request, clock=time.time, attempts=attempts)


class Broken(Embedded):
    async def settings(self) -> UpstreamSettings:
        raise UpstreamUnavailable("The embedded model did not start.")


async def test_runs_and_passed_requests_reach_the_embedded_model(server: ScriptedUpstream):
    server.will_say(say("From the run."), say("Passed on.", plain=True))

    async with (
        aiohttp.ClientSession() as session,
        Upstream(EMBEDDED, clock=time.time, local=Embedded(server, session)) as upstream,
    ):
        told = [chunk async for chunks in upstream.stream_chat("smollm2", HELLO) for chunk in chunks]
        passed = b"".join([part async for part in await upstream.forward("/chat/completions", BODY, {})])

    assert "".join(chunk.content for chunk in told) == "From the run."
    assert b"Passed on." in passed
    assert [request.body["model"] for request in server.requests] == ["the-file", "smollm2"]


async def test_an_embedded_model_that_does_not_start_is_a_bad_gateway_for_passed_requests(server: ScriptedUpstream):
    async with (
        aiohttp.ClientSession() as session,
        Upstream(EMBEDDED, clock=time.time, local=Broken(server, session)) as upstream,
    ):
        with pytest.raises(BadGateway, match="did not start"):
            await upstream.forward("/chat/completions", BODY, {})


async def test_an_embedded_model_that_is_not_installed_says_how_to_get_it():
    async with Upstream(EMBEDDED, clock=time.time) as upstream:
        with pytest.raises(NoUpstream, match="treadle model install"):
            upstream.stream_chat("smollm2", HELLO)
        with pytest.raises(Unavailable, match="treadle model install"):
            await upstream.forward("/chat/completions", BODY, {})
        listed = await upstream.models()

    assert listed.data == []
