"""What the documents must name, and what they must not."""

import re

import click
import msgspec
import pytest

from tests.docs.blocks import blocks
from tools import docs
from treadle.client import parameters
from treadle.engine import lifecycle
from treadle.http.routes import BINDINGS
from treadle.settings import FileSettings
from treadle.upstream.models import ModelSettings, UpstreamSettings

TEXT = {path: path.read_text(encoding="utf-8") for path in docs.documents()}
BY_NAME = {str(path.relative_to(docs.ROOT)): text for path, text in TEXT.items()}
# Programs of others that a block which is not run may call.
FOREIGN = {"cd", "git", "llama-server", "ollama", "pip", "vllm"}


@pytest.mark.parametrize("id", parameters.ALL)
def test_every_operation_is_named_and_marked_as_served_or_not(id):
    served = any(bound.operation.id == id for bound in BINDINGS)
    [row] = [line for line in BY_NAME["docs/compatibility.md"].splitlines() if line.startswith(f"| `{id}` |")]

    assert row.endswith("| yes |" if served else "| not yet |")


@pytest.mark.parametrize("struct", [FileSettings, UpstreamSettings, ModelSettings])
def test_every_key_of_the_configuration_file_is_explained(struct):
    text = BY_NAME["docs/configuration.md"]
    keys = [field.name for field in msgspec.structs.fields(struct) if field.name != "name"]

    assert [key for key in keys if f"| `{key}` |" not in text] == []


def test_every_environment_variable_is_named():
    source = "".join(path.read_text(encoding="utf-8") for path in (docs.ROOT / "src").rglob("*.py"))
    variables = set(re.findall(r"\bTREADLE_[A-Z_]+\b", source))

    assert {"TREADLE_HOST", "TREADLE_API_KEY"} <= variables
    assert sorted(name for name in variables if name not in BY_NAME["docs/configuration.md"]) == []


def test_every_variable_that_is_named_exists():
    places = ("src", "tests/support", "bench", "tests/chaos")
    source = "".join(path.read_text(encoding="utf-8") for at in places for path in (docs.ROOT / at).rglob("*.py"))
    named = {name for text in TEXT.values() for name in re.findall(r"\bTREADLE_[A-Z_]+\b", text)}

    assert sorted(name for name in named if name not in source) == []


def test_every_option_of_every_command_is_shown():
    text = BY_NAME["docs/command-line.md"]
    options = {
        (context.command_path, name)
        for context in docs.command_contexts()
        for parameter in context.command.params
        if isinstance(parameter, click.Option)
        for name in parameter.opts
    }

    assert ("treadle serve", "--upstream") in options
    for path, name in options:
        section = text.partition(f"## `{path}`\n")[2].partition("\n## ")[0]
        assert name in section, f"{path} {name}"


@pytest.mark.parametrize("operation", parameters.ALL.values(), ids=lambda operation: operation.id)
def test_every_operation_has_a_section_with_its_parameters(operation):
    page = BY_NAME[f"docs/operations/{operation.tag.lower().replace(' ', '-')}.md"]
    section = page.partition(f"## {operation.id}\n")[2].partition("\n## ")[0]

    assert f"`{operation.method} /v1{operation.path}`" in section
    assert [name for name in parameters.of(operation) if f"| `{name}` |" not in section] == []


def test_the_diagram_shows_the_moves_of_the_lifecycle_and_no_others():
    shown = set(re.findall(r"^    (\w+) --> (\w+)$", BY_NAME["docs/architecture.md"], re.M))

    assert shown == {(str(before), str(after)) for before, to in lifecycle.NEXT.items() for after in to}


@pytest.mark.parametrize("name", BY_NAME)
def test_links_between_files_lead_somewhere(name):
    folder = (docs.ROOT / name).parent
    # A link in code is an example of one.
    text = re.sub(r"```.*?```|`[^`\n]*`", "", BY_NAME[name], flags=re.S)

    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        path = (folder / file).resolve() if file else docs.ROOT / name
        assert path.exists(), f"{name}: {target}"
        assert not anchor or anchor in _anchors(path.read_text(encoding="utf-8")), f"{name}: {target}"


@pytest.mark.parametrize("name", BY_NAME)
def test_no_document_names_a_package_registry_or_a_path_of_one_machine(name):
    text = BY_NAME[name]

    assert not re.search(r"--(extra-)?index-url|--registry|://\S+/(simple|packages|dist)\b", text)
    assert not re.search(r"(?<![\w.~$}/])/(work|root|home|tmp|Users)/", text)


def test_blocks_that_are_not_run_call_what_exists():
    targets = set(re.findall(r"^([a-z]+):", (docs.ROOT / "Makefile").read_text(), re.M))
    skipped = [block for block in blocks("bash") if not block.is_run]
    assert skipped

    for block in skipped:
        for words in _commands(block.code):
            match words:
                case ["make", target]:
                    assert target in targets, f"{block}: make {target}"
                case ["treadle", *arguments]:
                    _parse(arguments)
                case [program, *_]:
                    assert program in FOREIGN, f"{block}: {program}"


def _commands(code: str) -> list[list[str]]:
    """The commands of a shell block as words, without variables in front and comments behind."""
    lines = [part for line in code.splitlines() for part in re.sub(r"\s#.*", "", line).split(" && ")]
    return [re.sub(r"^([A-Z_]+=\S+ )+", "", line).split() for line in lines if line.strip()]


def _parse(arguments: list[str]) -> None:
    """Parse as the command line would, down to the last subcommand. Raises click.UsageError."""
    command, context = docs.cli.command, None
    while isinstance(command, click.Group):
        context = click.Context(command, parent=context)
        name, command, arguments = command.resolve_command(context, arguments)
        assert command is not None, name
    command.make_context(command.name, arguments, parent=context)


def _anchors(text: str) -> set[str]:
    """The anchors of a file's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
