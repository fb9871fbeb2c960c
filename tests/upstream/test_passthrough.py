"""`/chat/completions` and `/embeddings` through Treadle: what goes to the model server and what comes back (MD-4)."""

import asyncio
import gzip
import socket
import time
from collections.abc import AsyncIterator

import msgspec
import pytest

from tests.upstream.conftest import Answering, Asker
from treadle.contract.errors import ApiError, BadGateway, InvalidRequest, NotFound, Unavailable
from treadle.upstream import Forwarded, ModelMap, ModelSettings, Upstream, UpstreamError
from treadle.upstream.scripted import ScriptedUpstream, cut, fail, hang, say

BODY = b'{"model":"gpt-4o","messages":[{"role":"user","content":"Hello"}],"stream":true}'
HEADERS = {"Content-Type": "application/json"}


@pytest.fixture
async def upstream(server: ScriptedUpstream) -> AsyncIterator[Upstream]:
    alias = {"gpt-4o": ModelSettings(model="qwen3-8b")}
    model_map = ModelMap([Asker(server.base_url).settings()], alias, mapped_only=True)
    async with Upstream(model_map, clock=time.time) as upstream:
        yield upstream


async def whole(answer: Forwarded) -> bytes:
    return b"".join([part async for part in answer])


async def test_only_the_value_of_model_changes_on_the_way(server: ScriptedUpstream, upstream: Upstream):
    server.will_say(say("Hi"))
    body = (
        b'{"top_p": 1.00e0, "model" : "gpt-4o", "messages":[ {"role":"user","content":"\\u00e9\xc3\xa9\\/"} ], "n":1}'
    )

    await whole(await upstream.forward("/chat/completions", body, HEADERS))

    assert server.requests[0].content == (
        b'{"top_p":1.00e0,"model":"qwen3-8b","messages":[ {"role":"user","content":"\\u00e9\xc3\xa9\\/"} ],"n":1}'
    )


async def test_the_callers_credentials_stay_here(server: ScriptedUpstream, upstream: Upstream):
    server.will_say(say("Hi"))
    headers = {
        "content-type": "application/json; charset=utf-8",
        "authorization": "Bearer sk-treadle-key",
        "api-key": "sk-treadle-key",
        "X-Api-Key": "sk-treadle-key",
        "Cookie": "session=sk-treadle-key",
        "OpenAI-Organization": "org-a",
        "OpenAI-Project": "proj-a",
        "Proxy-Authorization": "Basic sk-treadle-key",
        "X-Forwarded-For": "10.1.2.3",
        "Connection": "keep-alive, X-Hop",
        "X-Hop": "1",
        "Transfer-Encoding": "chunked",
        "Host": "treadle.example.org",
        "Content-Length": "3",
        "Accept": "text/event-stream",
        "user-agent": "AsyncOpenAI/Python",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    }

    await whole(await upstream.forward("/chat/completions", BODY, headers))

    received = server.requests[0].headers
    assert len(received) == 8
    assert {name.lower(): value for name, value in received.items()} == {
        "host": server.base_url.removeprefix("http://").removesuffix("/v1"),
        "authorization": "Bearer sk-upstream-secret",
        "content-type": "application/json",
        "content-length": str(len(server.requests[0].content)),
        "accept": "text/event-stream",
        "accept-encoding": "identity",
        "user-agent": "AsyncOpenAI/Python",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    }


async def test_the_operators_headers_win_over_the_callers(server: ScriptedUpstream):
    server.will_say(say("Hi"))
    settings = Asker(server.base_url).settings(headers={"User-Agent": "ours", "api-key": "k"})

    async with Upstream(ModelMap([settings]), clock=time.time) as upstream:
        await whole(await upstream.forward("/chat/completions", BODY, {"user-agent": "theirs"}))

    assert server.requests[0].headers.getall("User-Agent") == ["ours"]
    assert server.requests[0].headers["api-key"] == "k"


async def test_an_error_keeps_its_status_and_body_and_loses_what_is_not_the_callers_business(
    server: ScriptedUpstream, upstream: Upstream
):
    sent = {
        "Set-Cookie": "a=b",
        "X-Internal-Host": "gpu-7",
        "Server": "vllm",
        "OpenAI-Organization": "upstream-org",
        "Retry-After": "3",
        "x-ratelimit-remaining-requests": "0",
        "Content-Type": "application/problem+json",
    }
    server.will_say(fail(429, sent, {"error": {"message": "Slow down", "type": "requests", "odd": [1]}}))

    answer = await upstream.forward("/chat/completions", BODY, HEADERS)

    assert answer.status == 429
    assert answer.headers == {
        "retry-after": "3",
        "x-ratelimit-remaining-requests": "0",
        "content-type": "application/problem+json",
        "content-length": "61",
    }
    assert await whole(answer) == b'{"error":{"message":"Slow down","type":"requests","odd":[1]}}'
    assert len(server.requests) == 1


async def test_a_stream_is_passed_on_while_it_comes_and_closing_it_stops_the_server(
    server: ScriptedUpstream, upstream: Upstream
):
    server.will_say(hang(say("It is sunny.", chunk_size=5), after_chunks=2))

    answer = await upstream.forward("/chat/completions", BODY, HEADERS)
    came = b""
    async for part in answer:
        came += part
        if b"It is" in came:
            break

    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    answer.close()
    await asyncio.wait_for(server.requests[0].dropped.wait(), 5)


