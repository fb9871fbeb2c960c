"""C: what one durable commit costs on this disk, measured beside the figures that are made of it."""

import time
from pathlib import Path
from statistics import median
from typing import Protocol, Self

from bench import data
from bench.support.processes import Home
from treadle.store import Statement, migrations, run_steps
from treadle.store.pg_connections import Raw, connect
from treadle.store.run_steps import StepRow
from treadle.store.sqlite import FILE_NAME, local
from treadle.store.sqlite import connect as connect_sqlite


class SingleCommits:
    """Commits of one step each on a plain connection with the store's settings, without thread, loop or batch."""

    def __init__(self, connection: "Connection") -> None:
        self._connection = connection
        self._seconds: list[float] = []

    @classmethod
    async def on(cls, home: Home) -> Self:
        """In a database beside the server's, or in the PostgreSQL database that it uses."""
        if home.url is None:
            return cls(_Sqlite(home.folder / f"single-commits-{FILE_NAME}"))
        return cls(_Postgres(await connect(home.url)))

    async def one(self) -> None:
        """Make one, and remember how long it took."""
        number = len(self._seconds)
        statement = run_steps.insert(StepRow(data.step(0, 1), number + 1, 0))
        statement = statement._replace(args=(*statement.args[:3], f"step_{number}", *statement.args[4:]))
        started = time.perf_counter()
        await self._connection.commit(statement)
        self._seconds.append(time.perf_counter() - started)

    def milliseconds(self) -> float:
        """The median so far."""
        return median(self._seconds) * 1e3

    async def close(self) -> None:
        await self._connection.close()


class Connection(Protocol):
    """To one of the two databases."""

    async def commit(self, statement: Statement) -> None: ...

    async def close(self) -> None: ...


class _Sqlite:
    def __init__(self, path: Path) -> None:
        self._raw = connect_sqlite(path)
        migrations.apply(self._raw, path)

    async def commit(self, statement: Statement) -> None:
        self._raw.execute("BEGIN IMMEDIATE")
        self._raw.execute(local(statement.sql), statement.args)
        self._raw.execute("COMMIT")

    async def close(self) -> None:
        self._raw.close()


class _Postgres:
    def __init__(self, raw: Raw) -> None:
        self._raw = raw

    async def commit(self, statement: Statement) -> None:
        await self._raw.fetch(statement.sql, *statement.args)

    async def close(self) -> None:
        await self._raw.close()
