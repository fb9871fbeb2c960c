"""The PostgreSQL dialect: each read, and nearly each batch, is one round trip (see `pg_batches`)."""

import asyncio
import random
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, Final, TypeVar

import asyncpg

from treadle.contract.ids import PREFIXES
from treadle.store import migrations, pg_batches
from treadle.store.batch import Batch, Entry, Kind, Statement
from treadle.store.database import CommitObserver, DatabaseUnavailable, Row
from treadle.store.pg_batches import Functions, Miss
from treadle.store.pg_connections import CONFLICTS, Connection, Pool, connected
from treadle.store.pg_signals import PostgresSignals

__all__ = ["PostgresDatabase", "connected", "migrate"]

MAX_TRIES: Final = 10
RETRY_SECONDS: Final = 0.02
_THREAD: Final = PREFIXES["thread"]
_BULK: Final = "bulk"

T = TypeVar("T")


class PostgresDatabase:
    """See `store.database.Database`."""

    shared: Final = True

    def __init__(self, url: str, *, observe_commit: CommitObserver | None = None) -> None:
        self._pool = Pool(url)
        self._observe: CommitObserver = observe_commit or (lambda phase: None)
        self._functions = Functions()
        self._commits: set[asyncio.Task[Any]] = set()
        # By queue, the last of its commits that are under way.
        self._last: dict[str, asyncio.Task[Any]] = {}
        self._is_closed = False
        self.signals = PostgresSignals(url, self._pool)

    async def require_schema(self) -> None:
        """Raises DatabaseNotMigrated, DatabaseTooNew, DatabaseUnavailable."""
        await self._pool.run(lambda connection: migrations.require_postgres(connection.raw))

    async def fetch_all(self, statement: Statement) -> list[Row]:
        try:
            rows: list[Row] = await self._pool.run(
                lambda connection: connection.raw.fetch(statement.sql, *statement.args)
            )
        except asyncpg.CharacterNotInRepertoireError:
            # Text with a NUL in it is in no row.
            return []
        return rows

    async def fetch_one(self, statement: Statement) -> Row | None:
        rows = await self.fetch_all(statement)
        return rows[0] if rows else None

    async def fetch_written(self, statement: Statement) -> list[Row]:
        async def write(connection: Connection) -> list[Row]:
            connection.is_committing = True
            rows: list[Row] = await connection.raw.fetch(statement.sql, *statement.args)
            return rows

        return await self._to_its_end(self._until_no_conflict(write))

    async def commit(self, batch: Batch) -> None:
        queues = _queues_of(batch)
        before = {self._last[name] for name in queues if name in self._last} if batch.entries else set(self._commits)
        await self._to_its_end(self._commit(batch, before), queues)

    async def close(self) -> None:
        self._is_closed = True
        await self.signals.close()
        await _over(set(self._commits))
        await self._pool.close()

    async def _to_its_end(self, work: Coroutine[Any, Any, T], queues: Iterable[str] = ()) -> T:
        """Await `work`, which goes on when the caller is cancelled."""
        if self._is_closed:
            work.close()
            raise DatabaseUnavailable("The database is closed.")
        task = asyncio.create_task(work)
        self._commits.add(task)
        for name in queues:
            self._last[name] = task

        def forget(task: asyncio.Task[T]) -> None:
            self._commits.discard(task)
            for name in queues:
                if self._last.get(name) is task:
                    del self._last[name]

        task.add_done_callback(forget)
        return await asyncio.shield(task)

    async def _commit(self, batch: Batch, before: set[asyncio.Task[Any]]) -> None:
        await _over(before)
        missed = await self._transact(batch.entries) if batch.entries else None
        self._observe("after")
        if missed is not None:
            raise missed
        for function, args in batch.afterwards:
            function(*args)
        self._observe("published")

    async def _transact(self, entries: Sequence[Entry]) -> Exception | None:
        """Commit `entries` as one transaction. The error of the first that missed, when nothing was written."""
        groups = pg_batches.split(entries)

        async def attempt(connection: Connection) -> Exception | None:
            calls = [await self._functions.call_of(connection, pg_batches.shape_of(group)) for group in groups]
            self._observe("before")
            if len(groups) == 1:
                connection.is_committing = True
                return await pg_batches.run(calls[0], groups[0])
            async with connection.raw.transaction():
                for call, group in zip(calls, groups, strict=True):
                    if (missed := await pg_batches.run(call, group)) is not None:
                        raise Miss(missed)
                connection.is_committing = True
            return None

        try:
            return await self._until_no_conflict(attempt)
        except Miss as miss:
            return miss.error
        except asyncpg.CharacterNotInRepertoireError:
            # Text with a NUL in it is in no row, so the first entry that has to find it misses.
            for entry in entries:
                if entry.kind is not Kind.REFUSE and entry.error and any("\0" in text for text in _texts(entry)):
                    return entry.error()
            raise

    async def _until_no_conflict(self, work: Callable[[Connection], Coroutine[Any, Any, T]]) -> T:
        for number in range(1, MAX_TRIES + 1):
            try:
                return await self._pool.run(work)
            except CONFLICTS as error:
                conflict = error
            # Who waited for our locks goes first: otherwise we would only meet again.
            await asyncio.sleep(RETRY_SECONDS * number * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
        raise DatabaseUnavailable(f"Others write to the same rows all the time: {conflict}") from conflict


async def migrate(url: str) -> list[str]:
    """Bring the schema of the database at `url` up to date; the names of the files applied. Others may use it.

    Raises DatabaseUnavailable.
    """
    async with connected(url, "treadle migrate") as raw:
        return await migrations.apply_postgres(raw)


def _queues_of(batch: Batch) -> set[str]:
    """In which queues a batch waits: that of each thread it names, and that of all bulk work."""
    threads = {text for entry in batch.entries for text in _texts(entry) if text.startswith(_THREAD)}
    return threads | {_BULK} if batch.bulk else threads


def _texts(entry: Entry) -> list[str]:
    return [value for value in entry.statement.args if isinstance(value, str)]


async def _over(tasks: set[asyncio.Task[Any]]) -> None:
    if tasks:
        await asyncio.wait(tasks)
