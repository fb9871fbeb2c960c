"""Values that fit a JSON Schema, and what can be wrong with them: one thing at a time, each with its place and code.

Written for the schemas of the document we serve: `$ref`, objects, maps, arrays, unions, enums and the usual limits.
"""

import copy
from collections.abc import Iterator
from typing import Any, NamedTuple

Json = Any
Step = str | int

_OF_TYPE = {"null": None, "boolean": True, "integer": 7, "number": 1.5, "string": "nonsense", "array": [], "object": {}}
_MISSING = object()
_DEEPEST = 8


class Wrong(NamedTuple):
    """At `place` stands `value`, or nothing if it is MISSING. `param` is how an error names the place."""

    place: tuple[Step, ...]
    value: Json
    code: str
    param: str


def examples(schema: Json, document: Json, depth: int = 0) -> Iterator[Json]:
    """Values with every optional field and one item per array; as many as show each member of each union."""
    schema = resolved(schema, document)
    for key in ("oneOf", "anyOf"):
        if key in schema:
            for member in schema[key]:
                yield from examples(member, document, depth + 1)
            return
    if "enum" in schema:
        yield schema["enum"][0]
        return
    match schema.get("type"):
        case "object":
            yield from _objects(schema, document, depth)
        case "array":
            for item in [] if depth > _DEEPEST else examples(schema["items"], document, depth + 1):
                yield [item]
        case "string":
            yield _text(schema)
        case "integer" | "number":
            yield schema.get("minimum", 1)
        case "boolean":
            yield True
        case "null":
            yield None
        case _:
            yield {"anything": [1]}


def wrong_values(schema: Json, document: Json) -> Iterator[tuple[Json, Wrong]]:
    """Values that break `schema` in one place, each kind of breach once for each place. Some may yet fit a union."""
    tried = set()
    for good in examples(schema, document):
        for wrong in wrongs(schema, good, document):
            kind = (wrong.param, wrong.code, repr(wrong.value)[:40])
            if kind not in tried:
                tried.add(kind)
                yield replaced(good, wrong), wrong


def wrongs(schema: Json, value: Json, document: Json, place: tuple[Step, ...] = ()) -> Iterator[Wrong]:
    """All that can be wrong with `value`, which fits `schema`, and with what is in it."""
    schema = resolved(schema, document)
    if place:
        types = _types(schema, document)
        for type_ in _OF_TYPE.keys() - types:
            yield _wrong(place, _OF_TYPE[type_], "invalid_type")
        if "string" in types and not _takes_any_text(schema, document):
            yield _wrong(place, "nonsense", "invalid_value")
    for key in ("oneOf", "anyOf"):
        if key in schema:
            for member in schema[key]:
                if _is_like(member, value, document):
                    yield from _within(resolved(member, document), value, document, place)
            return
    yield from _within(schema, value, document, place)


def replaced(value: Json, wrong: Wrong) -> Json:
    """`value` with what is wrong in its place."""
    if not wrong.place:
        return wrong.value
    changed = copy.deepcopy(value)
    inner = changed
    for step in wrong.place[:-1]:
        inner = inner[step]
    if wrong.value is _MISSING:
        del inner[wrong.place[-1]]
    else:
        inner[wrong.place[-1]] = wrong.value
    return changed


def resolved(schema: Json, document: Json) -> Json:
    while "$ref" in schema:
        node = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            node = node[part]
        schema = node
    return schema


def _objects(schema: Json, document: Json, depth: int) -> Iterator[Json]:
    if "properties" not in schema:
        values = schema.get("additionalProperties")
        yield {"key": next(examples(values, document, depth + 1), "x")} if isinstance(values, dict) else {"key": [1]}
        return
    choices = {
        name: list(examples(field, document, depth + 1))
        for name, field in schema["properties"].items()
        if depth <= _DEEPEST or name in schema.get("required", ())
    }
    choices = {name: values for name, values in choices.items() if values}
    for turn in range(max(map(len, choices.values()), default=1)):
        yield {name: values[turn % len(values)] for name, values in choices.items()}


def _text(schema: Json) -> str:
    pattern = schema.get("pattern", "")
    if pattern.startswith("^") and pattern[-1] in "_-":
        return pattern[1:] + "nowhere"
    if schema.get("format") == "uri":
        return "https://example.org/picture.png"
    return "example"


