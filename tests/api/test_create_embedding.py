"""createEmbedding. Contract: docs/behaviour.md, rule MD-4."""

import pytest
from msgspec.structs import replace

from treadle.upstream.models import ModelSettings


async def test_the_answer_is_the_model_servers(api, upstream):
    answer = await api.post("/embeddings", {"model": "e", "input": ["one", "two"]}, headers={"OpenAI-Beta": ""})

    assert answer.status == 200
    assert [item["index"] for item in answer.json["data"]] == [0, 1]
    assert upstream.requests[0].body == {"model": "e", "input": ["one", "two"]}


async def test_the_official_client_gets_its_vectors(client):
    """It asks for base64 and decodes that."""
    answer = await client.embeddings.create(model="e", input="It is sunny.")

    assert sum(value**2 for value in answer.data[0].embedding) == pytest.approx(1)
    assert answer.usage.prompt_tokens == 3


async def test_a_body_that_names_no_model_stays_here(api, upstream):
    """E-31."""
    answer = await api.post("/embeddings", {"input": "x"})

    assert answer.refusal == (400, "missing_required_parameter", "model")
    assert upstream.requests == []


class TestWithAModelMap:
    @pytest.fixture
    def settings(self, settings):
        models = {"text-embedding-3-small": ModelSettings(model="nomic")}
        return replace(settings, models=models, mapped_only=True)

    async def test_the_name_is_mapped(self, api, upstream):
        """MD-3."""
        await api.created("/embeddings", {"model": "text-embedding-3-small", "input": "x"})

        assert upstream.requests[0].body["model"] == "nomic"

    async def test_a_model_that_is_not_mapped_is_not_found(self, api, upstream):
        """E-69."""
        answer = await api.post("/embeddings", {"model": "nomic", "input": "x"})

        assert answer.refusal == (404, "model_not_found", "model")
        assert upstream.requests == []
