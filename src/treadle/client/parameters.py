"""What an operation takes, as keyword arguments: path, query, body and a few headers in one flat list."""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType, NoneType, UnionType
from typing import Annotated, Any, Final, Literal, TypeAlias, Union, get_args, get_origin, get_type_hints

from msgspec import Struct, UnsetType, inspect, structs

from treadle.contract import openapi, violations
from treadle.contract.additions import ADDITIONS
from treadle.contract.operations import OPERATIONS, Operation, python_name

Place: TypeAlias = Literal["path", "query", "header", "body"]

ALL: Final[Mapping[str, Operation]] = MappingProxyType({**OPERATIONS, **ADDITIONS})
_BY_NAME: Final = {**{python_name(operation): operation for operation in ALL.values()}, **ALL}
_HEADERS: Final = {
    "streamRun": {"last_event_id": ("Last-Event-ID", "Go on after the event with this id, instead of a snapshot.")},
}


class Parameter(Struct, frozen=True, kw_only=True):
    """One keyword argument. `type` is an annotation of the contract; `sent_as` is the name on the wire."""

    name: str
    sent_as: str
    place: Place
    type: Any  # Any: str, a Literal, a union: whatever may stand in an annotation
    required: bool
    note: str = ""


def operation_named(name: str) -> Operation:
    """The operation of that id, as the contract or as Python spells it. Raises LookupError."""
    try:
        return _BY_NAME[name]
    except KeyError:
        raise LookupError(f"There is no operation '{name}'.") from None


@cache
def of(operation: Operation) -> Mapping[str, Parameter]:
    """All parameters by name, what is required first. A name that occurs twice means the path's (`body=` has both)."""
    found = [
        *_fields(operation.body, "body"),
        *_fields(operation.query, "query"),
        *(
            Parameter(name=name, sent_as=header, place="header", type=str | None, required=False, note=note)
            for name, (header, note) in _HEADERS.get(operation.id, {}).items()
        ),
        *(
            Parameter(name=name, sent_as=name, place="path", type=str, required=True, note=openapi.NOTES[name])
            for name in operation.path_kinds
        ),
    ]
    by_name = {parameter.name: parameter for parameter in found}
    in_order = sorted(by_name.values(), key=lambda parameter: (parameter.place != "path", not parameter.required))
    return MappingProxyType({parameter.name: parameter for parameter in in_order})


def always_streams(operation: Operation) -> bool:
    """The operation answers with events and nothing else."""
    return operation.streams and operation.body is None


def alternatives(annotation: Any) -> list[Any]:
    """The members of a union, or the annotation itself, without metadata, None and UnsetType."""
    if get_origin(annotation) is Annotated:
        return alternatives(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [member for part in get_args(annotation) for member in alternatives(part)]
    return [] if annotation in (None, NoneType, UnsetType) else [annotation]


def items(annotation: Any) -> list[Any]:
    """The alternatives for an item of a list or tuple; none for everything else."""
    return alternatives(get_args(annotation)[0]) if get_origin(annotation) in (list, tuple) else []


def choices(members: list[Any]) -> list[str]:
    """The values of a Literal that has no alternative; none for everything else."""
    return list(get_args(members[0])) if [get_origin(member) for member in members] == [Literal] else []


def _fields(type_: type[Struct] | None, place: Place) -> list[Parameter]:
    if type_ is None:
        return []
    hints = get_type_hints(type_, include_extras=True)
    described = {field.name: field for field in openapi.fields_of(type_)}
    return [
        Parameter(
            name=field.name,
            sent_as=field.encode_name,
            place=place,
            type=hints[field.name],
            required=field.required,
            note=_note(described[field.name], place),
        )
        for field in structs.fields(type_)
        if hints[field.name] is not NoneType  # a field that can only be None is not a parameter
    ]


def _note(field: inspect.Field, place: Place) -> str:
    """What it means, and the bounds of a number or a list; of a query also what holds when it is left out."""
    bounds = [text for member in violations.alternatives(field.type) if (text := _bounds(violations.bare(member)))]
    if place == "query" and isinstance(field.default, str | int):
        bounds.append(f"{field.default} unless said")
    meaning = openapi.NOTES.get(field.encode_name, "")
    return " ".join(part for part in (meaning, f"({'; '.join(bounds)})" if bounds else "") if part)


def _bounds(node: inspect.Type) -> str:
    match node:
        case inspect.IntType(ge=least, le=most) | inspect.FloatType(ge=least, le=most):
            unit = ""
        case inspect.ListType(min_length=least, max_length=most):
            unit = " items"
        case inspect.StrType(max_length=most):
            least, unit = None, " characters"
        case _:
            return ""
    if most is None:
        return "" if least is None else f"at least {least}{unit}"
    return f"at most {most}{unit}" if least is None else f"{least} to {most}{unit}"
