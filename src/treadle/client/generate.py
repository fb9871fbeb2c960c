"""Writes `methods.py` and `async_methods.py` from the table of operations: `python -m treadle.client.generate`.

Needs ruff, which is one of the development tools. A test compares the files with what this would write.
"""

import subprocess
import sys
import types
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple, Union, get_args, get_origin

from msgspec import Struct, UnsetType

from treadle.client import parameters
from treadle.client.parameters import Parameter
from treadle.contract.files import FormFile
from treadle.contract.operations import Operation, python_name

FOLDER: Final = Path(__file__).parent


class Kind(NamedTuple):
    """The words in which the two clients differ."""

    file_name: str
    client: str
    base: str
    stream: str
    definition: str
    wait: str
    docstring: str


KINDS: Final = (
    Kind("methods.py", "Client", "Transport", "Stream", "def", "", "The synchronous client."),
    Kind(
        "async_methods.py",
        "AsyncClient",
        "AsyncTransport",
        "AsyncStream",
        "async def",
        "await ",
        "The asynchronous client.",
    ),
)


def main() -> None:
    for kind in KINDS:
        (FOLDER / kind.file_name).write_text(source(kind), encoding="utf-8")


def source(kind: Kind) -> str:
    """The module's text, formatted."""
    imports: dict[str, set[str]] = {
        "collections.abc": set(),
        "typing": set(),
        "msgspec": {"UNSET", "UnsetType"},
        "treadle.client.events": {"Event", kind.stream},
        "treadle.client.requests": set(),
        "treadle.client.transport": {kind.base},
    }
    spelt = _Spelling(imports)
    methods = "\n".join(_method(operation, kind, spelt) for operation in parameters.ALL.values())
    text = "\n".join(
        [
            f'"""{kind.docstring} Written by generate.py from the table of operations; do not edit."""\n',
            "# ruff: noqa: N815 - the contract's own spelling of each name stands beside Python's\n",
            *(f"from {module} import {', '.join(sorted(names))}" for module, names in sorted(imports.items()) if names),
            f"\n\nclass {kind.client}({kind.base}):",
            f'    """{kind.docstring} One method per operation, in the order of the contract.\n',
            "    All arguments are by name. What is left out (UNSET) is not sent; None is sent as null. Objects may be",
            "    given as the contract's structs or as plain mappings. Each method raises ApiError and its kinds",
            "    (`treadle.contract.errors`) when the server refuses, ConnectionFailed when it cannot be reached.",
            '    """\n',
            methods,
        ]
    )
    return _formatted(text, kind.file_name)


class _Spelling:
    """Annotations of the contract as source code, with what they need to import."""

    def __init__(self, imports: dict[str, set[str]]) -> None:
        self._imports = imports

    def named(self, type_: type) -> str:
        if type_.__module__ != "builtins":
            self._imports.setdefault(type_.__module__, set()).add(type_.__name__)
        return type_.__name__

    def of(self, parameter: Parameter) -> str:
        """The type of an argument, in the contract's order: values, then UnsetType, then None."""
        members = dict.fromkeys(self._members(parameter.type))
        if not parameter.required:
            members["UnsetType"] = None
        return " | ".join(sorted(members, key=lambda member: {"UnsetType": 1, "None": 2}.get(member, 0)))

    def _members(self, annotation: Any) -> Iterator[str]:
        if annotation == FormFile:
            yield self._imported("treadle.client.requests", "FileContent")
            return
        origin, inner = get_origin(annotation), get_args(annotation)
        if origin is Annotated:
            yield from self._members(inner[0])
        elif origin in (Union, types.UnionType):
            members = [member for part in inner for member in self._members(part)]
            yield from sorted(members, key=lambda member: member == "Json")
        elif origin is Literal:
            yield f"{self._imported('typing', 'Literal')}[{', '.join(map(repr, inner))}]"
        elif origin in (list, tuple):
            item = " | ".join(dict.fromkeys(self._members(inner[0])))
            yield f"{self._imported('collections.abc', 'Sequence')}[{item}]"
        elif origin is dict:
            key, value = (" | ".join(dict.fromkeys(self._members(part))) for part in inner)
            yield f"{self._imported('collections.abc', 'Mapping')}[{key}, {value}]"
        elif annotation is Any:
            yield self._imported("typing", "Any")
        elif annotation in (None, type(None)):
            yield "None"
        elif annotation is UnsetType:
            yield "UnsetType"
        elif isinstance(annotation, type) and issubclass(annotation, Struct):
            yield self.named(annotation)
            yield self._imported("treadle.client.requests", "Json")
        else:
            yield self.named(annotation)

    def _imported(self, module: str, name: str) -> str:
        self._imports[module].add(name)
        return name


def _method(operation: Operation, kind: Kind, spelt: _Spelling) -> str:
    name = python_name(operation)
    known = list(parameters.of(operation).values())
    result = spelt.named(operation.result)
    stream = f"{kind.stream}[{'Event' if operation.chunk is None else spelt.named(operation.chunk)}]"
    overloads = ""
    if parameters.always_streams(operation):
        result = stream
    elif operation.streams:
        overloads = _overloads(operation, kind, known, spelt, (stream, result))
        result = f"{result} | {stream}"
    arguments = ", ".join([f"{operation.id!r}", *(f"{one.name}={one.name}" for one in known)])
    head = _head(name, kind, [_declared(one, spelt) for one in known], result)
    return (
        f"{overloads}{head}\n{_docstring(operation, known)}\n"
        f"        result: {result} = {kind.wait}self.call({arguments})\n"
        f"        return result\n\n"
        f"    {operation.id} = {name}\n"
    )


def _overloads(
    operation: Operation, kind: Kind, known: Sequence[Parameter], spelt: _Spelling, results: tuple[str, str]
) -> str:
    """Whether events come back or an object depends on the literal value of `stream`."""
    spelt._imported("typing", "overload")
    streamed = [_declared(one, spelt) for one in known if one.name != "stream"]
    asked = "stream: Literal[True]"
    plain = "stream: Literal[False] | UnsetType | None = UNSET"
    return "".join(
        f"    @overload\n{_head(python_name(operation), kind, [*streamed, switch], result)} ...\n\n"
        for switch, result in zip((asked, plain), results, strict=True)
    )


def _head(name: str, kind: Kind, declared: Sequence[str], result: str) -> str:
    named_only = ["*", *declared] if declared else []
    return f"    {kind.definition} {name}({', '.join(['self', *named_only])}) -> {result}:"


def _declared(parameter: Parameter, spelt: _Spelling) -> str:
    return f"{parameter.name}: {spelt.of(parameter)}{'' if parameter.required else ' = UNSET'}"


def _docstring(operation: Operation, known: Sequence[Parameter]) -> str:
    lines = [f'        """{operation.summary}.\n', f"        {operation.method} {operation.path}"]
    noted = [f"            {one.name}: {one.note}" for one in known if one.note]
    if noted:
        lines += ["\n        Args:", *noted]
    return "\n".join([*lines, '        """'])


def _formatted(text: str, file_name: str) -> str:
    """As `ruff format` would have it, its imports sorted."""
    for command in (["check", "--select", "I", "--fix", "--quiet"], ["format"]):
        text = subprocess.run(  # noqa: S603 - our own tool and fixed arguments
            [sys.executable, "-m", "ruff", *command, "--stdin-filename", str(FOLDER / file_name), "-"],
            input=text,
            capture_output=True,
            check=True,
            text=True,
        ).stdout
    return text


if __name__ == "__main__":
    main()
