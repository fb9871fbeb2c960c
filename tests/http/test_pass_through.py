"""Answers of a model server that are odd, on their way to the caller. Contract: docs/behaviour.md, MD-4."""

import json

import pytest
from msgspec.structs import replace

from tests.support.told import ToldServer
from treadle.upstream.models import UpstreamSettings

SECRET = "sk-operators-own-key"
BODY = {"model": "gpt-4o", "messages": []}


@pytest.fixture
def told():
    server = ToldServer()
    yield server
    server.stop()


@pytest.fixture
def settings(settings, told):
    model_server = UpstreamSettings(
        name="told", base_url=told.base_url, api_key=SECRET, headers={"X-Gateway-Key": "of-the-gateway"}
    )
    return replace(settings, upstreams=(model_server,))


async def test_a_header_in_utf_8_comes_byte_for_byte(api, told):
    told.answer(
        200, {"content-type": "application/json", "x-ratelimit-remaining-tokens": "⛃".encode().decode("latin-1")}
    )

    response = await api.http.post("/v1/chat/completions", json=BODY)

    assert response.status_code == 200
    assert (b"x-ratelimit-remaining-tokens", "⛃".encode()) in response.headers.raw


@pytest.mark.parametrize("secret", [SECRET, "of-the-gateway"])
async def test_an_error_that_repeats_the_operators_key_does_not_show_it(api, told, secret):
    error = {"error": {"message": f"Incorrect API key provided: {secret}.", "type": "invalid_request_error"}}
    told.answer(401, {"content-type": "application/json"}, json.dumps(error).encode())

    response = await api.http.post("/v1/chat/completions", json=BODY)

    assert response.status_code == 401
    assert response.json()["error"]["message"] == f"Incorrect API key provided: {'*' * len(secret)}."


async def test_a_secret_that_arrives_in_two_pieces_is_not_shown_either(api, told):
    told.answer(500, {"content-type": "text/plain"}, f"{SECRET}, ".encode() * 50_000)

    response = await api.http.post("/v1/chat/completions", json=BODY)

    assert response.content == f"{'*' * len(SECRET)}, ".encode() * 50_000


async def test_an_error_without_a_secret_comes_byte_for_byte(api, told):
    told.answer(429, {"content-type": "text/html"}, b"<html>\xff slow down</html>" * 10_000)

    response = await api.http.post("/v1/chat/completions", json=BODY)

    assert response.status_code == 429
    assert response.content == b"<html>\xff slow down</html>" * 10_000


async def test_a_header_that_may_not_be_sent_on_is_left_out(api, told):
    told.answer(200, {"content-type": "application/json", "x-ratelimit-remaining-tokens": "a\x01b"})

    response = await api.http.post("/v1/chat/completions", json=BODY)

    assert response.status_code == 200
    assert "x-ratelimit-remaining-tokens" not in response.headers
