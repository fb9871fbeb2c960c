"""What an operator wants to know of a database. Looks beside running servers."""

import asyncio
import secrets
from pathlib import Path
from typing import Final

import apsw
from msgspec import Struct

from treadle.store import keys, migrations, sqlite, workers
from treadle.store.batch import Statement
from treadle.store.database import Database, DatabaseUnavailable, DataFolderInUse
from treadle.store.keys import Key
from treadle.store.opening import open_database
from treadle.store.runs import ACTIVE, WORK

# A notification takes milliseconds; one that takes longer than this does not come.
SIGNAL_SECONDS: Final = 2.0


class Embedded(Struct, frozen=True, kw_only=True):
    """A data folder's own database. `synchronous` is SQLite's number, 2 for FULL."""

    version: str
    journal_mode: str
    synchronous: int
    size_bytes: int


class Worker(Struct, frozen=True, kw_only=True):
    """A worker that did not say that it stops. Below 0 seconds its lease is over; `runs` counts those it executes."""

    id: str
    lease_seconds_left: float
    runs: int


class Shared(Struct, frozen=True, kw_only=True):
    """A PostgreSQL database. `migration` is the number of the newest one, `known` that of this version of treadle.

    `clock_ahead_seconds` is how far its clock is ahead of ours; `hears` whether a message sent with NOTIFY came back.
    """

    version: str
    migration: int
    known: int
    synchronous_commit: str
    fsync: str
    read_only: bool
    size_bytes: int
    connections: int
    max_connections: int
    workers: list[Worker]
    clock_ahead_seconds: float
    hears: bool


class Health(Struct, frozen=True, kw_only=True):
    """Of the active runs, `held` are with a worker, and `waiting` have work to do and none.

    `oldest_waiting_at` is in Unix seconds, null when none waits.
    """

    database: Embedded | Shared
    keys: list[Key]
    active: int
    overdue: int
    held: int
    waiting: int
    oldest_waiting_at: int | None


def has_database(data_dir: Path) -> bool:
    return (data_dir / sqlite.FILE_NAME).is_file()


def is_served(data_dir: Path) -> bool:
    """Whether a `treadle serve` holds the data folder, which must exist."""
    try:
        sqlite.lock_folder(data_dir).release()
    except DataFolderInUse:
        return True
    return False


async def examine(data_dir: Path, url: str | None = None, *, now: float) -> Health:
    """Open the database, look and close it. Raises DatabaseUnavailable, DatabaseTooNew, DatabaseNotMigrated."""
    path = data_dir / sqlite.FILE_NAME
    try:
        database = await open_database(data_dir, url, exclusive=False)
    except (apsw.Error, OSError) as error:
        raise DatabaseUnavailable(f"{path} cannot be opened: {error}") from error
    try:
        ((active, overdue, held, waiting, oldest),) = await database.fetch_all(_active_runs(int(now)))
        return Health(
            database=await _shared(database, now)
            if database.shared
            else await _embedded(database, path.stat().st_size),
            keys=await keys.list_all(database),
            active=active,
            overdue=overdue,
            held=held,
            waiting=waiting,
            oldest_waiting_at=oldest,
        )
    except (apsw.Error, DatabaseUnavailable) as error:
        raise DatabaseUnavailable(str(error) if url else f"{path}: {error}") from error
    finally:
        await database.close()


def _active_runs(now: int) -> Statement:
    held = f"status IN {WORK} AND {workers.LEASE_RUNS}"
    waiting = f"status IN {WORK} AND NOT {workers.LEASE_RUNS}"
    return Statement(
        f"SELECT count(*), count(*) FILTER (WHERE due_at <= $1), count(*) FILTER (WHERE {held}), "  # noqa: S608
        f"count(*) FILTER (WHERE {waiting}), min(created_at) FILTER (WHERE {waiting}) "
        f"FROM runs WHERE status IN {ACTIVE}",
        (now,),
    )


async def _embedded(database: Database, size_bytes: int) -> Embedded:
    (version,), (journal_mode,), (synchronous,) = [
        *await database.fetch_all(Statement("SELECT sqlite_version()", ())),
        *await database.fetch_all(Statement("PRAGMA journal_mode", ())),
        *await database.fetch_all(Statement("PRAGMA synchronous", ())),
    ]
    return Embedded(version=version, journal_mode=journal_mode, synchronous=synchronous, size_bytes=size_bytes)


async def _shared(database: Database, now: float) -> Shared:
    (row,) = await database.fetch_all(
        Statement(
            "SELECT current_setting('server_version'), (SELECT max(number) FROM migrations), "
            "current_setting('synchronous_commit'), current_setting('fsync'), "
            "current_setting('transaction_read_only') = 'on', pg_database_size(current_database()), "
            "(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'), "
            "current_setting('max_connections')::int, treadle_now()",
            (),
        )
    )
    version, migration, synchronous_commit, fsync, read_only, size, connections, max_connections, its_now = row
    return Shared(
        version=version,
        migration=migration,
        known=len(migrations.available("postgres")),
        synchronous_commit=synchronous_commit,
        fsync=fsync,
        read_only=read_only,
        size_bytes=size,
        connections=connections,
        max_connections=max_connections,
        workers=await _workers(database),
        clock_ahead_seconds=its_now - now,
        hears=await _hears(database),
    )


async def _workers(database: Database) -> list[Worker]:
    rows = await database.fetch_all(
        Statement(
            "SELECT id, lease_until - treadle_now(), "  # noqa: S608 - our own words only
            f"(SELECT count(*) FROM runs WHERE lease_owner = workers.id AND status IN {WORK}) "
            "FROM workers ORDER BY lease_until DESC, id",
            (),
        )
    )
    return [Worker(id=id, lease_seconds_left=left, runs=runs) for id, left, runs in rows]


async def _hears(database: Database) -> bool:
    """Whether LISTEN reaches us, as it does not through a pooler that shares connections between transactions."""
    address, heard = f"doctor_{secrets.token_hex(8)}", asyncio.Event()
    await database.signals.listen(address, lambda _message: heard.set(), reconnected=lambda: None)
    await database.signals.send(address, ["?"])
    try:
        async with asyncio.timeout(SIGNAL_SECONDS):
            await heard.wait()
    except TimeoutError:
        return False
    return True