async def test_closing_an_answer_that_nobody_read_stops_the_server(server: ScriptedUpstream, upstream: Upstream):
    server.will_say(hang(say("It is sunny."), after_chunks=1))

    answer = await upstream.forward("/chat/completions", BODY, HEADERS)
    answer.close()

    await asyncio.wait_for(server.requests[0].dropped.wait(), 5)


async def test_a_whole_stream_comes_byte_for_byte(server: ScriptedUpstream, upstream: Upstream):
    server.will_say(say("Hi"))

    body = await whole(await upstream.forward("/chat/completions", BODY, HEADERS))

    events = body.decode().split("\n\n")
    assert [event[:6] for event in events[:-1]] == ["data: "] * len(events[:-1])
    assert events[-2:] == ["data: [DONE]", ""]
    assert msgspec.json.decode(events[1][6:])["choices"][0]["delta"] == {"content": "Hi"}


async def test_a_compressed_body_is_not_unpacked(answering: Answering):
    packed = gzip.compress(b'{"data":[]}')
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
    async with (
        answering(head % len(packed), packed) as base_url,
        Upstream(ModelMap([Asker(base_url).settings()]), clock=time.time) as upstream,
    ):
        answer = await upstream.forward("/embeddings", b'{"model":"minilm","input":"a"}', HEADERS)
        body = await whole(answer)

    assert answer.headers["content-encoding"] == "gzip"
    assert body == packed


async def test_embeddings_go_the_same_way(server: ScriptedUpstream, upstream: Upstream):
    answer = await upstream.forward("/embeddings", b'{"model":"gpt-4o","input":["a","b"]}', HEADERS)

    assert server.requests[0].path == "/v1/embeddings"
    assert len(msgspec.json.decode(await whole(answer))["data"]) == 2


async def test_a_redirect_comes_back_unfollowed_and_without_its_target(server: ScriptedUpstream, upstream: Upstream):
    server.will_say(fail(302, {"Location": f"{server.base_url}/models"}), say("Reached"))

    answer = await upstream.forward("/chat/completions", BODY, HEADERS)

    assert answer.status == 302
    assert "location" not in answer.headers
    assert await whole(answer) == b""
    assert len(server.requests) == 1


async def test_of_two_model_keys_only_the_one_we_checked_is_sent(server: ScriptedUpstream, upstream: Upstream):
    server.will_say(say("Hi"))

    body = b'{"model":"secret-model","mod\\u0065l":"gpt-4o","messages":[]}'
    await whole(await upstream.forward("/chat/completions", body, HEADERS))

    assert server.requests[0].content == b'{"model":"qwen3-8b","messages":[]}'


@pytest.mark.parametrize(
    ("body", "kind", "status", "param", "code"),
    [
        (b'{"model":"o3","messages":[]}', NotFound, 404, "model", "model_not_found"),  # E-69
        (b'{"messages":[]}', InvalidRequest, 400, "model", "missing_required_parameter"),  # E-31
        (b'{"model":7}', InvalidRequest, 400, "model", "invalid_type"),  # E-32
        (b'{"model":', InvalidRequest, 400, None, None),  # E-15
        (b'["gpt-4o"]', InvalidRequest, 400, None, None),  # E-16
        (b'{"model":"gpt-4o","user":"\xff"}', InvalidRequest, 400, None, None),  # E-15
        (b'{"model":"gpt-4o","a":' + b"[" * 100_000, InvalidRequest, 400, None, None),  # E-15
    ],
    ids=lambda value: value[:30] if isinstance(value, bytes) else None,
)
async def test_what_cannot_be_routed_is_answered_here(
    server: ScriptedUpstream,
    upstream: Upstream,
    body: bytes,
    kind: type[ApiError],
    status: int,
    param: str | None,
    code: str | None,
):
    with pytest.raises(kind) as raised:
        await upstream.forward("/chat/completions", body, HEADERS)

    assert (raised.value.http_status, raised.value.param, raised.value.code) == (status, param, code)
    assert server.requests == []


async def test_a_server_that_is_away_is_a_bad_gateway():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        settings = Asker(f"http://127.0.0.1:{unused.getsockname()[1]}/v1").settings()
        async with Upstream(ModelMap([settings]), clock=time.time) as upstream:
            with pytest.raises(BadGateway, match=r"'local-gpu' at .* is not reachable") as raised:
                await upstream.forward("/chat/completions", BODY, HEADERS)

    assert (raised.value.http_status, raised.value.type) == (502, "server_error")


async def test_without_a_model_server_the_answer_says_how_to_add_one():
    async with Upstream(ModelMap(), clock=time.time) as upstream:
        with pytest.raises(Unavailable, match="treadle model install"):
            await upstream.forward("/chat/completions", BODY, HEADERS)


async def test_a_body_that_is_cut_raises_while_it_is_read(server: ScriptedUpstream, upstream: Upstream):
    server.will_say(cut(say("It is sunny."), after_chunks=2))

    answer = await upstream.forward("/chat/completions", BODY, HEADERS)

    with pytest.raises(UpstreamError, match="closed the connection"):
        await whole(answer)
