"""modifyAssistant. Contract: docs/behaviour.md, rule A-6."""

import asyncio

import pytest
from msgspec.structs import replace

from treadle.upstream.models import ModelSettings

FULL = {
    "model": "gpt-4o",
    "name": "Tutor",
    "description": "Teaches maths",
    "instructions": "Be brief.",
    "tools": [{"type": "code_interpreter"}],
    "tool_resources": {"code_interpreter": {"file_ids": []}, "file_search": {"vector_store_ids": []}},
    "metadata": {"a": "1", "b": "2"},
    "temperature": 0.2,
    "top_p": 0.9,
    "response_format": {"type": "text"},
    "reasoning_effort": "low",
}


@pytest.fixture
async def tutor(api):
    return await api.created("/assistants", FULL)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model", "gpt-4.1"),
        ("name", ""),
        ("description", "Teaches"),
        ("instructions", ""),
        ("tools", []),
        ("metadata", {}),
        ("metadata", {"c": "3"}),
        ("temperature", 0),
        ("top_p", 0),
        ("response_format", "auto"),
        ("reasoning_effort", "max"),
    ],
)
async def test_one_field_is_replaced_whole_and_the_others_stay(api, tutor, field, value):
    modified = await api.created(f"/assistants/{tutor['id']}", {field: value})

    assert modified == tutor | {field: value}
    assert await api.found(f"/assistants/{tutor['id']}") == modified


@pytest.mark.parametrize(
    ("field", "default"),
    [
        ("name", None),
        ("description", None),
        ("instructions", None),
        ("tool_resources", {}),
        ("metadata", {}),
        ("temperature", 1.0),
        ("top_p", 1.0),
        ("response_format", "auto"),
        ("reasoning_effort", None),
    ],
)
async def test_null_resets_a_field_to_its_default(api, tutor, field, default):
    modified = await api.created(f"/assistants/{tutor['id']}", {field: None})

    assert modified == tutor | {field: default}


@pytest.mark.parametrize("field", ["model", "tools"])
async def test_what_has_no_default_cannot_be_null(api, tutor, field):
    """E-32."""
    answer = await api.post(f"/assistants/{tutor['id']}", {field: None})

    assert answer.refusal == (400, "invalid_type", field)


async def test_a_tool_that_is_not_mentioned_keeps_its_resources(api, tutor):
    modified = await api.created(f"/assistants/{tutor['id']}", {"tool_resources": {"file_search": {}}})

    assert modified["tool_resources"] == tutor["tool_resources"]


@pytest.mark.parametrize("body", [None, {}])
async def test_an_empty_body_changes_nothing(api, tutor, body):
    """E-20."""
    answer = await api.post(f"/assistants/{tutor['id']}", body)

    assert answer.json == tutor


async def test_changes_at_the_same_moment_are_all_kept(api, tutor):
    changes = [{"name": "n"}, {"description": "d"}, {"instructions": "i"}, {"temperature": 1.5}, {"top_p": 0.5}]

    await asyncio.gather(*(api.created(f"/assistants/{tutor['id']}", change) for change in changes))

    expected = tutor | changes[0] | changes[1] | changes[2] | changes[3] | changes[4]
    assert await api.found(f"/assistants/{tutor['id']}") == expected


async def test_new_values_are_checked_as_at_creation_and_nothing_is_changed(api, tutor):
    """E-30 to E-70."""
    path = f"/assistants/{tutor['id']}"
    missing = {"code_interpreter": {"file_ids": ["file-nowhere"]}}

    wrong = [{"object": "assistant"}, {"temperature": 3}, {"tools": FULL["tools"] * 2}, {"tool_resources": missing}]

    answers = [await api.post(path, {"name": "x", **change}) for change in wrong]

    assert [answer.refusal for answer in answers] == [
        (400, "unknown_parameter", "object"),
        (400, "decimal_above_max_value", "temperature"),
        (400, "invalid_value", "tools[1]"),
        (400, None, "tool_resources.code_interpreter.file_ids"),
    ]
    assert await api.found(path) == tutor


async def test_an_unknown_assistant_is_not_found(api):
    """E-60."""
    answer = await api.post("/assistants/asst_nowhere", {"name": "x"})

    assert answer.refusal == (404, None, None)


class TestWithAModelMap:
    @pytest.fixture
    def settings(self, settings):
        return replace(settings, mapped_only=True, models={"gpt-4o": ModelSettings()})

    async def test_a_model_that_is_not_served_is_refused(self, api, tutor):
        """E-44."""
        answer = await api.post(f"/assistants/{tutor['id']}", {"model": "gpt-9"})

        assert answer.refusal == (400, "model_not_found", "model")
        assert await api.found(f"/assistants/{tutor['id']}") == tutor
