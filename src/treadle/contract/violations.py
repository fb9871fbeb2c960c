"""Why a JSON value does not fit a type: the first violation in document order, in the contract's words (E-30 to E-46).

The decoder is fast and says little. Only after it has refused is the value walked again here, beside its type.
A required key that is missing is reported after the keys that are present at its level.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

from msgspec import Struct, inspect

from treadle.contract.errors import InvalidRequest

_DECLARED: Final[dict[frozenset[Any], tuple[Any, ...]]] = {}
_PLURALS: Final = {
    "a string": "strings",
    "an integer": "integers",
    "a decimal": "decimals",
    "a boolean": "booleans",
    "an object": "objects",
    "an array": "arrays",
}


def first(value: object, type_: type) -> InvalidRequest | None:
    """The error for the first violation, or None when `value` (plain JSON data) fits `type_`."""
    try:
        _walk(value, described(type_), "")
    except InvalidRequest as violation:
        return violation
    return None


@cache
def described(type_: type) -> inspect.Type:
    _remember_choices(type_, set())
    return inspect.type_info(type_)


def choices(node: inspect.LiteralType) -> tuple[Any, ...]:
    """The values of a Literal as they were declared; the description has them sorted."""
    return _DECLARED.get(frozenset(node.values), node.values)


def _remember_choices(annotation: Any, seen: set[Any]) -> None:
    if get_origin(annotation) is Literal:
        _DECLARED.setdefault(frozenset(get_args(annotation)), get_args(annotation))
    elif isinstance(annotation, type) and issubclass(annotation, Struct) and annotation not in seen:
        seen.add(annotation)
        for hint in get_type_hints(annotation, include_extras=True).values():
            _remember_choices(hint, seen)
    for part in (*get_args(annotation), *getattr(annotation, "__orig_bases__", ())):
        _remember_choices(part, seen)


def alternatives(node: inspect.Type) -> Iterator[inspect.Type]:
    """The members of a union, or the type itself; metadata stay on."""
    if isinstance(node, inspect.UnionType):
        for member in node.types:
            yield from alternatives(member)
    elif isinstance(node, inspect.Metadata) and isinstance(node.type, inspect.UnionType):
        yield from alternatives(node.type)
    else:
        yield node


def bare(node: inspect.Type) -> inspect.Type:
    return node.type if isinstance(node, inspect.Metadata) else node


def id_kind(node: inspect.Type) -> Any:
    """The kind of object that a string names, when its type says so (`fields.py`)."""
    return (node.extra or {}).get("kind") if isinstance(node, inspect.Metadata) else None


def shown_pattern(pattern: str) -> str:
    return pattern.replace(r"\Z", "$")


def _walk(value: object, node: inspect.Type, at: str) -> None:
    members = list(alternatives(node))
    fitting = [member for member in members if _accepts(bare(member), value)]
    if not fitting:
        raise InvalidRequest.wrong_type(at, _expected(members), _kind(value))
    match value:
        case str():
            _walk_string(value, fitting, at)
        case bool() | None:
            return
        case int() | float():
            _check_bounds(value, bare(fitting[0]), at)
        case list():
            _walk_array(value, bare(fitting[0]), at)
        case dict():
            _walk_object(value, [bare(member) for member in fitting], at)


def _accepts(node: inspect.Type, value: object) -> bool:
    if isinstance(node, inspect.AnyType):
        return True
    kind, wanted = _kind(value), _wanted(node)
    return kind == wanted or (kind == "an integer" and wanted == "a decimal")


def _kind(value: object) -> str:
    """The JSON type of a value, with its article."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case str():
            return "a string"
        case int():
            return "an integer"
        case float():
            return "a decimal"
        case list() | tuple():
            return "an array"
        case _:
            return "an object"


def _wanted(node: inspect.Type) -> str:
    """The JSON type that a type accepts."""
    match node:
        case inspect.StrType() | inspect.LiteralType() | inspect.EnumType():
            return "a string"
        case inspect.IntType():
            return "an integer"
        case inspect.FloatType():
            return "a decimal"
        case inspect.BoolType():
            return "a boolean"
        case inspect.NoneType():
            return "null"
        case inspect.ListType() | inspect.VarTupleType():
            return "an array"
        case _:
            return "an object"


def _expected(members: Sequence[inspect.Type]) -> list[str]:
    """What would have been right, each kind once. That null is allowed too is left out, as the vendor does."""
    phrases = dict.fromkeys(_phrase(bare(member)) for member in members)
    if len(phrases) > 1:
        phrases.pop("null", None)
    return list(phrases)


