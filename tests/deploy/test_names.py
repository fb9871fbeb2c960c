"""What the deployment files name exists: variables, commands, options, files."""

import re
from pathlib import Path

import click
import pytest

from tests.deploy import files
from tools import docs

DOCUMENTED = files.VARIABLES.findall((docs.ROOT / "docs/configuration.md").read_text())


@pytest.mark.parametrize("path", files.FILES, ids=lambda path: path.name)
def test_every_variable_of_ours_is_documented(path):
    named = set(files.VARIABLES.findall(path.read_text()))

    assert sorted(named - set(DOCUMENTED)) == []


def test_the_files_name_variables_at_all():
    assert "TREADLE_DATABASE" in files.VARIABLES.findall((docs.ROOT / "compose.yaml").read_text())


@pytest.mark.parametrize(("where", "arguments"), files.treadle_commands(), ids=str)
def test_what_is_started_is_a_command_with_its_options(where, arguments, tmp_path):
    configuration = tmp_path / "treadle.toml"
    configuration.touch()

    parse([word.replace("%d/treadle.toml", str(configuration)) for word in arguments])


def test_a_command_that_does_not_exist_is_noticed():
    with pytest.raises(click.UsageError):
        parse(["serve", "--workers", "4"])


@pytest.mark.parametrize("path", files.FILES, ids=lambda path: path.name)
def test_no_registry_is_named(path):
    assert not re.search(r"index-url|://\S+/(simple|packages|dist)\b|\b[\w-]+\.(io|com|org|dev)/\w", path.read_text())


@pytest.mark.parametrize("path", files.FILES, ids=lambda path: path.name)
def test_a_document_that_is_named_is_there(path):
    for name in re.findall(r"\bdocs/[\w/]+\.md\b", path.read_text()):
        assert (docs.ROOT / name).is_file(), name


def test_every_file_that_is_copied_into_the_image_reaches_the_build():
    let_through = {line[1:] for line in (docs.ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {
        name
        for instruction in files.instructions()
        if instruction.name == "COPY" and "--from" not in instruction.words
        for name in instruction.words.split()[:-1]
    }

    assert copied == let_through
    assert all((docs.ROOT / name).exists() for name in copied)


def parse(arguments: list[str]) -> None:
    """Parse as the command line would. Raises click.UsageError."""
    command, context = docs.cli.command, None
    while isinstance(command, click.Group):
        context = click.Context(command, parent=context)
        name, command, arguments = command.resolve_command(context, arguments)
        assert command is not None, name
    command.make_context(command.name, list(arguments), parent=context)


def test_files_that_compose_mounts_are_there():
    mounted = [
        volume.split(":")[0]
        for service in files.compose()["services"].values()
        for volume in service.get("volumes", [])
        if volume.startswith("./")
    ]

    assert mounted
    assert all((docs.ROOT / Path(name)).is_file() for name in mounted)
