"""createChatCompletion. Contract: docs/behaviour.md, rule MD-4; the beta header plays no part (H-3)."""

import asyncio
import json

import httpx2
import openai
import pytest
from msgspec.structs import replace

from tests.support.server import KEY
from treadle.upstream.models import ModelSettings, UpstreamSettings
from treadle.upstream.scripted import ScriptedUpstream, cut, fail, hang, say

QUESTION = [{"role": "user", "content": "hi"}]
BODY = {"model": "gpt-4o", "messages": QUESTION}
PATH = "/chat/completions"


async def test_the_answer_is_the_model_servers(api, upstream):
    upstream.will_say(say("Good day."))

    answer = await api.post(PATH, BODY, headers={"OpenAI-Beta": ""})

    assert answer.status == 200
    assert answer.json["choices"][0]["message"]["content"] == "Good day."
    assert answer.json["model"] == "gpt-4o"


async def test_values_go_upstream_byte_for_byte(api, upstream):
    upstream.will_say(say("x"))
    content = b'{"model":"gpt-4o", "seed": 1e2,"messages":[{"role":"user","content":"\\u00e9"}],"unknown":[1.0, null]}'

    await api.request("POST", PATH, content=content)

    sent = upstream.requests[0].content
    for value in (b'[{"role":"user","content":"\\u00e9"}]', b"1e2", b"[1.0, null]"):
        assert value in sent
    assert upstream.requests[0].body == json.loads(content)


async def test_the_official_client_streams(client, upstream):
    upstream.will_say(say("It is sunny and warm.", chunk_size=4))

    stream = await client.chat.completions.create(**BODY, stream=True)
    pieces = [chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]

    assert "".join(pieces) == "It is sunny and warm."


async def test_a_stream_is_data_lines_that_end_with_done(server, upstream):
    upstream.will_say(say("hi"))

    async with httpx2.AsyncClient(base_url=server.url, headers={"Authorization": f"Bearer {KEY}"}) as http:
        response = await http.post(PATH, json={**BODY, "stream": True})

    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["x-request-id"].startswith("req_")
    lines = response.text.splitlines()
    assert all(line.startswith("data: ") or not line for line in lines)
    assert lines[-2:] == ["data: [DONE]", ""]


async def test_a_streams_first_piece_does_not_wait_for_the_second(client, upstream):
    upstream.will_say(hang(say("It is sunny."), after_chunks=2))

    stream = await client.chat.completions.create(**BODY, stream=True)
    pieces = []
    async for chunk in stream:
        pieces.append(chunk.choices[0].delta.content)
        if pieces[-1]:
            break
    await stream.close()

    assert pieces == ["", "It is su"]
    await upstream.requests[0].dropped.wait()


async def test_a_client_that_stops_waiting_stops_the_model_server(server, upstream):
    """Also before its answer has begun: the answer would be for nobody."""
    upstream.will_say(hang())

    async with httpx2.AsyncClient(base_url=server.url, headers={"Authorization": f"Bearer {KEY}"}) as http:
        asking = asyncio.create_task(http.post(PATH, json=BODY))
        received = await upstream.request(0)
        asking.cancel()
        await asyncio.wait({asking})

    await received.dropped.wait()


async def test_a_body_that_is_cut_upstream_is_cut_here_too(server, upstream):
    """Nobody may take half an answer for a whole one."""
    upstream.will_say(cut(say("It is sunny."), after_chunks=2))

    async with httpx2.AsyncClient(base_url=server.url, headers={"Authorization": f"Bearer {KEY}"}) as http:
        with pytest.raises(httpx2.RemoteProtocolError):
            await http.post(PATH, json={**BODY, "stream": True})


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
async def test_the_model_servers_errors_keep_status_body_and_the_advice_to_retry(server, upstream, status):
    body = {"error": {"message": "no", "type": "theirs", "param": None, "code": "their_code"}}
    upstream.will_say(fail(status, {"Retry-After": "7", "x-ratelimit-remaining-requests": "0", "X-Secret": "s"}, body))

    async with httpx2.AsyncClient(base_url=server.url, headers={"Authorization": f"Bearer {KEY}"}) as http:
        response = await http.post(PATH, json=BODY)

    assert (response.status_code, response.json()) == (status, body)
    assert response.headers["retry-after"] == "7"
    assert response.headers["x-ratelimit-remaining-requests"] == "0"
    assert "x-secret" not in response.headers
    assert len(upstream.requests) == 1


