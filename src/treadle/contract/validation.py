"""From the bytes of a request to a typed value, or to the contract's error. Contract: docs/behaviour.md, section 2.3.

Nothing here raises anything but ApiError, whatever the bytes.
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final, Literal, NamedTuple, TypeAlias, TypeVar, cast
from urllib.parse import unquote_plus

import msgspec
from msgspec import Struct, inspect

from treadle.contract import ids, violations
from treadle.contract.errors import InvalidRequest
from treadle.contract.fields import Body

B = TypeVar("B", bound=Body)
Q = TypeVar("Q", bound=Struct)

# What is decoded here is encoded again later, from a deeper stack: Python's recursion limit must not be near (E-15).
MAX_DEPTH: Final = 700
_BRACKET_OR_STRING: Final = re.compile(rb'[\[{\]}]|"(?:[^"\\]|\\.)*+(?:"|\\?\Z)', re.DOTALL)

_LONGEST_NUMBER: Final = 1000  # digits; Python reads no more than 4300

_Reader: TypeAlias = Literal["text", "integer", "list", "ignored"]


def decode_body(type_: type[B], body: bytes) -> B:
    """A JSON body as a checked `type_`; an empty one counts as `{}` (E-20). Raises InvalidRequest."""
    try:
        body.decode()  # msgspec passes bad UTF-8 by in values that nobody asked for
        if _is_too_deep(body):
            raise InvalidRequest.not_json()
        result: B = _decoder(type_).decode(body or b"{}")
    except msgspec.ValidationError as fault:
        raise _explained(type_, body, fault) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidRequest.not_json() from None
    result.check()
    return result


def decode_query(type_: type[Q], raw_query: bytes) -> Q:
    """A query string as `type_`. Unknown names are ignored, of a repeated scalar the last one counts (P-14).

    Lists are read in every spelling of P-12: `include[]=`, `include=`, `include[0]=`, repeated, or with commas.
    Raises InvalidRequest, with the name of the parameter as `param`.
    """
    plan = _plan(type_)
    if not raw_query:
        return cast(Q, plan.empty)
    values: dict[str, Any] = {}
    for pair in raw_query.decode("utf-8", "replace").split("&"):
        name, _, text = pair.partition("=")
        if "%" in pair or "+" in pair:
            name, text = unquote_plus(name), unquote_plus(text)
        reader = plan.readers.get(name)
        if reader == "text":
            values[name] = text
        elif reader == "integer":
            values[name] = _integer(text)
        elif (base := name.partition("[")[0]) in plan.lists:
            values.setdefault(base, []).extend(item for item in text.split(",") if item)
    return _converted(type_, values)


def decode_form(type_: type[B], fields: Mapping[str, object]) -> B:
    """The fields of a multipart form as a checked `type_`; files may be any object (`FormFile`).

    `outer[inner]` is the field `inner` of the object `outer` (F-1). Raises InvalidRequest.
    """
    values: dict[str, object] = {}
    for name, value in fields.items():
        outer, bracket, inner = name.partition("[")
        if not bracket:
            values[name] = value
        elif isinstance(group := values.setdefault(outer, {}), dict):
            group[inner.removesuffix("]")] = value
    result = _converted(type_, _with_integers(values, violations.described(type_)))
    result.check()
    return result


def check_id(kind: ids.Kind, value: str, param: str) -> None:
    """E-42 for an id in a path."""
    if not ids.has_prefix(kind, value):
        raise InvalidRequest.wrong_id(param, value, kind)


@cache
def _decoder(type_: type[B]) -> msgspec.json.Decoder[B]:
    return msgspec.json.Decoder(type_)


def _is_too_deep(body: bytes) -> bool:
    """Whether JSON nests deeper than MAX_DEPTH. Nearly always the length or the number of brackets rules it out."""
    if len(body) <= 2 * MAX_DEPTH or body.count(b"{") + body.count(b"[") <= MAX_DEPTH:
        return False
    depth = 0
    for match in _BRACKET_OR_STRING.finditer(body):
        token = match[0]
        if token in (b"{", b"["):
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif token in (b"}", b"]"):
            depth -= 1
    return False


def _explained(type_: type[Struct], body: bytes, fault: msgspec.ValidationError) -> InvalidRequest:
    """The contract's error for a body that the decoder refused. JSON errors anywhere in it come first (O-1)."""
    try:
        value = msgspec.json.decode(body)
        if isinstance(value, dict):
            return violations.first(value, type_) or _generic(fault)
    except (msgspec.DecodeError, RecursionError):
        pass
    return InvalidRequest.not_json()


def _generic(fault: msgspec.ValidationError) -> InvalidRequest:
    """For a key that occurs twice, the first time with a value of the wrong kind: the walk only sees the second."""
    message, _, path = str(fault).partition(" - at ")
    return InvalidRequest(f"{message}.", param=path.strip("`").removeprefix("$").removeprefix(".") or None)


def _converted(type_: type[Q], values: dict[str, object]) -> Q:
    try:
        return msgspec.convert(values, type_)
    except msgspec.ValidationError as fault:
        raise violations.first(values, type_) or _generic(fault) from None


def _with_integers(values: dict[str, object], node: inspect.Type) -> dict[str, object]:
    """Form fields are text; those whose type is a number are read as one."""
    types = _fields(node)
    read = dict(values)
    for name, value in values.items():
        for member in map(violations.bare, violations.alternatives(types[name]) if name in types else ()):
            if isinstance(value, str) and isinstance(member, inspect.IntType):
                read[name] = _integer(value)
            elif isinstance(value, dict) and isinstance(member, inspect.StructType):
                read[name] = _with_integers(value, member)
    return read


class _Plan(NamedTuple):
    """How the names of a query are read. `empty` is the value of no query at all; it is frozen, so all may share it."""

    empty: Any
    readers: Mapping[str, _Reader]
    lists: frozenset[str]


@cache
def _plan(type_: type[Struct]) -> _Plan:
    readers = {name: _reader(node) for name, node in _fields(violations.described(type_)).items()}
    return _Plan(
        empty=type_(),
        readers={name: reader for name, reader in readers.items() if reader not in ("list", "ignored")},
        lists=frozenset(name for name, reader in readers.items() if reader == "list"),
    )


def _reader(node: inspect.Type) -> _Reader:
    for member in map(violations.bare, violations.alternatives(node)):
        if isinstance(member, inspect.IntType):
            return "integer"
        if isinstance(member, inspect.VarTupleType):
            return "list"
        if isinstance(member, inspect.StrType | inspect.LiteralType):
            return "text"
    return "ignored"


def _fields(node: inspect.Type) -> dict[str, inspect.Type]:
    return {field.encode_name: field.type for field in node.fields} if isinstance(node, inspect.StructType) else {}


def _integer(text: str) -> int | str:
    """The number, or the text as it is, which then is of the wrong type (E-46)."""
    digits = text.removeprefix("-")
    if digits.isascii() and digits.isdecimal() and len(digits) <= _LONGEST_NUMBER:
        return int(text)
    return text
