"""`treadle keys`: make, list and revoke API keys. Works beside a running server."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from treadle import store
from treadle.settings import default_data_dir
from treadle.store import Database, DatabaseUnavailable
from treadle.store.keys import DEFAULT_PROJECT, Key, KeyExists, KeyNotFound
from treadle.store.migrations import DatabaseTooNew

DATA_DIR = click.option(
    "--data-dir", type=click.Path(path_type=Path, file_okay=False), help="Where data is kept.  [TREADLE_DATA_DIR]"
)


def _readable(_context: click.Context, _parameter: click.Parameter, text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise click.BadParameter("Expected one line of text.")
    return text


@click.group("keys")
def command() -> None:
    """API keys: each opens one project, and is shown once."""


@command.command("create")
@click.argument("name", callback=_readable)
@click.option(
    "--project",
    default=DEFAULT_PROJECT,
    show_default=True,
    callback=_readable,
    help="The project; made if it is new.",
)
@DATA_DIR
def create(name: str, project: str, data_dir: Path | None) -> None:
    """Make a key called NAME and print it. It cannot be shown again."""

    async def work() -> str:
        async with opened(data_dir) as database:
            key = store.keys.new_key()
            await store.keys.create(database, key, name=name, project=project, now=int(time.time()))
            return key

    try:
        click.echo(asyncio.run(work()))
    except KeyExists as error:
        raise click.ClickException(str(error)) from error


@command.command("list")
@DATA_DIR
def list_keys(data_dir: Path | None) -> None:
    """Show all keys, masked."""

    async def work() -> list[Key]:
        async with opened(data_dir) as database:
            return await store.keys.list_all(database)

    table = Table("name", "project", "key", "created", "state")
    for key in asyncio.run(work()):
        state = "works" if key.revoked_at is None else f"revoked {_shown(key.revoked_at)}"
        table.add_row(key.name, key.project, key.masked, _shown(key.created_at), state)
    Console().print(table)


@command.command("revoke")
@click.argument("name")
@DATA_DIR
def revoke(name: str, data_dir: Path | None) -> None:
    """Let the key called NAME stop working, within a second."""

    async def work() -> None:
        async with opened(data_dir) as database:
            await store.keys.revoke(database, name, now=int(time.time()))

    try:
        asyncio.run(work())
    except KeyNotFound as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"The key '{name}' is revoked.")


@asynccontextmanager
async def opened(data_dir: Path | None) -> AsyncIterator[Database]:
    """The database of a data folder, also while a server has it. Raises ClickException when it cannot be used."""
    try:
        database = store.open_database(data_dir or default_data_dir(os.environ), exclusive=False)
        try:
            yield database
        finally:
            await database.close()
    except (OSError, DatabaseTooNew, DatabaseUnavailable) as error:
        raise click.ClickException(str(error)) from error


def _shown(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")
