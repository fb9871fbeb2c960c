"""listModels. Contract: docs/behaviour.md, rules MD-1 and MD-3."""

import pytest
from msgspec.structs import replace

from treadle.upstream.models import ModelSettings, UpstreamSettings
from treadle.upstream.scripted import ScriptedUpstream


async def test_the_model_servers_own_models_are_listed_without_paging(api, clock):
    """MD-1: `object` and `data` and nothing else."""
    page = await api.found("/models")

    assert set(page) == {"object", "data"}
    assert [(model["id"], model["owned_by"]) for model in page["data"]] == [("scripted", "scripted")]
    assert 0 < page["data"][0]["created"] <= int(clock())


async def test_the_official_client_reads_the_list(client):
    assert [model.id async for model in client.models.list()] == ["scripted"]


async def test_the_beta_header_is_not_needed(api):
    """H-3."""
    answer = await api.get("/models", headers={"OpenAI-Beta": ""})

    assert answer.status == 200


class TestWithAMap:
    @pytest.fixture
    def settings(self, settings):
        models = {"gpt-4o": ModelSettings(model="scripted"), "scripted": ModelSettings()}
        return replace(settings, models=models)

    async def test_mapped_names_come_first_and_no_name_twice(self, api):
        """MD-3."""
        page = await api.found("/models")

        assert [model["id"] for model in page["data"]] == ["gpt-4o", "scripted"]


class TestWithMappedNamesOnly:
    @pytest.fixture
    def settings(self, settings):
        return replace(settings, models={"gpt-4o": ModelSettings()}, mapped_only=True)

    async def test_nothing_else_is_listed(self, api, upstream):
        """MD-3."""
        page = await api.found("/models")

        assert [model["id"] for model in page["data"]] == ["gpt-4o"]
        assert upstream.requests == []


class TestWithAModelServerThatIsAway:
    @pytest.fixture
    async def settings(self, settings):
        async with ScriptedUpstream() as gone:
            base_url = gone.base_url
        model_server = UpstreamSettings(name="gone", base_url=base_url)
        return replace(settings, upstreams=(model_server,), models={"gpt-4o": ModelSettings()})

    async def test_the_mapped_names_are_still_listed(self, api):
        page = await api.found("/models")

        assert [model["id"] for model in page["data"]] == ["gpt-4o"]


class TestWithoutAModelServer:
    @pytest.fixture
    def settings(self, settings):
        return replace(settings, upstreams=())

    async def test_the_list_is_empty(self, api):
        assert await api.found("/models") == {"object": "list", "data": []}
