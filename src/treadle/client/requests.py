"""From an operation and keyword arguments to what goes over the wire. No network here."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final, TypeAlias, cast
from urllib.parse import quote, urlencode

import msgspec
from msgspec import UNSET, Struct

from treadle.client import parameters
from treadle.client.parameters import Parameter, Place
from treadle.contract.files import FormFile
from treadle.contract.operations import Operation

Json: TypeAlias = Mapping[str, Any]  # Any: the members of a JSON object
# The name is what the server calls the file; without one it is that of the path or open file.
FileContent: TypeAlias = bytes | Path | IO[bytes] | tuple[str, bytes | IO[bytes]]

_BETA: Final = {"OpenAI-Beta": "assistants=v2"}
_EVENT_IDS: Final = {"X-Treadle-Event-Ids": "1"}  # so that a reader can go on with streamRun (W-9)
_UNNAMED: Final = "upload"


class Request(Struct, kw_only=True):
    """One call. `path` is below the base URL, with its query; a request has a body or a form or neither.

    Close it after the last try: it may hold a file open.
    """

    operation: Operation
    path: str
    headers: dict[str, str]
    body: bytes | None = None
    form: dict[str, str] | None = None
    files: dict[str, tuple[str, bytes | IO[bytes]]] | None = None
    streams: bool = False
    opened: list[IO[bytes]] = []

    def close(self) -> None:
        for file in self.opened:
            file.close()


def build(operation: Operation, arguments: Mapping[str, object]) -> Request:
    """The request for a call. What is UNSET is left out, None is sent as null.

    `body`, a mapping or the contract's struct, may give the whole body or part of it; the other arguments win over it.
    Raises TypeError for an argument that is missing or unknown, ValueError for an id that cannot stand in a path.
    """
    known = parameters.of(operation)
    given = {name: value for name, value in arguments.items() if value is not UNSET}
    body = _as_mapping(given.pop("body")) if operation.body is not None and "body" in given else {}
    if unknown := [name for name in given if name not in known]:
        raise TypeError(f"{operation.id} takes no argument '{unknown[0]}'. It takes: {', '.join(known) or 'none'}.")
    body.update(_at(known, "body", given))
    there = {*given, *body}
    if missing := [name for name, one in known.items() if one.required and name not in there]:
        raise TypeError(f"{operation.id} needs the argument '{missing[0]}'.")
    streams = operation.streams and (parameters.always_streams(operation) or body.get("stream") is True)
    request = Request(
        operation=operation,
        path=_path(operation, given) + _query(_at(known, "query", given)),
        headers={
            **(_BETA if operation.needs_beta else {}),
            **(_EVENT_IDS if streams and operation.chunk is None else {}),
            **{name: str(value) for name, value in _at(known, "header", given).items() if value is not None},
        },
        streams=streams,
    )
    if operation.media_type == "multipart/form-data":
        _fill_form(request, body, known)
    elif operation.body is not None:
        request.headers["Content-Type"] = "application/json"
        request.body = msgspec.json.encode(body, enc_hook=_plain)
    return request


def _at(known: Mapping[str, Parameter], place: Place, given: Mapping[str, object]) -> dict[str, object]:
    return {known[name].sent_as: value for name, value in given.items() if known[name].place == place}


def _as_mapping(body: object) -> dict[str, object]:
    if not isinstance(body, Mapping | Struct):
        raise TypeError(f"The body is a {type(body).__name__}. Expected a mapping or a struct of the contract.")
    return cast("dict[str, object]", dict(body) if isinstance(body, Mapping) else msgspec.to_builtins(body))


def _path(operation: Operation, given: Mapping[str, object]) -> str:
    return operation.path.format_map({name: _segment(name, given[name]) for name in operation.path_kinds})


def _segment(name: str, value: object) -> str:
    """One segment of a path: a slash in a model's name is no separator (MD-2)."""
    if not isinstance(value, str) or value in ("", ".", ".."):
        # These would name another resource: an empty id is a list (E-81).
        raise ValueError(f"The {name} {value!r} cannot be part of a path. Expected a non-empty string.")
    return quote(value, safe="")


def _query(given: Mapping[str, object]) -> str:
    pairs: list[tuple[str, str]] = []
    for name, value in given.items():
        if isinstance(value, list | tuple):
            pairs += [(f"{name}[]", str(item)) for item in value]  # P-12
        elif value is not None:
            pairs.append((name, str(value)))
    return f"?{urlencode(pairs)}" if pairs else ""


def _plain(value: object) -> object:
    """What the encoder does not know by itself, though our annotations allow it."""
    match value:
        case Mapping():
            return dict(value)
        case Sequence():
            return list(value)
    raise TypeError(f"A {type(value).__name__} cannot be sent as JSON.")


def _fill_form(request: Request, body: Mapping[str, object], known: Mapping[str, Parameter]) -> None:
    """Fields as text, an object's as `outer[inner]` (F-1), files as they are."""
    request.form, request.files = {}, {}
    for name, value in body.items():
        if name in known and known[name].type == FormFile:
            request.files[name] = _file(request, name, value)
        elif isinstance(value, Mapping | Struct):
            request.form |= {f"{name}[{inner}]": str(text) for inner, text in _as_mapping(value).items()}
        elif value is not None:
            request.form[name] = str(value)


def _file(request: Request, name: str, value: object) -> tuple[str, bytes | IO[bytes]]:
    match value:
        case (str() as filename, content):
            return filename, _file(request, name, content)[1]
        case bytes():
            return _UNNAMED, value
        case Path():
            request.opened.append(value.open("rb"))
            return value.name, request.opened[-1]
    if isinstance(value, io.TextIOBase) or not hasattr(value, "read"):
        raise TypeError(f"'{name}' is a {type(value).__name__}. Expected bytes, a Path, or a file opened as binary.")
    path = getattr(value, "name", None)
    return (Path(path).name if isinstance(path, str) else _UNNAMED), cast("IO[bytes]", value)
