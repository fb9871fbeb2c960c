"""`treadle backup`: a copy of the database, consistent also while a server writes to it."""

import os
from pathlib import Path

import click

from treadle.cli.keys import DATA_DIR
from treadle.settings import default_data_dir
from treadle.store import DatabaseUnavailable, sqlite


@click.command("backup")
@click.argument("target", type=click.Path(path_type=Path, dir_okay=False))
@DATA_DIR
def command(target: Path, data_dir: Path | None) -> None:
    """Copy the database to the file TARGET, which must not exist yet.

    To restore, stop the server and put the file into an empty data folder as treadle.db.
    """
    source = (data_dir or default_data_dir(os.environ)) / sqlite.FILE_NAME
    if not source.exists():
        raise click.ClickException(f"There is no database at {source}. Name the data folder with --data-dir.")
    if target.exists():
        raise click.ClickException(f"{target} is there already; a backup does not write over anything.")
    if not target.parent.is_dir():
        raise click.ClickException(f"The folder {target.parent} does not exist.")
    try:
        size = sqlite.back_up(source, target)
    except (OSError, DatabaseUnavailable) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{target}: {size / 1_000_000:.1f} MB")
