"""Options that mean the same wherever they stand."""

from pathlib import Path

import click

from treadle import settings

DATA_DIR = click.option(
    "--data-dir", type=click.Path(path_type=Path, file_okay=False), help="Where data is kept.  [TREADLE_DATA_DIR]"
)
DATABASE = click.option(
    "--database", metavar="URL", help="A PostgreSQL database instead of the data folder's own.  [TREADLE_DATABASE]"
)
UPSTREAM = click.option(
    "--upstream",
    metavar="URL",
    help="Base URL of a model server, such as http://localhost:11434/v1.  [TREADLE_UPSTREAM_URL]",
)
MODEL = click.option(
    "--model", metavar="NAME", help="The model for every name that is not mapped.  [TREADLE_DEFAULT_MODEL]"
)
CONFIG = click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Model map and switches.  [./treadle.toml, DATA_DIR/treadle.toml]",
)
LOG_LEVEL = click.option("--log-level", type=click.Choice(settings.LOG_LEVELS), help="[TREADLE_LOG_LEVEL; info]")
