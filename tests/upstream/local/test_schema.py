"""Any JSON schema becomes one that the model's runtime takes, and that lets no answer grow without end."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.upstream.local import schema

TEXT = {"type": "string", "maxLength": 300}
ANYTHING = {"anyOf": [TEXT, {"type": "number"}, {"type": "boolean"}]}
KNOWN_KEYWORDS = {
    *("type", "properties", "required", "additionalProperties", "items", "anyOf", "enum", "const", "format"),
    *("minimum", "maximum", "minItems", "maxItems", "minLength", "maxLength"),
}


def an_object(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


@pytest.mark.parametrize(
    ("given_schema", "expected"),
    [
        ({"type": "string", "pattern": "(?=x)["}, TEXT),
        ({"type": "string", "maxLength": 10}, {"type": "string", "maxLength": 10}),
        ({"type": "string", "maxLength": 10**9}, TEXT),
        ({"type": "string", "minLength": 5, "maxLength": 3}, {"type": "string", "maxLength": 3}),
        ({"type": "string", "minLength": 10**6}, TEXT),
        ({"type": "string", "format": "date"}, {"type": "string", "format": "date"}),
        ({"type": "string", "format": "email"}, TEXT),
        ({"type": "integer", "minimum": 1, "maximum": 5}, {"type": "integer", "minimum": 1, "maximum": 5}),
        ({"type": "integer", "minimum": 5, "maximum": 1}, {"type": "integer", "maximum": 1}),
        ({"type": "number", "multipleOf": 0.1}, {"type": "number"}),
        ({"type": ["string", "null"]}, {"anyOf": [TEXT, {"type": "null"}]}),
        ({"type": "array"}, {"type": "array", "items": ANYTHING, "maxItems": 16}),
        (
            {"type": "array", "items": {"type": "integer"}, "minItems": 2, "uniqueItems": True},
            {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 16},
        ),
        ({"enum": ["a", 1, None]}, {"enum": ["a", 1, None]}),
        ({"type": "string", "enum": []}, TEXT),
        ({"const": "a"}, {"const": "a"}),
        ({"oneOf": [{"type": "integer"}, {"type": "null"}]}, {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        ({"properties": {"a": {"type": "integer"}}}, an_object({"a": {"type": "integer"}})),
        (
            {"type": "object", "properties": {"a": {"type": "null"}}, "required": ["a", "no_such"]},
            an_object({"a": {"type": "null"}}, "a"),
        ),
        ({"type": "object"}, {"type": "object", "additionalProperties": ANYTHING}),
        ({"type": "object", "additionalProperties": False}, an_object({})),
        (
            {"allOf": [{"properties": {"a": {"type": "null"}}, "required": ["a"]}], "properties": {"b": {"const": 1}}},
            an_object({"b": {"const": 1}, "a": {"type": "null"}}, "a"),
        ),
        ({"allOf": [{"description": "d"}, {"type": "integer"}]}, {"type": "integer"}),
        ({"not": {"type": "string"}}, ANYTHING),
        ({"type": "strong"}, ANYTHING),
        ({"$ref": "https://example.com/schema.json"}, ANYTHING),
        ({"$ref": "#/$defs/missing"}, ANYTHING),
        (True, ANYTHING),
    ],
)
def test_what_the_runtime_can_do_is_kept_and_the_rest_becomes_freer(given_schema: Any, expected: dict[str, Any]):
    assert schema.constrained(given_schema) == expected


def test_references_into_the_document_are_replaced_by_what_they_point_to():
    day = {"enum": ["mon", "tue"]}

    reduced = schema.constrained({"properties": {"day": {"$ref": "#/$defs/a~1b"}}, "$defs": {"a/b": day}})

    assert reduced == an_object({"day": day})


def test_a_schema_that_contains_itself_many_times_over_stays_small():
    node = {"type": "object", "properties": {name: {"$ref": "#"} for name in "abcdefgh"}}

    assert str(schema.constrained(node)).count("'properties'") < 1000


@pytest.mark.parametrize(
    "parameters", [None, {}, {"type": "object"}, {"type": "array"}, {"type": "string"}, "nonsense"]
)
def test_a_function_without_parameters_gets_an_empty_object(parameters: Any):
    assert schema.arguments(parameters) == an_object({})


SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
SCHEMAS = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*sorted(KNOWN_KEYWORDS), "$ref", "allOf", "oneOf", "pattern", "a", "b"]), inner, max_size=5
        )
    ),
    max_leaves=25,
)


@given(SCHEMAS)
def test_whatever_the_user_sends_the_result_has_only_keywords_that_we_know(sent: Any):
    def check(reduced: dict[str, Any]) -> None:
        assert set(reduced) <= KNOWN_KEYWORDS
        assert ("format" in reduced or reduced["maxLength"] <= 300) if reduced.get("type") == "string" else True
        assert reduced["maxItems"] <= 16 if reduced.get("type") == "array" else True
        for inner in [*reduced.get("anyOf", []), *reduced.get("properties", {}).values()]:
            check(inner)
        for inner in (reduced.get("items"), reduced.get("additionalProperties")):
            if inner not in (None, False):
                check(inner)

    check(schema.constrained(sent))
