"""Connections to PostgreSQL: how one is made, the few that are kept open, and which errors are trouble."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, TypeAlias, TypeVar

import asyncpg
from asyncpg.prepared_stmt import PreparedStatement

from treadle.store.database import DatabaseUnavailable

Raw: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Call: TypeAlias = "PreparedStatement[asyncpg.Record]"
T = TypeVar("T")

MAX_CONNECTIONS: Final = 16
CONNECT_SECONDS: Final = 10.0
# Statements of ours take milliseconds. Whatever takes this long hangs on a network that swallows what we send.
COMMAND_SECONDS: Final = 30.0

# Not as parameters of the connection, which some poolers refuse.
SAFETY: Final = "; ".join(
    (
        # Nothing answered may be lost. Whoever has standbys apply each commit first keeps that.
        "SELECT set_config('synchronous_commit', 'on', false) "
        "WHERE current_setting('synchronous_commit') <> 'remote_apply'",
        # A batch locks first and then looks: each of its statements must see what was committed before it.
        "SET default_transaction_isolation = 'read committed'",
        # What a process leaves open when it is paused or lost must not hold up the others.
        "SET idle_in_transaction_session_timeout = '10s'",
    )
)
PLANNING: Final = "; ".join(
    (
        # Every statement is a look-up or a page along an index: planned once, with that index, whatever the statistics
        # say of a table that was empty a minute ago.
        "SET plan_cache_mode = force_generic_plan",
        "SET enable_seqscan = off",
        "SET jit = off",
    )
)

# The first two characters of an SQLSTATE: connection, resources, operator, system.
_TROUBLE_CLASSES: Final = frozenset({"08", "53", "57", "58"})
READ_ONLY: Final = "25006"
_TROUBLE: Final = frozenset(
    {
        READ_ONLY,
        "25P03",  # a transaction was left open for too long
        "55P03",  # a lock was not to be had in time
        "42501",  # our role may not do it
        "3F000",  # or not even see the schema
    }
)
# The driver itself found that the connection is of no use any more, or about to end.
_NOT_SENT: Final = (asyncpg.InterfaceError, asyncpg.InternalClientError)
# The rows were locked or changed by others in another order. Nothing was written: to be tried again.
CONFLICTS: Final = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)


class ConnectionCut(DatabaseUnavailable):
    """The connection is gone; another one may work."""


class Connection:
    """A connection with the functions that were made on it (see `pg_batches`).

    `is_committing` from when the server may carry out a write without our hearing of it.
    """

    __slots__ = ("calls", "is_committing", "made", "raw")

    def __init__(self, raw: Raw) -> None:
        self.raw = raw
        self.calls: dict[object, tuple[str, Call]] = {}
        self.made = 0
        self.is_committing = False


class Pool:
    """Up to MAX_CONNECTIONS connections, opened when they are needed and then kept.

    Not asyncpg's pool: that one forgets prepared statements whenever a connection is given back.
    """

    def __init__(self, url: str, *, command_seconds: float = COMMAND_SECONDS) -> None:
        """A statement that takes longer than `command_seconds` is given up, and its connection with it."""
        self._url, self._command_seconds = url, command_seconds
        self._free = asyncio.Semaphore(MAX_CONNECTIONS)
        self._idle: list[Connection] = []
        self._is_closed = False

    async def run(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """What `work` returns, which it may be asked for twice: the second time when its first connection was dead.

        Waits while all connections are in use. Raises DatabaseUnavailable for trouble, and what `work` raises.
        """
        try:
            return await self._run(work)
        except ConnectionCut as cut:
            if cut.unknown:
                raise
        return await self._run(work)

    async def close(self) -> None:
        """Close what is idle, which is everything once nobody works any more."""
        self._is_closed = True
        while self._idle:
            await close(self._idle.pop().raw)

    async def _run(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        connection = await self._acquire()
        try:
            return await work(connection)
        except Exception as error:
            if not is_trouble(error):
                raise
            if _is_end(error, connection.raw):
                connection.raw.terminate()
                self._drop_idle()
                unknown = connection.is_committing and not isinstance(error, _NOT_SENT)
                raise ConnectionCut(told(error), unknown=unknown) from error
            if _code(error) == READ_ONLY:
                # After a fail-over this is no longer the primary: whoever comes next connects anew.
                connection.raw.terminate()
            raise DatabaseUnavailable(told(error)) from error
        except BaseException:
            # Cancelled: the server may still be at it, so the connection is of no use to anybody.
            connection.raw.terminate()
            raise
        finally:
            if not connection.raw.is_closed():
                self._idle.append(connection)
            self._free.release()

    def _drop_idle(self) -> None:
        """What ended one connection has probably ended all: none of them is worth another wait, or a write."""
        for connection in self._idle:
            connection.raw.terminate()

    async def _acquire(self) -> Connection:
        if self._is_closed:
            raise DatabaseUnavailable("The database is closed.")
        await self._free.acquire()
        try:
            while self._idle:
                connection = self._idle.pop()
                if not connection.raw.is_closed():
                    connection.is_committing = False
                    return connection
            return Connection(await connect(self._url, command_seconds=self._command_seconds))
        except BaseException:
            self._free.release()
            raise


async def connect(url: str, application_name: str = "treadle", *, command_seconds: float = COMMAND_SECONDS) -> Raw:
    """A new connection for the statements of a server. Raises DatabaseUnavailable."""
    return await _connect(url, application_name, f"{SAFETY}; {PLANNING}", command_seconds)


@asynccontextmanager
async def connected(url: str, application_name: str) -> AsyncIterator[Raw]:
    """A connection for a tool, whose statements may take long.

    Raises DatabaseUnavailable, also for trouble inside the block.
    """
    raw = await _connect(url, application_name, SAFETY, None)
    try:
        yield raw
    except Exception as error:
        if is_trouble(error):
            raise DatabaseUnavailable(told(error)) from error
        raise
    finally:
        await close(raw)


async def close(raw: Raw) -> None:
    """Say good-bye if the server still listens."""
    try:
        await raw.close(timeout=1.0)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        raw.terminate()


def is_trouble(error: BaseException) -> bool:
    """Whether the error comes from the server's state or the network, and not from the statement."""
    if isinstance(error, asyncpg.PostgresError):
        return _code(error)[:2] in _TROUBLE_CLASSES or _code(error) in _TROUBLE
    if isinstance(error, asyncpg.InterfaceError):
        return type(error) is asyncpg.InterfaceError  # its subclasses are about arguments
    return isinstance(error, OSError | asyncpg.InternalClientError)


