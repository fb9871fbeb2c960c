"""Writes the generated parts of the documentation: `make docs`, which is `python -m tools.docs`.

A generated part stands in a Markdown file between `<!-- generated: NAME -->` and `<!-- end -->`; NAME is a key of
PARTS. `tests/docs/test_generated.py` fails when a part is not what its function says.
"""

import ast
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin

import click
import msgspec
from msgspec import NODEFAULT, Struct

from treadle.cli import main as cli
from treadle.cli import serve
from treadle.client import parameters
from treadle.contract import events
from treadle.contract.files import FormFile
from treadle.contract.operations import OPERATIONS, Operation, python_name
from treadle.engine import feed, lifecycle, turn, writing
from treadle.http import auth, bind, protocol
from treadle.http.routes import BINDINGS
from treadle.settings import FileSettings, Settings
from treadle.upstream.models import ModelSettings, UpstreamSettings

ROOT: Final = Path(__file__).resolve().parent.parent
_PART: Final = re.compile(r"(<!-- generated: ([\w -]+) -->\n).*?(<!-- end -->)", re.DOTALL)
# "What it is.  [TREADLE_NAME; default]" is how the command line's help tells of a variable and a default.
_HELP: Final = re.compile(r"(?P<meaning>.*?)\s*(?:\[(?P<brackets>.*)\])?")
_HELP_WIDTH: Final = 100

_WORDS: Final[Mapping[Any, str]] = {str: "string", int: "integer", float: "number", bool: "boolean", FormFile: "file"}

# What each key of treadle.toml means. A key without a meaning, or a meaning without a key, fails `make docs`.
MEANINGS: Final[Mapping[type[Struct], Mapping[str, str]]] = {
    FileSettings: {
        "upstreams": "The model servers by name: sections `[upstreams.NAME]`, below.",
        "models": 'The model map: sections `[models."NAME"]`, below.',
        "default_upstream": "The model server of models that name none. The only one, when there is one.",
        "default_model": "The model for every name that is not mapped.",
        "mapped_only": "Refuse every name that is not mapped, instead of passing it to the default model server.",
        "require_beta_header": "Answer 400 to requests for assistants or threads without `OpenAI-Beta: assistants=v2`.",
        "strict_projects": "Refuse a request whose `OpenAI-Organization` or `OpenAI-Project` is not its key's.",
        "max_runs": "How many runs are executed at once. The others stay queued.",
        "lease_seconds": "On a shared database: after so long without word from a worker, others take over its runs.",
    },
    UpstreamSettings: {
        "name": "The section's own name; not a key.",
        "base_url": "What an OpenAI client would be given; it usually ends in `/v1`.",
        "api_key": "Sent as `Authorization: Bearer`.",
        "headers": "Further headers of each request.",
        "connect_timeout_seconds": "For making a connection.",
        "first_token_timeout_seconds": "For the first part of an answer.",
        "silence_timeout_seconds": "For each further part of an answer.",
        "tries": "How often a request is tried before its first token, while the failure is a temporary one.",
        "wait_initial_seconds": "Before the second try. The wait doubles from try to try, and a part of it is chance.",
        "wait_max_seconds": "The longest wait between two tries.",
        "retry_after_max_seconds": "A server that asks for a longer wait fails the run at once.",
    },
    ModelSettings: {
        "upstream": "The model server. None: the default one.",
        "model": "The model's name there. None: the same name.",
        "context_tokens": "The model's context. When set, a prompt that is too long loses its oldest messages.",
        "max_tokens_parameter": "How this server calls the limit of an answer.",
        "extra_body": "Added to each chat request; wins over what Treadle sends.",
        "omit": "Fields of the chat request that this server refuses.",
    },
}


