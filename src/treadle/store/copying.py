"""Moving up: every row of an embedded database into a PostgreSQL database, as it is, and the proof that it is there.

The copy is cut into batches, each one transaction with the note of how far it came. So it can be killed at any moment
and started again, and ends the same. The source is only read.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import closing
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import apsw
import asyncpg
import msgspec
from msgspec import Struct

from treadle.store import sqlite
from treadle.store.batch import Value
from treadle.store.database import DatabaseUnavailable, Row
from treadle.store.migrations import DatabaseTooNew
from treadle.store.pg_connections import Raw, connected

# What another process has told of itself is of no use in another place; and a schema has a history of its own.
LEFT_OUT: Final = frozenset({"migrations", "workers"})
BATCH_ROWS: Final = 2_000
BATCH_BYTES: Final = 4_000_000
COMPARED_AT_ONCE: Final = 200

SOMEBODY_WRITES: Final = (
    "Somebody else writes to the new database. Stop that, and begin again with an empty one. "
    "The data folder is as it was."
)
# (what is being done, table, rows done, rows in all)
Progress = Callable[[str, str, int, int], None]


class CopyRefused(Exception):
    """The copy cannot begin or go on; the message says what to do."""


class CopyDiffers(Exception):
    """What arrived is not what was sent: somebody else writes to one of the databases."""


class Content(Struct, frozen=True):
    """How many rows, and the sum of their hashes: equal for the same rows in any order."""

    rows: int = 0
    checksum: int = 0

    def with_row(self, row: Row) -> "Content":
        digest = hashlib.blake2b(msgspec.msgpack.encode(row), digest_size=8).digest()
        return Content(self.rows + 1, (self.checksum + int.from_bytes(digest)) % 2**64)


class Comparison(Struct, frozen=True, kw_only=True):
    """A table in both databases."""

    table: str
    source: Content
    target: Content


class Copied(Struct, frozen=True, kw_only=True):
    """Tables in the order of their names. `is_old`: it was finished by an earlier call, and is only told again."""

    tables: tuple[Comparison, ...]
    is_old: bool


async def copy(data_dir: Path, url: str, *, progress: Progress, batch_rows: int = BATCH_ROWS) -> Copied:
    """Copy the embedded database of `data_dir` into the migrated and otherwise empty database at `url`.

    What an earlier call did not finish goes on, in batches of up to `batch_rows`.

    Raises CopyRefused, CopyDiffers, DataFolderInUse, DatabaseTooNew, DatabaseUnavailable.
    """
    path = data_dir / sqlite.FILE_NAME
    if not path.is_file():
        raise CopyRefused(f"There is no database at {path}. Name the data folder with --data-dir.")
    with sqlite.lock_folder(data_dir):
        try:
            async with connected(url, "treadle migrate") as target:
                with closing(_opened(path)) as source:
                    return await _Copy(path, source, target, progress, batch_rows).run()
        except sqlite.TROUBLE as error:
            raise DatabaseUnavailable(f"{path} cannot be read: {error}") from error
        except asyncpg.IntegrityConstraintViolationError as error:
            raise CopyDiffers(f"{SOMEBODY_WRITES} ({error})") from error
        except asyncpg.PostgresError as error:
            raise CopyRefused(f"PostgreSQL refuses: {error}") from error


def _opened(path: Path) -> apsw.Connection:
    """The database as it is now, until the connection is closed; nothing of it changes, not even by recovery."""
    connection = apsw.Connection(
        f"{path.absolute().as_uri()}?mode=ro", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    )
    connection.execute("BEGIN")
    return connection


class _Table(Struct, frozen=True, kw_only=True):
    """`columns` are those that both databases have; `key` those of the primary key, by which it is read."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    rows: int


class _Done(Struct, frozen=True, kw_only=True):
    """How far a table came: its content so far, and the key of the last row."""

    content: Content = Content()
    position: tuple[Any, ...] = ()  # Any: whatever the columns of the key hold


