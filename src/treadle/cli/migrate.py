"""`treadle migrate`: a PostgreSQL database brought up to this version, or filled from a data folder."""

import asyncio
import os
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from treadle import settings, store
from treadle.cli import options, told
from treadle.store import copying

NOTHING_TO_DO = (
    "The data folder's own database is migrated by `treadle serve` when it starts. Name a PostgreSQL database with "
    "--database URL, or copy the data folder into one with --to URL."
)


@click.command("migrate")
@options.DATABASE
@click.option("--to", "target", metavar="URL", help="Copy the data folder into this PostgreSQL database.")
@options.DATA_DIR
def command(database: str | None, target: str | None, data_dir: Path | None) -> None:
    """Bring a PostgreSQL database up to this version, or copy a data folder into one.

    Servers and workers of the version before go on meanwhile. With --to no server may use the data folder, which is
    left as it is; a copy that was interrupted goes on where it stopped.
    """
    with told.in_one_line(copying.CopyRefused, copying.CopyDiffers):
        if target is not None:
            folder = data_dir or settings.default_data_dir(os.environ)
            asyncio.run(_move(folder, settings.checked_database("--to", target)))
        elif (url := settings.database_url(os.environ, database)) is not None:
            asyncio.run(_migrate(url))
        else:
            click.echo(NOTHING_TO_DO)


async def _migrate(url: str) -> None:
    applied = await store.migrate(url)
    for name in applied:
        click.echo(f"Applied {name}")
    click.echo(f"{settings.masked(url)} is up to date.")


async def _move(data_dir: Path, url: str) -> None:
    await _migrate(url)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    ) as bar:
        tasks = {}

        def show(doing: str, table: str, done: int, total: int) -> None:
            if (doing, table) not in tasks:
                tasks[doing, table] = bar.add_task(f"{doing} {table}", total=total)
            bar.update(tasks[doing, table], completed=done)

        copied = await copying.copy(data_dir, url, progress=show)
    _show(copied)
    shown = settings.masked(url)
    if copied.is_old:
        click.echo(f"{data_dir} was copied into {shown} before; nothing was done.")
    click.echo(f"Now serve from there: treadle serve --database {shown}")
    click.echo(f"The data folder {data_dir} is as it was. Keep it until you are content.")


def _show(copied: copying.Copied) -> None:
    table = Table("table", "rows here", "rows there", "checksum here", "checksum there")
    for one in copied.tables:
        both = (one.source, one.target)
        table.add_row(one.table, *(f"{it.rows:,}" for it in both), *(f"{it.checksum:016x}" for it in both))
    Console().print(table)
    click.echo(f"{sum(one.target.rows for one in copied.tables):,} rows, the same in both databases.")
