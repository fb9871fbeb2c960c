"""The database that the processes share, seen from beside them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Self

import asyncpg

from tests.processes.cluster import DEADLINE_SECONDS, LOOK_SECONDS
from tests.support.api import Json

# Written by processes for themselves, whatever becomes of runs.
_OWN = ("workers", "migrations")


class Rows:
    """A connection to the database at `url`, outside of all processes under test."""

    def __init__(self, url: str, raw: Any) -> None:
        # Any: asyncpg brings no types.
        self._url, self._raw = url, raw

    @classmethod
    @contextlib.asynccontextmanager
    async def of(cls, url: str) -> AsyncIterator[Self]:
        async with connection(url) as raw:
            yield cls(url, raw)

    async def run(self, run: Json) -> Any:
        """The run's row: `lease_owner`, `fence`, `takeovers`, ..."""
        return await self._raw.fetchrow("SELECT * FROM runs WHERE thread_id = $1 AND id = $2", *_scope(run))

    async def all(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every table that holds what clients sent or workers made."""
        tables = await self._raw.fetch("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
        return {
            table: sorted((tuple(row) for row in await self._raw.fetch(f"TABLE {table}")), key=repr)
            for (table,) in tables
            if table not in _OWN
        }

    async def held_by(self, run: Json, worker_id: str) -> None:
        """Returns when the worker has the run."""
        await self.until("SELECT lease_owner = $3 FROM runs WHERE thread_id = $1 AND id = $2", *_scope(run), worker_id)

    async def over(self, run: Json) -> None:
        """Returns when the run has ended."""
        await self.until("SELECT due_at IS NULL FROM runs WHERE thread_id = $1 AND id = $2", *_scope(run))

    async def make_due(self, run: Json) -> None:
        """Its time is over."""
        await self._raw.execute("UPDATE runs SET due_at = 1 WHERE thread_id = $1 AND id = $2", *_scope(run))

    async def put_aside(self, run: Json) -> None:
        """As if a worker had claimed it of which nobody ever hears."""
        await self._raw.execute("INSERT INTO workers (id, started_at, lease_until) VALUES ('aside', 0, 'infinity')")
        await self._hold(run, "aside")

    async def put_back(self, run: Json) -> None:
        """Nobody holds it any more."""
        await self._hold(run, None)

    async def _hold(self, run: Json, worker_id: str | None) -> None:
        await self._raw.execute(
            "UPDATE runs SET lease_owner = $3 WHERE thread_id = $1 AND id = $2", *_scope(run), worker_id
        )

    async def lease_over(self, worker_id: str) -> None:
        """Returns when the worker has no lease that runs."""
        await self.until("SELECT count(*) = 0 FROM workers WHERE id = $1 AND lease_until > treadle_now()", worker_id)

    async def lease_running(self, worker_id: str) -> None:
        """Returns when the worker has a lease that runs."""
        await self.until("SELECT count(*) = 1 FROM workers WHERE id = $1 AND lease_until > treadle_now()", worker_id)

    async def until(self, question: str, *arguments: object) -> Any:
        """Ask again and again until the SELECT's one value is true; that value."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not (answer := await self._raw.fetchval(question, *arguments)):
                await asyncio.sleep(LOOK_SECONDS)
            return answer

    async def cut_connections(self) -> int:
        """End the connections of all processes under test; how many there were."""
        return await self._raw.fetchval(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name LIKE 'treadle%'"
        )

    async def cut(self, pid: int) -> None:
        """End the connection that this process of the server serves."""
        assert await self._raw.fetchval("SELECT pg_terminate_backend($1)", pid)

    @contextlib.asynccontextmanager
    async def locked(self, sql: str, *arguments: object) -> AsyncIterator["Lock"]:
        """The rows of `SELECT ... FOR UPDATE` are locked from here to the end of the block."""
        async with connection(self._url) as raw, raw.transaction():
            assert await raw.fetch(sql, *arguments), "there is nothing to lock"
            yield Lock(self, raw.get_server_pid())


class Lock:
    """Locked rows."""

    def __init__(self, rows: Rows, pid: int) -> None:
        self._rows, self._pid = rows, pid

    async def is_awaited(self) -> int:
        """The server's process of a connection that waits for it, once there is one."""
        return await self._rows.until(
            "SELECT max(pid) FROM pg_stat_activity WHERE $1 = ANY(pg_blocking_pids(pid))", self._pid
        )


@contextlib.asynccontextmanager
async def connection(url: str) -> AsyncIterator[Any]:
    raw = await asyncpg.connect(url, server_settings={"application_name": "test"})
    try:
        yield raw
    finally:
        await raw.close()


def _scope(run: Json) -> tuple[str, str]:
    return run["thread_id"], run["id"]
