"""`treadle backup`: a copy of the database, consistent also while a server writes to it."""

import os
import shlex
from pathlib import Path

import click

from treadle.cli import options, told
from treadle.settings import database_url, default_data_dir, masked
from treadle.store import sqlite


@click.command("backup")
@click.argument("target", type=click.Path(path_type=Path, dir_okay=False))
@options.DATA_DIR
@options.DATABASE
def command(target: Path, data_dir: Path | None, database: str | None) -> None:
    """Copy the data folder's database to the file TARGET, which must not exist yet.

    To restore, stop the server and put the file into an empty data folder as treadle.db. A PostgreSQL database is
    backed up with PostgreSQL's own pg_dump.
    """
    with told.in_one_line():
        url = database_url(os.environ, database)
    if url is not None:
        raise click.ClickException(
            "A PostgreSQL database is backed up with PostgreSQL's own program: "
            f"pg_dump --format=custom --file={shlex.quote(str(target))} {shlex.quote(masked(url))}"
        )
    source = (data_dir or default_data_dir(os.environ)) / sqlite.FILE_NAME
    if not source.exists():
        raise click.ClickException(f"There is no database at {source}. Name the data folder with --data-dir.")
    if target.exists():
        raise click.ClickException(f"{target} is there already; a backup does not write over anything.")
    if not target.parent.is_dir():
        raise click.ClickException(f"The folder {target.parent} does not exist.")
    with told.in_one_line():
        size = sqlite.back_up(source, target)
    click.echo(f"{target}: {size / 1_000_000:.1f} MB")
