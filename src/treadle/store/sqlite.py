"""The SQLite dialect: reads inline on the event loop, writes on one thread that commits all waiting batches at once."""

import asyncio
import re
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from functools import lru_cache
from pathlib import Path
from queue import Empty, PriorityQueue
from typing import Final, NamedTuple

import apsw
from filelock import FileLock, Timeout

from treadle.store import migrations
from treadle.store.batch import Batch, Entry, Kind, MissedRows, Statement
from treadle.store.database import CommitObserver, DatabaseUnavailable, DataFolderInUse, Row
from treadle.store.signals import NoSignals

FILE_NAME = "treadle.db"
# One fsync serves all of them; more would only make the first of them wait.
MAX_BATCHES_PER_COMMIT = 256
# Another process (`treadle keys`) may hold the write lock for a moment.
BUSY_TIMEOUT_MILLISECONDS = 5_000

PRAGMAS = (
    # Before anything is written. A step of usual size then fits into its page: in a table without rowid, rows of more
    # than a quarter of a page go to pages of their own.
    "PRAGMA page_size = 8192",
    "PRAGMA journal_mode = WAL",
    # Nothing answered may be lost, also when the power fails (DESIGN: what must always be true).
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = OFF",
    # Nothing is written beside the database: a root file system may be read-only.
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cache_size = -16000",
    "PRAGMA mmap_size = 4294967296",
    "PRAGMA wal_autocheckpoint = 2000",
)

# What the disk or another process does to us. Every other error is that of a statement.
TROUBLE = (
    apsw.BusyError,
    apsw.CantOpenError,
    apsw.ConnectionClosedError,
    apsw.CorruptError,
    apsw.FullError,
    apsw.IOError,
    apsw.LockedError,
    apsw.NoMemError,
    apsw.NotADBError,
    apsw.PermissionsError,
    apsw.ProtocolError,
    apsw.ReadOnlyError,
)


class Waiting(NamedTuple):
    """A batch in the writer's queue; `order` puts bulk work behind, and otherwise keeps first come, first served."""

    order: tuple[int, int]
    batch: Batch | None
    done: "asyncio.Future[None] | None"

    def __lt__(self, other: tuple[object, ...]) -> bool:
        return self.order < other[0]  # type: ignore[operator]  # always another Waiting


class Fetching(Batch):
    """A batch of one statement whose rows are wanted."""

    __slots__ = ("rows", "statement")

    def __init__(self, statement: Statement) -> None:
        super().__init__()
        self.statement = statement
        self.rows: list[Row] = []


