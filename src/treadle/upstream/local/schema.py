"""JSON schemas that the runtime turns into a grammar: a user's schema reduced to what it can do, and bounded.

The runtime refuses references into a nested schema, unknown types and empty enumerations, and eats all memory for a
string of at least 5 and at most 3 characters. So we build a new schema from the parts we know; what we drop makes the
answer freer, never impossible.
"""

from collections.abc import Iterable
from typing import Any, TypeAlias

Json: TypeAlias = Any  # a schema is whatever JSON the user sent, until it has been looked at
Schema: TypeAlias = dict[str, Json]

# A small model that loses its thread repeats itself until something stops it.
_STRING_MAX_LENGTH = 300
_ARRAY_MAX_ITEMS = 16
_MAX_DEPTH = 12
_MAX_PARTS = 1000
_FORMATS = frozenset({"date", "time", "date-time", "uuid"})
_ANY: Schema = {"anyOf": [{"type": "string", "maxLength": _STRING_MAX_LENGTH}, {"type": "number"}, {"type": "boolean"}]}


def constrained(schema: Json) -> Schema:
    """What the runtime shall hold the model to so that its answer fits `schema`, as far as it can."""
    return _Reducer(schema).reduce(schema, depth=0)


def arguments(parameters: Json) -> Schema:
    """The same for a function's parameters, whose values are always objects. Without parameters it is {}."""
    reduced = constrained(parameters)
    return reduced if "properties" in reduced else closed_object({})


def closed_object(properties: Schema, required: Iterable[str] | None = None) -> Schema:
    """An object of just these properties, in this order; all are required unless `required` says which."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties if required is None else required),
        "additionalProperties": False,
    }


class _Reducer:
    def __init__(self, root: Json) -> None:
        self._root, self._parts = root, 0

    def reduce(self, schema: Json, *, depth: int) -> Schema:
        self._parts += 1
        if not isinstance(schema, dict) or depth > _MAX_DEPTH or self._parts > _MAX_PARTS:
            return _ANY
        if isinstance(reference := schema.get("$ref"), str):
            # A schema that contains itself ends at the limits.
            return self.reduce(self._resolve(reference), depth=depth + 1)
        if "const" in schema:
            return {"const": schema["const"]}
        if isinstance(values := schema.get("enum"), list) and values:
            return {"enum": values}
        for keyword in ("anyOf", "oneOf"):
            if isinstance(options := schema.get(keyword), list) and options:
                return {"anyOf": [self.reduce(option, depth=depth + 1) for option in options]}
        if isinstance(parts := schema.get("allOf"), list) and parts:
            return self._merged([{**schema, "allOf": None}, *parts], depth=depth + 1)
        return self._typed(schema, depth=depth)

    def _typed(self, schema: Schema, *, depth: int) -> Schema:
        kind = schema.get("type")
        if isinstance(kind, list) and kind:
            return {"anyOf": [self._typed({**schema, "type": one}, depth=depth + 1) for one in kind]}
        match kind:
            case "object":
                return self._object(schema, depth=depth)
            case "array":
                return self._array(schema, depth=depth)
            case "string":
                return _string(schema)
            case "integer":
                return {"type": "integer"} | _bounds(schema, "minimum", "maximum")
            case "number" | "boolean" | "null":
                return {"type": kind}
        if "properties" in schema:
            return self._object(schema, depth=depth)
        return self._array(schema, depth=depth) if "items" in schema else _ANY

    def _object(self, schema: Schema, *, depth: int) -> Schema:
        properties = schema.get("properties")
        if isinstance(properties, dict) and properties:
            required = schema.get("required")
            return closed_object(
                {name: self.reduce(value, depth=depth + 1) for name, value in properties.items()},
                [name for name in properties if isinstance(required, list) and name in required],
            )
        if schema.get("additionalProperties") is False:
            return closed_object({})
        # Free keys: the model may write as many as its tokens allow.
        return {
            "type": "object",
            "additionalProperties": self.reduce(schema.get("additionalProperties"), depth=depth + 1),
        }

    def _array(self, schema: Schema, *, depth: int) -> Schema:
        bounds = _bounds(schema, "minItems", "maxItems", limit=_ARRAY_MAX_ITEMS)
        return {"type": "array", "items": self.reduce(schema.get("items"), depth=depth + 1)} | bounds

    def _merged(self, parts: list[Json], *, depth: int) -> Schema:
        """`allOf`: the properties of all parts together, or else the first part that says anything."""
        reduced = [one for part in parts if (one := self.reduce(part, depth=depth)) != _ANY]
        objects = [one for one in reduced if "properties" in one]
        if not objects:
            return reduced[0] if reduced else _ANY
        return closed_object(
            {name: value for one in objects for name, value in one["properties"].items()},
            [name for one in objects for name in one["required"]],
        )

    def _resolve(self, reference: str) -> Json:
        """What a reference into the same document points to, or None."""
        found = self._root
        if not reference.startswith("#"):
            return None
        for step in reference[1:].split("/")[1:]:
            found = found.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(found, dict) else None
        return found


def _string(schema: Schema) -> Schema:
    if schema.get("format") in _FORMATS:
        return {"type": "string", "format": schema["format"]}
    return {"type": "string"} | _bounds(schema, "minLength", "maxLength", limit=_STRING_MAX_LENGTH)


def _bounds(schema: Schema, least: str, most: str, *, limit: int | None = None) -> Schema:
    """The two bounds of `schema` that make sense, the upper one at most `limit`."""
    low, high = (_whole(schema.get(keyword)) for keyword in (least, most))
    if limit is not None:
        high = limit if high is None or not 0 <= high <= limit else high
    if low is not None and ((high is not None and low > high) or (limit is not None and low < 0)):
        low = None
    return {keyword: bound for keyword, bound in ((least, low), (most, high)) if bound is not None}


def _whole(value: Json) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53 else None
