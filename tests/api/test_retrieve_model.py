"""retrieveModel. Contract: docs/behaviour.md, rules MD-2 and E-69."""

import pytest
from msgspec.structs import replace

from treadle.upstream.models import ModelSettings


@pytest.fixture
def settings(settings):
    return replace(settings, models={"org/Name:1 %": ModelSettings(model="scripted")})


async def test_a_listed_model_is_found(api):
    model = await api.found("/models/scripted")

    assert model in (await api.found("/models"))["data"]


async def test_a_name_with_a_slash_comes_percent_encoded(api):
    """MD-2."""
    model = await api.found("/models/org%2FName%3A1%20%25")

    assert model["id"] == "org/Name:1 %"


async def test_the_official_client_finds_a_name_with_a_slash(client):
    """MD-2."""
    assert (await client.models.retrieve("org/Name:1 %")).id == "org/Name:1 %"


async def test_a_slash_that_is_not_encoded_is_another_url(api):
    """E-13."""
    answer = await api.get("/models/org/Name:1")

    assert answer.error["message"] == "Invalid URL (GET /v1/models/org/Name:1)"


async def test_an_unknown_model_is_not_found(api):
    """E-69."""
    answer = await api.get("/models/gpt-9")

    assert answer.refusal == (404, "model_not_found", "model")
    assert answer.error["message"] == "The model 'gpt-9' does not exist"