async def test_a_redirect_is_not_followed(server, upstream):
    upstream.will_say(fail(307, {"Location": f"{upstream.base_url}/models"}))

    async with httpx2.AsyncClient(base_url=server.url, headers={"Authorization": f"Bearer {KEY}"}) as http:
        response = await http.post(PATH, json=BODY)

    assert response.status_code == 307
    assert len(upstream.requests) == 1


async def test_our_key_is_needed(server, upstream):
    """E-10, E-11."""
    async with httpx2.AsyncClient(base_url=server.url) as http:
        nobody = await http.post(PATH, json=BODY)
        wrong = await http.post(PATH, json=BODY, headers={"Authorization": "Bearer sk-wrong"})

    assert (nobody.status_code, wrong.status_code) == (401, 401)
    assert upstream.requests == []


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({"messages": QUESTION}, "missing_required_parameter", "model"),
        ({"model": None, "messages": QUESTION}, "invalid_type", "model"),
        ({"model": ["gpt-4o"]}, "invalid_type", "model"),
    ],
)
async def test_a_body_that_names_no_model_stays_here(api, upstream, body, code, param):
    """E-31, E-32."""
    answer = await api.post(PATH, body)

    assert answer.refusal == (400, code, param)
    assert upstream.requests == []


class TestWithAModelMap:
    @pytest.fixture
    async def upstream(self):
        async with ScriptedUpstream(api_key="sk-the-upstreams-own-key") as server:
            yield server

    @pytest.fixture
    def settings(self, settings):
        model_server = replace(settings.upstreams[0], api_key="sk-the-upstreams-own-key", headers={"X-Team": "a"})
        models = {"gpt-4o": ModelSettings(model="llama3.1:8b")}
        return replace(settings, upstreams=(model_server,), models=models, mapped_only=True)

    async def test_the_name_is_mapped_and_the_callers_key_cookies_and_organization_stay_here(self, api, upstream):
        """MD-3, MD-4."""
        upstream.will_say(say("hi"))
        headers = {"Cookie": "a=b", "OpenAI-Organization": "org-x", "OpenAI-Project": "proj-x", "X-Api-Key": KEY}

        answer = await api.post(PATH, BODY, headers=headers)

        assert answer.status == 200
        sent = upstream.requests[0]
        assert sent.body == {**BODY, "model": "llama3.1:8b"}
        assert sent.headers["Authorization"] == "Bearer sk-the-upstreams-own-key"
        assert sent.headers["X-Team"] == "a"
        assert not {"Cookie", "OpenAI-Organization", "OpenAI-Project", "X-Api-Key"} & set(sent.headers)
        assert KEY not in str(sent.headers)

    async def test_of_two_models_in_one_body_the_server_sees_the_one_we_checked(self, api, upstream):
        upstream.will_say(say("hi"))

        await api.request("POST", PATH, content=b'{"model":"secret","messages":[],"model":"gpt-4o"}')

        assert upstream.requests[0].content.count(b'"model"') == 1
        assert upstream.requests[0].body["model"] == "llama3.1:8b"

    async def test_a_model_that_is_not_mapped_is_not_found(self, api, upstream):
        """E-69."""
        answer = await api.post(PATH, {**BODY, "model": "llama3.1:8b"})

        assert answer.refusal == (404, "model_not_found", "model")
        assert upstream.requests == []


class TestWithAModelServerThatIsAway:
    @pytest.fixture
    async def settings(self, settings):
        async with ScriptedUpstream() as gone:
            base_url = gone.base_url
        return replace(settings, upstreams=(UpstreamSettings(name="gone", base_url=base_url),))

    async def test_a_bad_gateway_says_which(self, client):
        with pytest.raises(openai.InternalServerError) as caught:
            await client.chat.completions.create(**BODY)

        assert caught.value.status_code == 502
        assert caught.value.type == "server_error"
        assert "gone" in caught.value.message


class TestWithoutAModelServer:
    @pytest.fixture
    def settings(self, settings):
        return replace(settings, upstreams=())

    async def test_it_says_what_is_missing(self, api):
        answer = await api.post(PATH, BODY)

        assert answer.status == 503
        assert answer.error["type"] == "server_error"
        assert "--upstream" in answer.error["message"]
