"""`treadle call`: every operation of the API as a command, its options made from the table."""

import contextlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import urlsplit

import click
import msgspec
import rich

from treadle.client import ConnectionFailed, Stream, UnexpectedAnswer, parameters
from treadle.client.methods import Client
from treadle.client.parameters import Parameter
from treadle.client.transport import from_environment
from treadle.contract.errors import ApiError
from treadle.contract.files import FormFile
from treadle.contract.operations import Operation, python_name
from treadle.settings import KEY_FILE, LOOPBACK, default_data_dir

_SCALARS: Final[Mapping[type, click.ParamType[Any]]] = {str: click.STRING, int: click.INT, float: click.FLOAT}
_NO_JSON: Final = 'Expected JSON, or @FILE for JSON in a file ("@-" for standard input).'


class JsonValue(click.ParamType[Any]):
    """JSON, or @FILE. With `or_text`, what does not look like JSON is taken for a text."""

    name = "json"

    def __init__(self, *, or_text: bool = False) -> None:
        self._or_text = or_text
        self.name = "text|json" if or_text else "json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        text = self._read(value, param, ctx) if value.startswith("@") else value
        if self._or_text and not text.lstrip().startswith(("{", "[", '"')):
            return text
        try:
            return msgspec.json.decode(text)
        except msgspec.DecodeError as error:
            self.fail(f"{error}. {_NO_JSON}", param, ctx)

    def _read(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            with click.open_file(value[1:], encoding="utf-8") as file:
                text: str = file.read()
                return text
        except (OSError, UnicodeDecodeError) as error:
            self.fail(f"{value[1:]} cannot be read: {error}.", param, ctx)


class Operations(click.Group):
    """The operations by their ids; the other spelling is understood too."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(parameters.ALL)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        try:
            return _command(parameters.operation_named(cmd_name))
        except LookupError:
            return None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for tag in dict.fromkeys(operation.tag for operation in parameters.ALL.values()):
            with formatter.section(tag):
                rows = [(one.id, f"{one.summary}.") for one in parameters.ALL.values() if one.tag == tag]
                formatter.write_dl(rows)


class OperationCommand(click.Command):
    """Its options may be spelt as in the contract, too: --thread_id is --thread-id."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, [_dashed(arg) for arg in args])


@click.group("call", cls=Operations, subcommand_metavar="OPERATION_ID [--PARAMETER VALUE]...")
def command() -> None:
    """Call an operation of the API, here or on any server with this wire.

    Objects and lists of objects are given as JSON, or as @FILE; a list of texts by repeating its option. The answer is
    JSON: pretty on a terminal, one line in a pipe; of a stream one line for each event.
    """


def _dashed(arg: str) -> str:
    name, equals, value = arg.partition("=")
    return f"{name.replace('_', '-')}{equals}{value}" if arg.startswith("--") else arg


def _command(operation: Operation) -> click.Command:
    known = parameters.of(operation)

    def run(base_url: str | None, api_key: str | None, data_dir: Path | None, **given: Any) -> None:
        output: IO[bytes] | None = given.pop("output", None)
        arguments = {name: value for name, value in given.items() if value not in (None, ())}
        _require(known, arguments)
        address, key = _server(base_url, api_key, data_dir)
        try:
            with Client(address, key) as client:
                _show(client.call(operation.id, **arguments), output)
        except ApiError as error:
            raise click.ClickException(_one_line(error)) from error
        except (ConnectionFailed, UnexpectedAnswer) as error:
            raise click.ClickException(str(error)) from error
        except ValueError as error:
            raise click.UsageError(str(error)) from error

    return OperationCommand(
        operation.id,
        callback=run,
        params=[*(_option(parameter) for parameter in known.values()), *_common_options(operation)],
        help=f"{operation.summary}.\n\n{operation.method} {operation.path}; in Python: client.{python_name(operation)}",
    )


def _option(parameter: Parameter) -> click.Option:
    flag = f"--{parameter.name.replace('_', '-')}"
    members = parameters.alternatives(parameter.type)
    if members == [bool]:
        return click.Option([f"{flag}/--no-{flag[2:]}", parameter.name], default=None, help=parameter.note)
    items = parameters.items(members[0]) if len(members) == 1 else []
    is_list_of_texts = _is_text(items)
    return click.Option(
        [flag, parameter.name],
        type=_type(parameter, items if is_list_of_texts else members),
        multiple=is_list_of_texts,
        required=parameter.place == "path",
        # What the body needs may also come with --body, so click must not insist on it.
        help=f"{parameter.note}{'  [required]' if parameter.required and parameter.place == 'body' else ''}",
    )


def _type(parameter: Parameter, members: list[Any]) -> click.ParamType[Any]:
    if parameter.type == FormFile:
        return click.Path(exists=True, dir_okay=False, path_type=Path)
    if values := parameters.choices(members):
        return click.Choice(values)
    if len(members) == 1 and members[0] in _SCALARS:
        return _SCALARS[members[0]]
    return JsonValue(or_text=any(_is_text([member]) for member in members))


def _is_text(members: list[Any]) -> bool:
    return members == [str] or bool(parameters.choices(members))


def _common_options(operation: Operation) -> list[click.Parameter]:
    options: list[click.Parameter] = []
    if operation.body is not None:
        options.append(click.Option(["--body"], type=JsonValue(), help="The body; other options win over it."))
    if operation.result is bytes:
        options.append(click.Option(["--output", "-o"], type=click.File("wb"), help="Write the content here."))
    return [
        *options,
        click.Option(["--base-url"], metavar="URL", help="Base URL of the API.  [TREADLE_BASE_URL]"),
        click.Option(["--api-key"], metavar="KEY", help="[TREADLE_API_KEY; for a local server its key file]"),
        click.Option(
            ["--data-dir"], type=click.Path(path_type=Path), help="Where that key file is.  [TREADLE_DATA_DIR]"
        ),
    ]


def _require(known: Mapping[str, Parameter], arguments: Mapping[str, Any]) -> None:
    there = {*arguments, *(arguments["body"] if isinstance(arguments.get("body"), dict) else ())}
    for name, parameter in known.items():
        if parameter.required and name not in there:
            raise click.UsageError(f"Missing option '--{name.replace('_', '-')}'.")


def _server(base_url: str | None, api_key: str | None, data_dir: Path | None) -> tuple[str, str | None]:
    """Address and key: what is given, else Treadle's variable, the key file of a local server, OpenAI's variable."""
    default_url, default_key = from_environment(os.environ)
    address = base_url or default_url
    key = api_key or os.environ.get("TREADLE_API_KEY")
    # Nobody else than the server that made it is shown the key in the file.
    if not key and urlsplit(address).hostname in LOOPBACK:
        with contextlib.suppress(OSError):
            key = ((data_dir or default_data_dir(os.environ)) / KEY_FILE).read_text(encoding="utf-8").strip()
    return address, key or default_key


def _show(result: Any, output: IO[bytes] | None) -> None:
    if isinstance(result, Stream):
        for item in result:
            click.echo(msgspec.json.encode(item))
    elif isinstance(result, bytes):
        click.echo(result, file=output, nl=False)
    elif sys.stdout.isatty():
        rich.print_json(msgspec.json.encode(result).decode())
    else:
        click.echo(msgspec.json.encode(result))


def _one_line(error: ApiError) -> str:
    facts = [str(error.http_status), error.code, error.param and f"parameter {error.param}", error.request_id]
    return f"{' '.join(error.message.split())} ({', '.join(fact for fact in facts if fact)})"