def _is_like(schema: Json, value: Json, document: Json) -> bool:
    """Whether a member of a union is the one that `value` was made for."""
    schema = resolved(schema, document)
    for key in ("oneOf", "anyOf"):
        if key in schema:
            return any(_is_like(member, value, document) for member in schema[key])
    kinds = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": (int, float)}
    if "enum" in schema:
        return value in schema["enum"]
    if not isinstance(value, kinds.get(schema.get("type"), type(None))):
        return False
    tags = {
        name: field["enum"] for name, field in schema.get("properties", {}).items() if len(field.get("enum", ())) == 1
    }
    return not isinstance(value, dict) or all(value.get(name) in allowed for name, allowed in tags.items())


def _types(schema: Json, document: Json) -> set[str]:
    schema = resolved(schema, document)
    members = schema.get("oneOf") or schema.get("anyOf")
    if members:
        return set().union(*(_types(member, document) for member in members))
    types = {schema["type"]} if "type" in schema else set(_OF_TYPE)
    return types | ({"integer"} if "number" in types else set())


def _takes_any_text(schema: Json, document: Json) -> bool:
    schema = resolved(schema, document)
    members = schema.get("oneOf") or schema.get("anyOf")
    if members:
        return any(_takes_any_text(member, document) for member in members)
    return schema.get("type", "string") == "string" and not {"enum", "pattern"} & set(schema)


def _within(schema: Json, value: Json, document: Json, place: tuple[Step, ...]) -> Iterator[Wrong]:
    match value:
        case dict() if "properties" in schema:
            yield from _in_object(schema, value, document, place)
        case dict():
            yield from _in_map(schema, document, place)
        case list():
            yield from _in_array(schema, value, document, place)
        case str() if "enum" not in schema:
            yield from _in_text(schema, place)
        case bool():
            return
        case int() | float():
            yield from _in_number(schema, place)


def _in_object(schema: Json, value: Json, document: Json, place: tuple[Step, ...]) -> Iterator[Wrong]:
    for name in schema.get("required", ()):
        yield _wrong((*place, name), _MISSING, "missing_required_parameter")
    if schema.get("additionalProperties") is False:
        yield _wrong((*place, "unknown"), 1, "unknown_parameter")
    for name, inner in value.items():
        yield from wrongs(schema["properties"][name], inner, document, (*place, name))


def _in_map(schema: Json, document: Json, place: tuple[Step, ...]) -> Iterator[Wrong]:
    fitting = next(examples(schema["additionalProperties"], document), "x") if _is_schema(schema) else "x"
    if (most := schema.get("maxProperties")) is not None:
        many = {f"k{n}": fitting for n in range(most + 1)}
        yield _wrong(place, many, "object_above_max_properties")
    if (longest := schema.get("propertyNames", {}).get("maxLength")) is not None:
        yield _wrong(place, {"k" * (longest + 1): fitting}, "property_name_above_max_length")
    if _is_schema(schema):
        yield from wrongs(schema["additionalProperties"], fitting, document, (*place, "key"))


def _is_schema(schema: Json) -> bool:
    return isinstance(schema.get("additionalProperties"), dict)


def _in_array(schema: Json, value: Json, document: Json, place: tuple[Step, ...]) -> Iterator[Wrong]:
    if (most := schema.get("maxItems")) is not None and most < 100_000:
        yield _wrong(place, [value[0]] * (most + 1), "array_above_max_length")
    if schema.get("minItems"):
        yield _wrong(place, [], "empty_array")
    yield from wrongs(schema["items"], value[0], document, (*place, 0))


def _in_text(schema: Json, place: tuple[Step, ...]) -> Iterator[Wrong]:
    if (longest := schema.get("maxLength")) is not None:
        yield _wrong(place, "x" * (longest + 1), "string_above_max_length")
    if schema.get("minLength"):
        yield _wrong(place, "", "string_below_min_length")
    if "pattern" in schema:
        yield _wrong(place, "ä b", "invalid_value")


def _in_number(schema: Json, place: tuple[Step, ...]) -> Iterator[Wrong]:
    kind = "integer" if schema["type"] == "integer" else "decimal"
    if (most := schema.get("maximum")) is not None:
        yield _wrong(place, most + 1, f"{kind}_above_max_value")
    if (least := schema.get("minimum")) is not None:
        yield _wrong(place, least - 1, f"{kind}_below_min_value")


def _wrong(place: tuple[Step, ...], value: Json, code: str) -> Wrong:
    param = ""
    for step in place:
        param += f"[{step}]" if isinstance(step, int) else f".{step}" if param else step
    return Wrong(place, value, code, param)
