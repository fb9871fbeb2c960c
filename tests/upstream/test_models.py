"""The model map: names in requests, and where they lead (MD-3)."""

import msgspec
import pytest

from tests.upstream.conftest import Answering
from treadle.upstream import (
    ChatRequest,
    ModelMap,
    ModelSettings,
    NoUpstream,
    Upstream,
    UpstreamModelNotFound,
    UpstreamSettings,
)
from treadle.upstream.scripted import ScriptedUpstream

GPU = UpstreamSettings(name="gpu", base_url="http://127.0.0.1:8001/v1")
CLOUD = UpstreamSettings(name="cloud", base_url="https://models.example.org/v1", api_key="sk-cloud-secret")
ALIAS = ModelSettings(upstream="gpu", model="qwen3-8b", context_tokens=32768)


def where(model_map: ModelMap, name: str) -> tuple[str, str] | None:
    route = model_map.route(name)
    return None if route is None else (route.upstream.name, route.model)


@pytest.mark.parametrize(
    ("model_map", "name", "expected"),
    [
        pytest.param(ModelMap([GPU, CLOUD], {"gpt-4o": ALIAS}), "gpt-4o", ("gpu", "qwen3-8b"), id="an alias"),
        pytest.param(ModelMap([GPU, CLOUD], {"gpt-4o": ALIAS}), "o3", None, id="two upstreams, no default"),
        pytest.param(
            ModelMap([GPU, CLOUD], {"gpt-4o": ALIAS}, default_upstream="cloud"), "o3", ("cloud", "o3"), id="default"
        ),
        pytest.param(ModelMap([GPU]), "llama3", ("gpu", "llama3"), id="the only upstream is the default"),
        pytest.param(ModelMap([GPU], {"gpt-4o": ALIAS}, mapped_only=True), "llama3", None, id="mapped only"),
        pytest.param(
            ModelMap([GPU], default_model="llama3"), "gpt-4o", ("gpu", "llama3"), id="default model for any name"
        ),
        pytest.param(
            ModelMap([GPU, CLOUD], {"small": ALIAS}, default_model="small"),
            "gpt-4o",
            ("gpu", "qwen3-8b"),
            id="the default model may be an alias",
        ),
        pytest.param(
            ModelMap([CLOUD, GPU], {"o3": ModelSettings()}, default_upstream="gpu", default_model="llama3"),
            "o3",
            ("gpu", "o3"),
            id="an exact name wins over the default model",
        ),
        pytest.param(ModelMap(), "gpt-4o", None, id="nothing configured"),
    ],
)
def test_a_name_leads_to(model_map: ModelMap, name: str, expected: tuple[str, str] | None):
    assert where(model_map, name) == expected


def test_a_route_brings_the_settings_of_its_model():
    assert ModelMap([GPU], {"gpt-4o": ALIAS}).route("gpt-4o").settings.context_tokens == 32768


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"models": {"a": ModelSettings(upstream="gpo")}},
            "models.a names the upstream 'gpo'. Configured: gpu, cloud.",
        ),
        ({"models": {"a": ModelSettings()}}, "models.a names no upstream, and there is no default upstream."),
        ({"default_upstream": "x"}, "default_upstream names the upstream 'x'. Configured: gpu, cloud."),
        ({"default_model": "llama3"}, "The default model 'llama3' is not mapped and there is no default upstream."),
    ],
)
def test_a_map_that_leads_nowhere_is_refused(arguments: dict, message: str):
    with pytest.raises(ValueError, match=message):
        ModelMap([GPU, CLOUD], **arguments)


@pytest.mark.parametrize(
    "url",
    ["", "127.0.0.1:8080", "ftp://example.org/v1", "http://", "http://user:password@example.org/v1", "http://[::"],
)
def test_a_base_url_that_cannot_be_asked_is_refused_without_showing_it(url: str):
    with pytest.raises(ValueError, match="base URL of the upstream 'gpu' must look like") as raised:
        UpstreamSettings(name="gpu", base_url=url)

    assert "password" not in str(raised.value)


def test_settings_are_read_from_a_file_strictly():
    section = {"upstream": "gpu", "model": "o9", "max_tokens_parameter": "max_completion_tokens", "omit": ["top_p"]}

    settings = msgspec.convert(section, ModelSettings)

    assert settings == ModelSettings(
        upstream="gpu", model="o9", max_tokens_parameter="max_completion_tokens", omit=frozenset({"top_p"})
    )
    with pytest.raises(msgspec.ValidationError, match="unknown field `modle`"):
        msgspec.convert({"modle": "o9"}, ModelSettings)


async def test_asking_without_or_beside_the_map_fails_at_once():
    request = ChatRequest(messages=[])

    with pytest.raises(NoUpstream):
        Upstream(ModelMap(), clock=lambda: 0.0).stream_chat("gpt-4o", request)
    with pytest.raises(UpstreamModelNotFound, match="The model 'o3' is not served here"):
        Upstream(ModelMap([GPU], {"gpt-4o": ALIAS}, mapped_only=True), clock=lambda: 0.0).stream_chat("o3", request)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


async def test_the_list_holds_mapped_names_and_what_the_open_upstream_serves_asked_once_a_minute():
    clock = Clock()
    async with ScriptedUpstream(models=("llama3", "gpt-4o")) as server:
        settings = UpstreamSettings(name="gpu", base_url=server.base_url)
        async with Upstream(ModelMap([settings], {"gpt-4o": ALIAS}), clock=clock) as upstream:
            listed = [(model.id, model.created, model.owned_by) for model in (await upstream.models()).data]
            await upstream.models()
            asked_within_a_minute = len(server.requests)
            clock.now += 60
            await upstream.models()

    assert listed == [("gpt-4o", 1000, "gpu"), ("llama3", 1000, "scripted")]
    assert asked_within_a_minute == 1
    assert len(server.requests) == 2


async def test_with_a_default_model_only_names_that_mean_something_are_listed():
    async with ScriptedUpstream(models=("llama3", "phi4")) as server:
        settings = UpstreamSettings(name="gpu", base_url=server.base_url)
        model_map = ModelMap([settings], {"gpt-4o": ALIAS}, default_model="llama3")
        async with Upstream(model_map, clock=Clock()) as upstream:
            listed = await upstream.models()

    assert [model.id for model in listed.data] == ["gpt-4o", "llama3"]


@pytest.mark.parametrize("mapped_only", [True, False])
async def test_an_upstream_that_is_closed_or_away_lists_nothing_more(mapped_only: bool):
    model_map = ModelMap([GPU], {"gpt-4o": ALIAS}, mapped_only=mapped_only)

    async with Upstream(model_map, clock=Clock()) as upstream:
        listed = await upstream.models()

    assert [model.id for model in listed.data] == ["gpt-4o"]


async def test_an_unreadable_list_lists_nothing_more(answering: Answering):
    async with answering(b'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"data": ') as base_url:
        settings = UpstreamSettings(name="gpu", base_url=base_url)
        async with Upstream(ModelMap([settings], {"gpt-4o": ALIAS}), clock=Clock()) as upstream:
            listed = await upstream.models()

    assert [model.id for model in listed.data] == ["gpt-4o"]