class _State(Struct, kw_only=True):
    """What the target remembers. `source` is the state of the source's files that is being copied."""

    source: str
    done: dict[str, _Done] = {}
    finished: tuple[Comparison, ...] = ()


class _Copy:
    """One attempt at the copy."""

    def __init__(self, path: Path, source: apsw.Connection, target: Raw, progress: Progress, batch_rows: int) -> None:
        self._path, self._source, self._target = path, source, target
        self._tell, self._batch_rows = progress, batch_rows
        self._state = _State(source=_fingerprint(path))

    async def run(self) -> Copied:
        # A second one waits here until the first is over. When its process dies, the lock goes with the connection.
        await self._target.execute("SELECT pg_advisory_lock(hashtext('treadle migrate --to'))")
        names = self._names()
        await self._require_known(names)
        tables = [await self._table(name) for name in names if name not in LEFT_OUT]
        await self._begin(tables)
        if self._state.finished:
            return Copied(tables=self._state.finished, is_old=True)
        for table in tables:
            await self._copy(table)
        compared = [await self._compare(table) for table in tables]
        if different := [one.table for one in compared if one.source != one.target]:
            raise CopyDiffers(f"Not the same in both databases: {', '.join(different)}. {SOMEBODY_WRITES}")
        if _fingerprint(self._path) != self._state.source:
            raise CopyDiffers(
                f"{self._path} has changed since the copy began, perhaps by `treadle keys`. Run the same command again."
            )
        for table in tables:
            await self._target.execute(f"ANALYZE {table.name}")
        self._state.finished = tuple(compared)
        await self._remember()
        return Copied(tables=self._state.finished, is_old=False)

    def _names(self) -> list[str]:
        rows = self._read("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        return [name for (name,) in rows if not name.startswith("sqlite_")]

    async def _require_known(self, names: list[str]) -> None:
        """A row of the source is like one that a server writes that knows the source's migrations and no others."""
        applied = len(self._read("SELECT number FROM migrations")) if "migrations" in names else 0
        works_from, known = await self._target.fetchrow("SELECT max(works_from), count(*) FROM migrations") or (0, 0)
        if applied > known:
            raise DatabaseTooNew(
                f"{self._path} is at migration {applied}; this version of treadle knows {known}. Upgrade treadle."
            )
        if applied < works_from:
            raise CopyRefused(
                f"{self._path} is at migration {applied}, too old to be copied. Start `treadle serve` on the data "
                "folder once, which migrates it, and stop it again."
            )

    async def _table(self, name: str) -> _Table:
        there = await self._target.fetch(
            "SELECT column_name FROM information_schema.columns "
            "WHERE table_schema = current_schema() AND table_name = $1",
            name,
        )
        known = {column for (column,) in there}
        own = self._read("SELECT name, pk FROM pragma_table_info($1) ORDER BY cid", name)
        [(count,)] = self._read(f"SELECT count(*) FROM {name}")  # noqa: S608 - its own name
        return _Table(
            name=name,
            # One that only the new database has is of a later migration and has a default.
            columns=tuple(column for column, _ in own if column in known),
            key=tuple(column for column, place in sorted(own, key=itemgetter(1)) if place),
            rows=count,
        )

    def _read(self, sql: str, *args: Value) -> list[Row]:
        return list(self._source.execute(sql, args))

    async def _begin(self, tables: list[_Table]) -> None:
        """Take up what was begun before, or begin. Raises CopyRefused when there are rows of somebody else."""
        await self._target.execute("CREATE TABLE IF NOT EXISTS copied (state BYTEA NOT NULL)")
        stored = await self._target.fetchval("SELECT state FROM copied")
        before = msgspec.msgpack.decode(stored, type=_State) if stored is not None else None
        is_same = before is not None and before.source == self._state.source
        if before is None or not before.finished or not is_same:
            await self._refuse_rows_of_others(tables, before)
        if before is not None and is_same:
            self._state = before
            return
        async with self._target.transaction():
            # Of an unfinished copy of what the source was before, nothing is worth keeping.
            await self._target.execute(f"TRUNCATE {', '.join(table.name for table in tables)}, copied")
            await self._target.execute("INSERT INTO copied (state) VALUES ($1)", msgspec.msgpack.encode(self._state))

    async def _refuse_rows_of_others(self, tables: list[_Table], before: _State | None) -> None:
        """What an unfinished copy brought is ours; after a finished one the rows are those of whoever uses them."""
        ours = before.done if before is not None and not before.finished else {}
        found = {table.name: await self._count(table.name) for table in tables}
        others = [f"{rows} in {name}" for name, rows in found.items() if rows != ours.get(name, _Done()).content.rows]
        if others:
            raise CopyRefused(
                f"The database holds other data (rows: {', '.join(others)}). "
                "Copy into an empty one; what is there is left as it is."
            )

    async def _count(self, table: str) -> int:
        rows: int = await self._target.fetchval(f"SELECT count(*) FROM {table}")  # noqa: S608
        return rows

    async def _copy(self, table: _Table) -> None:
        self._tell("copying", table.name, self._state.done.get(table.name, _Done()).content.rows, table.rows)
        for rows in self._batches(table):
            done = self._state.done.get(table.name, _Done())
            content = done.content
            for row in rows:
                content = content.with_row(row)
            last = dict(zip(table.columns, rows[-1], strict=True))
            self._state.done[table.name] = _Done(content=content, position=tuple(last[name] for name in table.key))
            async with self._target.transaction():
                await self._target.copy_records_to_table(table.name, columns=table.columns, records=rows)
                await self._remember()
            self._tell("copying", table.name, content.rows, table.rows)
        await self._set_sequence(table.name)

    def _batches(self, table: _Table) -> Iterator[list[Row]]:
        """The rows behind those that are there, by key."""
        position = self._state.done.get(table.name, _Done()).position
        key, marks = ", ".join(table.key), ", ".join("?" for _ in position)
        behind = f"WHERE ({key}) > ({marks})" if position else ""
        sql = f"SELECT {', '.join(table.columns)} FROM {table.name} {behind} ORDER BY {key}"  # noqa: S608
        batch, size = [], 0
        for row in self._source.execute(sql, position):
            batch.append(row)
            size += sum(len(value) for value in row if isinstance(value, bytes | str))
            if len(batch) >= self._batch_rows or size >= BATCH_BYTES:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch

    async def _set_sequence(self, table: str) -> None:
        """New rows come behind all that ever were: the places of deleted ones are remembered too (P-8)."""
        for (highest,) in self._read("SELECT seq FROM sqlite_sequence WHERE name = $1 AND seq > 0", table):
            await self._target.execute("SELECT setval(pg_get_serial_sequence($1, 'seq'), $2)", table, highest)

    async def _compare(self, table: _Table) -> Comparison:
        """Read the whole table where it is now."""
        content = Content()
        self._tell("comparing", table.name, 0, table.rows)
        async with self._target.transaction():
            sql = f"SELECT {', '.join(table.columns)} FROM {table.name}"  # noqa: S608 - as above
            async for row in self._target.cursor(sql, prefetch=COMPARED_AT_ONCE):
                content = content.with_row(tuple(row))
                if content.rows % COMPARED_AT_ONCE == 0:
                    self._tell("comparing", table.name, content.rows, table.rows)
        self._tell("comparing", table.name, content.rows, table.rows)
        return Comparison(table=table.name, source=self._state.done.get(table.name, _Done()).content, target=content)

    async def _remember(self) -> None:
        await self._target.execute("UPDATE copied SET state = $1", msgspec.msgpack.encode(self._state))


def _fingerprint(path: Path) -> str:
    """Of the files that hold what was committed; another one after every commit."""
    files = [file for file in (path, path.with_name(f"{path.name}-wal")) if file.exists() and file.stat().st_size]
    return " ".join(f"{file.name}:{file.stat().st_size}:{file.stat().st_mtime_ns}" for file in files)
