"""C: what one durable commit costs on this disk, measured beside the figures that are made of it."""

import contextlib
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Final

from bench import data
from treadle.store import migrations, run_steps
from treadle.store.run_steps import StepRow
from treadle.store.sqlite import connect, local

KEPT: Final = 10_000


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """An empty folder on the disk that holds the results, gone at the end of the block."""
    data.RESULTS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=data.RESULTS, prefix="scratch-") as folder:
        yield Path(folder)


class SingleCommits:
    """Commits of one step each on a plain connection with the store's settings, without thread or event loop."""

    def __init__(self, folder: Path) -> None:
        path = folder / "single-commits.db"
        self._connection = connect(path)
        migrations.apply(self._connection, path)
        self._seconds: list[float] = []

    def one(self) -> None:
        """Make one, and remember how long it took."""
        statement = run_steps.insert(StepRow(data.step(0, 1), len(self._seconds) + 1, 0))
        statement = statement._replace(args=(*statement.args[:3], f"step_{len(self._seconds)}", *statement.args[4:]))
        started = time.perf_counter()
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.execute(local(statement.sql), statement.args)
        self._connection.execute("COMMIT")
        self._seconds.append(time.perf_counter() - started)

    def milliseconds(self) -> float:
        """The median so far."""
        return median(self._seconds) * 1e3
