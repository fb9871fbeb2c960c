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
from treadle.cli import options, told
from treadle.settings import database_url, default_data_dir
from treadle.store import Database
from treadle.store.keys import DEFAULT_PROJECT, Key, KeyExists, KeyNotFound


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
@options.DATA_DIR
@options.DATABASE
def create(name: str, project: str, data_dir: Path | None, database: str | None) -> None:
    """Make a key called NAME and print it. It cannot be shown again."""

    async def work() -> str:
        async with _opened(data_dir, database) as opened:
            key = store.keys.new_key()
            await store.keys.create(opened, key, name=name, project=project, now=int(time.time()))
            return key

    with told.in_one_line(KeyExists):
        click.echo(asyncio.run(work()))


@command.command("list")
@options.DATA_DIR
@options.DATABASE
def list_keys(data_dir: Path | None, database: str | None) -> None:
    """Show all keys, masked."""

    async def work() -> list[Key]:
        async with _opened(data_dir, database) as opened:
            return await store.keys.list_all(opened)

    with told.in_one_line():
        keys = asyncio.run(work())
    table = Table("name", "project", "key", "created", "state")
    for key in keys:
        state = "works" if key.revoked_at is None else f"revoked {_shown(key.revoked_at)}"
        table.add_row(key.name, key.project, key.masked, _shown(key.created_at), state)
    Console().print(table)


@command.command("revoke")
@click.argument("name")
@options.DATA_DIR
@options.DATABASE
def revoke(name: str, data_dir: Path | None, database: str | None) -> None:
    """Let the key called NAME stop working, within a second."""

    async def work() -> None:
        async with _opened(data_dir, database) as opened:
            await store.keys.revoke(opened, name, now=int(time.time()))

    with told.in_one_line(KeyNotFound):
        asyncio.run(work())
    click.echo(f"The key '{name}' is revoked.")


@asynccontextmanager
async def _opened(data_dir: Path | None, database: str | None) -> AsyncIterator[Database]:
    """The database, also while servers have it."""
    folder, url = data_dir or default_data_dir(os.environ), database_url(os.environ, database)
    opened = await store.open_database(folder, url, exclusive=False)
    try:
        yield opened
    finally:
        await opened.close()


def _shown(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")