def told(error: BaseException) -> str:
    return f"The database could not be used: {_reason(error)}"


async def _connect(url: str, application_name: str, settings: str, command_seconds: float | None) -> Raw:
    raw: Raw | None = None
    try:
        raw = await asyncpg.connect(
            url,
            timeout=CONNECT_SECONDS,
            command_timeout=command_seconds,
            statement_cache_size=500,
            max_cached_statement_lifetime=0,
            server_settings={"application_name": application_name},
        )
        await raw.execute(settings)
    except BaseException as error:
        if raw is not None:
            raw.terminate()
        # ValueError: the URL. Who may not enter, or names a database that is not there, is told so here too.
        if isinstance(error, asyncpg.PostgresError | ValueError) or is_trouble(error):
            raise DatabaseUnavailable(f"PostgreSQL cannot be reached: {_reason(error)}") from error
        raise
    return raw


def _is_end(error: BaseException, raw: Raw) -> bool:
    """A TimeoutError, which is an OSError, counts: what the server does with the statement is not known then."""
    if raw.is_closed() or isinstance(error, OSError | asyncpg.InternalClientError):
        return True
    return getattr(error, "severity_en", None) in {"FATAL", "PANIC"}


def _code(error: BaseException) -> str:
    return getattr(error, "sqlstate", None) or ""


def _reason(error: BaseException) -> str:
    return str(error) or type(error).__name__
