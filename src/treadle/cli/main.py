"""The command `treadle` and its subcommands; each is in a module of its own and is imported when it is called."""

import sys
from importlib import import_module, metadata
from typing import Final

import click

# Name of a subcommand -> module of this package; its command object is called `command`.
COMMANDS: Final = {
    "backup": "backup",
    "call": "call",
    "doctor": "doctor",
    "keys": "keys",
    "migrate": "migrate",
    "model": "model",
    "serve": "serve",
    "worker": "worker",
}


class LazyGroup(click.Group):
    """Imports a subcommand's module only when it is used, so that `treadle --help` answers at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"treadle.cli.{COMMANDS[cmd_name]}").command
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(metadata.version("treadle"), prog_name="treadle")
def command() -> None:
    """Treadle: a self-hosted server for the OpenAI Assistants API v2."""


def main() -> None:
    """The console script."""
    try:
        command(prog_name="treadle")
    except BrokenPipeError:
        # The reader of our pipe has gone, as `treadle ... | head` does.
        sys.stderr.close()
        sys.exit(141)