def layers() -> str:
    """The layers of `pyproject.toml`, top first, each module with the first line of its docstring."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    rows = []
    for level, layer in enumerate(settings["tool"]["importlinter"]["contracts"][0]["layers"], 1):
        for module in re.split(r"\s*[|:]\s*", layer):
            about = (import_module(f"treadle.{module}").__doc__ or "").partition("\n")[0]
            rows.append((str(level), _code(module), about))
    return _table(("Level", "Module", "What lives there"), rows)


def lifecycle_diagram() -> str:
    """The statuses of a run and the moves between them, from the table the engine obeys."""
    moves = [f"    {status} --> {after}" for status, targets in lifecycle.NEXT.items() for after in sorted(targets)]
    ends = [f"    {status} --> [*]" for status in lifecycle.NEXT if status in lifecycle.TERMINAL]
    return "\n".join(["```mermaid", "stateDiagram-v2", "    [*] --> queued", *moves, *ends, "```"])


def options() -> str:
    """The flags of `treadle serve` with their variables and defaults."""
    rows = []
    for parameter in serve.command.params:
        if isinstance(parameter, click.Option):
            told = _HELP.fullmatch(parameter.help or "")
            parts = ((told and told["brackets"]) or "").split("; ")
            variable = next((part for part in parts if part.startswith("TREADLE_")), "")
            default = "; ".join(part for part in parts if part and part != variable)
            meaning = (told and told["meaning"]) or ", ".join(getattr(parameter.type, "choices", ()))
            rows.append((_code(parameter.opts[0]), _code(variable), _code(default), meaning))
    return _table(("Flag", "Variable", "Default", "Meaning"), rows)


def file_keys(struct: type[Struct]) -> str:
    """The keys of one section of `treadle.toml`."""
    meanings = dict(MEANINGS[struct])
    rows = []
    for field in msgspec.structs.fields(struct):
        meaning = meanings.pop(field.name)
        if field.name != "name":
            rows.append((_code(field.name), _type_name(field.type), _default(field), meaning))
    if meanings:
        raise KeyError(f"{struct.__name__} has no {', '.join(meanings)}")
    return _table(("Key", "Type", "Default", "Meaning"), rows)


def fixed_values() -> str:
    """What follows from the contract, or was measured, and has no setting."""
    fixed = Settings()
    rows = [
        ("Life of a run", f"{lifecycle.LIFETIME_SECONDS} s from its creation"),
        ("Takeovers of one turn", f"at most {lifecycle.MAX_TAKEOVERS}, then the run fails"),
        ("Model turns of one run", f"at most {turn.MAX_TURNS}"),
        ("JSON body of a request", f"at most {bind.MAX_BODY_BYTES // 2**20} MiB"),
        (
            "Request line and headers",
            f"at most {protocol.MAX_HEAD_BYTES // 2**10} KiB, complete after "
            f"{protocol.BoundedHttp.patience_seconds:g} s",
        ),
        ("Partial text in the database", f"at most {writing.FLUSH_SECONDS:g} s old"),
        ("Keep-alive comment in a stream", f"after {fixed.keep_alive_seconds:g} s without an event"),
        (
            "Events kept for readers that come back",
            f"at least the last {feed.BUFFERED_EVENTS} of a run, or {feed.BUFFERED_BYTES // 2**20} MiB of them, until "
            f"{feed.KEPT_AFTER_END_SECONDS:g} s after its end",
        ),
        ("Idle connection", f"closed after {serve.KEEP_ALIVE_SECONDS} s"),
        ("Running turns at a stop", f"{fixed.stop_seconds:g} s to end; the others go on at the next start"),
        ("A revoked key", f"works for {auth.REMEMBERED_SECONDS:g} s more at most"),
    ]
    return _table(("What", "Value"), rows)


def commands() -> str:
    """The help of every command. The operations below `treadle call` have pages of their own."""
    return "\n\n".join(
        f"## `{context.command_path}`\n\n```text\n{context.get_help()}\n```" for context in command_contexts()
    )


def operations() -> str:
    """Every operation of the contract, and ours, with whether it is served."""
    parts = []
    for tag, rows in _by_tag(parameters.ALL.values()).items():
        shown = [
            (_code(row.id), _code(f"{row.method} {row.path}"), row.summary, "yes" if _served(row) else "not yet")
            for row in rows
        ]
        parts.append(f"### {tag}\n\n" + _table(("operationId", "Method and path", "What it does", "Served"), shown))
    return "\n\n".join(parts)


def area(tag: str) -> str:
    """Each operation of an area: what it takes, what it answers, and how to call it."""
    return "\n\n".join(_described(operation) for operation in parameters.ALL.values() if operation.tag == tag)


def areas() -> str:
    """How many operations of each area are served."""
    tags = _by_tag(OPERATIONS.values())
    rows = [(tag, f"{sum(map(_served, rows))} of {len(rows)}") for tag, rows in tags.items()]
    total = sum(map(_served, OPERATIONS.values()))
    return _table(("Area", "Operations served"), [*rows, ("**All**", f"**{total} of {len(OPERATIONS)}**")])


def event_names() -> str:
    """Every event of a stream with the type of its data."""
    rows = [(_code(name), _code(data.__name__)) for name, data in events.DATA.items()]
    return _table(("Event", "Its data"), [*rows, (_code(events.EventName.DONE), f"the text `{events.DONE_DATA}`")])


def examples() -> str:
    """Every program in `examples/` with the first sentence of its docstring."""
    rows = []
    for path in sorted(ROOT.glob("examples/*.py")):
        about = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        rows.append((f"[{path.name}](../examples/{path.name})", about.partition("\n")[0]))
    return _table(("Program", "What it shows"), rows)


PARTS: Final[Mapping[str, Callable[[], str]]] = {
    **{f"area {tag}": partial(area, tag) for tag in dict.fromkeys(row.tag for row in parameters.ALL.values())},
    "areas": areas,
    "commands": commands,
    "events": event_names,
    "examples": examples,
    "fixed values": fixed_values,
    "file": lambda: file_keys(FileSettings),
    "layers": layers,
    "lifecycle": lifecycle_diagram,
    "models": lambda: file_keys(ModelSettings),
    "operations": operations,
    "options": options,
    "upstreams": lambda: file_keys(UpstreamSettings),
}


def documents() -> list[Path]:
    """Every Markdown file of the project."""
    return sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")])


def rendered(text: str) -> str:
    """`text` with its generated parts made anew. Raises KeyError for a part that PARTS does not know."""
    return _PART.sub(lambda part: f"{part[1]}\n{PARTS[part[2]]()}\n\n{part[3]}", text)


def main() -> None:
    """Bring all documents up to date."""
    for path in documents():
        before = path.read_text(encoding="utf-8")
        after = rendered(before)
        if after != before:
            path.write_text(after, encoding="utf-8")
            print(f"wrote {path.relative_to(ROOT)}")


def command_contexts() -> list[click.Context]:
    """Every command, each group before what is below it; a context knows its command and its path."""
    return list(_contexts(cli.command, "treadle", None))


def _contexts(command: click.Command, name: str, parent: click.Context | None) -> Iterator[click.Context]:
    width: dict[str, Any] = {"terminal_width": _HELP_WIDTH, "max_content_width": _HELP_WIDTH}
    context = command.make_context(name, [], parent=parent, resilient_parsing=True, **width)
    yield context
    if isinstance(command, click.Group) and name != "call":
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            assert found is not None
            yield from _contexts(found, below, context)


def _described(operation: Operation) -> str:
    known = parameters.of(operation).values()
    needed = [parameter.name for parameter in known if parameter.required]
    flags = "".join(f" --{name.replace('_', '-')} {name.upper()}" for name in needed)
    streams = "; a stream of events when `stream` is true" if operation.streams and operation.body else ""
    answer = (
        "a stream of events" if parameters.always_streams(operation) else _code(operation.result.__name__) + streams
    )
    rows = [
        (_code(one.name), one.place, _words(parameters.alternatives(one.type)), "yes" if one.required else "", one.note)
        for one in known
    ]
    parts = [
        f"## {operation.id}",
        f"{operation.summary}.{'' if _served(operation) else ' **Not served yet.**'}",
        f"`{operation.method} /v1{operation.path}`",
        f"- Answer: {answer}",
        f"- Python: `client.{python_name(operation)}({', '.join(f'{name}=...' for name in needed)})`",
        f"- Command line: `treadle call {operation.id}{flags}`",
    ]
    text = "\n\n".join(parts[:4]) + "\n" + "\n".join(parts[4:])
    return text + ("\n\n" + _table(("Parameter", "In", "Type", "Required", "Meaning"), rows) if rows else "")


def _words(members: list[Any]) -> str:
    """The alternatives of a parameter's type for people who know JSON; a list of texts is "[string]"."""
    words = []
    for member in members:
        if inner := parameters.items(member):
            words.append(f"[{_words(inner)}]")
        elif get_origin(member) is Literal:
            words += [_code(value) for value in get_args(member)]
        else:
            words.append(_WORDS.get(member, "object"))
    return " or ".join(dict.fromkeys(words))


def _by_tag(operations: Iterable[Operation]) -> dict[str, list[Operation]]:
    tags: dict[str, list[Operation]] = {}
    for row in operations:
        tags.setdefault(row.tag, []).append(row)
    return tags


def _served(operation: Operation) -> bool:
    return any(bound.operation.id == operation.id for bound in BINDINGS)


def _type_name(kind: Any) -> str:
    """A TOML reader's words for a type."""
    arguments = [argument for argument in get_args(kind) if argument is not type(None)]
    if get_origin(kind) is Literal:
        return " or ".join(_code(argument) for argument in arguments)
    names = {str: "string", int: "integer", float: "number", bool: "boolean", dict: "table", frozenset: "list"}
    plain = get_origin(kind) or kind
    return names[plain] if plain in names else _type_name(arguments[0])


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    value = field.default if field.default is not NODEFAULT else None
    return "" if value is None or value == frozenset() else _code(msgspec.json.encode(value).decode())


def _code(text: object) -> str:
    return f"`{text}`" if str(text) else ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


if __name__ == "__main__":
    main()
