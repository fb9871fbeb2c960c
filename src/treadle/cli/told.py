"""What is told in one line: trouble which the person at the command line can do something about."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import click

from treadle.settings import SettingsError
from treadle.store import DatabaseUnavailable, DataFolderInUse
from treadle.store.migrations import DatabaseNotMigrated, DatabaseTooNew

TROUBLE: Final[tuple[type[Exception], ...]] = (
    SettingsError,
    DataFolderInUse,
    DatabaseNotMigrated,
    DatabaseTooNew,
    DatabaseUnavailable,
    OSError,
)


@contextmanager
def in_one_line(*more: type[Exception]) -> Iterator[None]:
    """TROUBLE, and `more` that the command knows of, as ClickException."""
    try:
        yield
    except TROUBLE + more as error:
        raise click.ClickException(str(error)) from error