def _phrase(node: inspect.Type) -> str:
    if isinstance(node, inspect.ListType | inspect.VarTupleType):
        items = {_wanted(bare(member)) for member in alternatives(node.item_type)}
        if len(items) == 1:
            return f"an array of {_PLURALS[items.pop()]}"
    return _wanted(node)


def _walk_string(value: str, fitting: Sequence[inspect.Type], at: str) -> None:
    supported: list[str] = []
    for member in fitting:
        match bare(member):
            case inspect.LiteralType() as node:
                supported += choices(node)
            case inspect.EnumType(cls=cls):
                supported += [str(choice.value) for choice in cls]
            case inspect.StrType() as node:
                _check_string(value, node, id_kind(member), at)
                return
            case _:
                return
    if value not in supported:
        raise InvalidRequest.unsupported_value(at, value, supported)


def _check_string(value: str, node: inspect.StrType, kind: Any, at: str) -> None:
    if node.min_length is not None and len(value) < node.min_length:
        raise InvalidRequest.string_too_short(at, len(value), node.min_length)
    if node.max_length is not None and len(value) > node.max_length:
        raise InvalidRequest.string_too_long(at, len(value), node.max_length)
    if node.pattern is not None and not re.search(node.pattern, value):
        if kind is not None:
            raise InvalidRequest.wrong_id(at, value, kind)
        raise InvalidRequest.pattern_mismatch(at, shown_pattern(node.pattern))


def _check_bounds(value: float, node: inspect.Type, at: str) -> None:
    if not isinstance(node, inspect.IntType | inspect.FloatType):
        return
    kind = "integer" if isinstance(node, inspect.IntType) else "decimal"
    if node.le is not None and value > node.le:
        raise InvalidRequest.number_out_of_range(at, value, limit=node.le, above=True, kind=kind)
    if node.ge is not None and value < node.ge:
        raise InvalidRequest.number_out_of_range(at, value, limit=node.ge, above=False, kind=kind)


def _walk_array(value: list[object], node: inspect.Type, at: str) -> None:
    if not isinstance(node, inspect.ListType | inspect.VarTupleType):
        return
    if node.min_length and not value:
        raise InvalidRequest.empty_array(at)
    if node.max_length is not None and len(value) > node.max_length:
        raise InvalidRequest.array_too_long(at, len(value), node.max_length)
    for index, item in enumerate(value):
        _walk(item, node.item_type, f"{at}[{index}]")


def _walk_object(value: dict[str, object], fitting: Sequence[inspect.Type], at: str) -> None:
    structs = [node for node in fitting if isinstance(node, inspect.StructType)]
    if structs:
        _walk_struct(value, _chosen(value, structs, at), at)
    elif isinstance(fitting[0], inspect.DictType):
        _walk_map(value, fitting[0], at)


def _chosen(value: dict[str, object], structs: Sequence[inspect.StructType], at: str) -> inspect.StructType:
    """The member of a union that the tag of `value` names; without a right tag nothing else can be judged."""
    tag_field = structs[0].tag_field
    if tag_field is None or (tag_field not in value and len(structs) == 1):
        return structs[0]
    param = _join(at, tag_field)
    if tag_field not in value:
        raise InvalidRequest.missing_parameter(param)
    tag = value[tag_field]
    if not isinstance(tag, str):
        raise InvalidRequest.wrong_type(param, ["a string"], _kind(tag))
    for struct in structs:
        if struct.tag == tag:
            return struct
    raise InvalidRequest.unsupported_value(param, tag, [str(struct.tag) for struct in structs])


def _walk_struct(value: dict[str, object], node: inspect.StructType, at: str) -> None:
    fields = {field.encode_name: field for field in node.fields}
    for key, item in value.items():
        if key in fields:
            _walk(item, fields[key].type, _join(at, key))
        elif node.forbid_unknown_fields and key != node.tag_field:
            raise InvalidRequest.unknown_parameter(_join(at, key))
    for name, field in fields.items():
        if field.required and name not in value:
            raise InvalidRequest.missing_parameter(_join(at, name))


def _walk_map(value: dict[str, object], node: inspect.DictType, at: str) -> None:
    if node.max_length is not None and len(value) > node.max_length:
        raise InvalidRequest.too_many_properties(at, len(value), node.max_length)
    longest = getattr(bare(node.key_type), "max_length", None)
    for key, item in value.items():
        if longest is not None and len(key) > longest:
            raise InvalidRequest.property_name_too_long(at, key, longest)
        _walk(item, node.value_type, _join(at, key))


def _join(at: str, key: str) -> str:
    return f"{at}.{key}" if at else key