class SqliteDatabase:
    """See `store.database.Database`."""

    shared: Final = False

    def __init__(self, data_dir: Path, *, exclusive: bool, observe_commit: CommitObserver | None) -> None:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = data_dir / FILE_NAME
        self.signals = NoSignals()
        self._lock = lock_folder(data_dir) if exclusive else None
        self._observe: CommitObserver = observe_commit or (lambda phase: None)
        self._loop = asyncio.get_running_loop()
        # One process at a time: SQLite cannot make a new database for two at once, nor may two migrate it.
        with FileLock(data_dir / "opening.lock", mode=0o600), trouble_told(f"{self.path} cannot be opened"):
            # The owner's only, and so is what SQLite puts beside it: the folder may be one that others can enter.
            self.path.touch(mode=0o600)
            self._writer = connect(self.path)
            migrations.apply(self._writer, self.path)
            self._reader = connect(self.path)
        self._waiting: PriorityQueue[Waiting] = PriorityQueue()
        self._count = 0
        self._closed = False
        self._thread = threading.Thread(target=self._write_until_closed, name="treadle-writer", daemon=True)
        self._thread.start()

    async def fetch_all(self, statement: Statement) -> list[Row]:
        try:
            return self._reader.execute(local(statement.sql), statement.args).fetchall()
        except TROUBLE as error:
            raise DatabaseUnavailable(f"The database could not be read: {error}") from error

    async def fetch_one(self, statement: Statement) -> Row | None:
        try:
            row: Row | None = self._reader.execute(local(statement.sql), statement.args).fetchone()
        except TROUBLE as error:
            raise DatabaseUnavailable(f"The database could not be read: {error}") from error
        return row

    async def fetch_written(self, statement: Statement) -> list[Row]:
        batch = Fetching(statement)
        await self.commit(batch)
        return batch.rows

    async def commit(self, batch: Batch) -> None:
        if self._closed:
            raise DatabaseUnavailable("The database is closed.")
        done = self._loop.create_future()
        self._count += 1
        self._waiting.put(Waiting((int(batch.bulk), self._count), batch, done))
        # A caller that is cancelled while it waits does not take its batch back: the writer may be at it already.
        await done

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._waiting.put(Waiting((2, 0), None, None))
        await asyncio.to_thread(self._thread.join)
        self._reader.close()
        self._writer.close()
        if self._lock:
            self._lock.release()

    def _write_until_closed(self) -> None:
        while True:
            group = self._next_group()
            work = [waiting for waiting in group if waiting.batch is not None]
            if work:
                outcomes = self._commit_group([waiting.batch for waiting in work if waiting.batch])
                self._observe("after")
                self._loop.call_soon_threadsafe(self._release, work, outcomes)
            if len(work) < len(group):
                return

    def _next_group(self) -> list[Waiting]:
        group = [self._waiting.get()]
        while len(group) < MAX_BATCHES_PER_COMMIT:
            try:
                group.append(self._waiting.get_nowait())
            except Empty:
                break
        return group

    def _commit_group(self, batches: list[Batch]) -> list[Exception | None]:
        """Commit `batches` as one transaction; per batch None, or why nothing of it was written."""
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            outcomes = [self._run_in_savepoint(batch) for batch in batches]
            self._observe("before")
            self._writer.execute("COMMIT")
        except apsw.Error as error:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            return [DatabaseUnavailable(f"The database did not take the write: {error}")] * len(batches)
        return outcomes

    def _run_in_savepoint(self, batch: Batch) -> Exception | None:
        self._writer.execute("SAVEPOINT batch")
        try:
            if isinstance(batch, Fetching):
                batch.rows = self._writer.execute(local(batch.statement.sql), batch.statement.args).fetchall()
            error = self._run(batch.entries)
        except TROUBLE:
            raise
        except Exception as bug:
            # A wrong statement fails its own batch: not those beside it, and never the writer.
            error = bug
        if error is not None:
            self._writer.execute("ROLLBACK TO batch")
        self._writer.execute("RELEASE batch")
        return error

    def _run(self, entries: Iterable[Entry]) -> Exception | None:
        for entry in entries:
            cursor = self._writer.execute(local(entry.statement.sql), entry.statement.args)
            if entry.kind is Kind.WRITE:
                if entry.rows is not None and self._writer.changes() != entry.rows:
                    return entry.error() if entry.error else MissedRows(entry.statement.sql)
                continue
            row = cursor.fetchone()
            if (row is not None) is (entry.kind is Kind.REFUSE):
                assert entry.error is not None  # noqa: S101 - Batch.require and Batch.refuse always take one
                return entry.error(*row) if row is not None else entry.error()
        return None

    def _release(self, work: list[Waiting], outcomes: list[Exception | None]) -> None:
        for (_order, batch, done), missed in zip(work, outcomes, strict=True):
            assert batch is not None and done is not None  # noqa: S101, PT018 - `work` holds batches only
            error = missed or _run_afterwards(batch)
            if done.cancelled():
                continue
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(error)
        self._observe("published")


def _run_afterwards(batch: Batch) -> Exception | None:
    """A fault in what was to be done then is its caller's; the others of the group must still hear of their commits."""
    try:
        for function, args in batch.afterwards:
            function(*args)
    except Exception as bug:
        return bug
    return None


def connect(path: Path) -> apsw.Connection:
    """A connection with our pragmas; also for tools that look beside a running server."""
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(BUSY_TIMEOUT_MILLISECONDS)
    # One plan per statement. Otherwise SQLite looks at the value of a LIMIT for its plan, and so plans anew each time.
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    connection.create_scalar_function("treadle_now", lambda *_: time.time(), 0)
    for pragma in PRAGMAS:
        connection.execute(pragma).fetchall()
    return connection


def back_up(source: Path, target: Path) -> int:
    """Write a consistent, compact copy of the database at `source` to `target`; its size in bytes.

    Readers and writers of `source` go on meanwhile. Nothing is left of a copy that failed.
    Raises DatabaseUnavailable.
    """
    target.touch(mode=0o600, exist_ok=False)
    try:
        with trouble_told(f"{source} cannot be copied"), closing(connect(source)) as connection:
            connection.execute("VACUUM INTO $1", (str(target),))
    except BaseException:
        target.unlink()
        raise
    return target.stat().st_size


@contextmanager
def trouble_told(what: str) -> Iterator[None]:
    """Trouble as DatabaseUnavailable, for what is not done often."""
    try:
        yield
    except TROUBLE as error:
        raise DatabaseUnavailable(f"{what}: {error}") from error


@lru_cache(maxsize=512)
def local(sql: str) -> str:
    """`sql` in SQLite's words. Raises ValueError when its arguments would be bound in the wrong order."""
    numbers = list(dict.fromkeys(int(number) for number in re.findall(r"\$(\d+)", sql)))
    if numbers != list(range(1, len(numbers) + 1)):
        raise ValueError(f"Arguments must first appear as $1, $2, ...: {sql}")
    return sql.replace(" FOR UPDATE SKIP LOCKED", "").replace(" FOR UPDATE", "")


def lock_folder(data_dir: Path) -> FileLock:
    """Hold the data folder until the lock is released or the process ends. Raises DataFolderInUse."""
    lock = FileLock(data_dir / "lock", mode=0o600)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise DataFolderInUse(
            f"{data_dir} is in use by another treadle serve. Stop it, or choose another folder with --data-dir."
        ) from error
    return lock
