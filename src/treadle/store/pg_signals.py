"""Signals on PostgreSQL: NOTIFY outside of every write transaction, LISTEN on a connection of its own."""

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Final

import asyncpg
import structlog

from treadle.store.database import DatabaseUnavailable
from treadle.store.pg_connections import Pool, Raw, close, connect, is_trouble

log = structlog.get_logger(__name__)

# How often a connection on which nothing comes is asked whether it still lives.
CHECK_SECONDS: Final = 10.0
RETRY_SECONDS: Final = 0.1
RETRY_MOST_SECONDS: Final = 5.0
# A transaction that only notifies writes nothing, so it waits for no disk.
_NOTIFY: Final = "SELECT pg_notify($1, message) FROM unnest($2::text[]) AS message"

Heard = Callable[[str], None]


class PostgresSignals:
    """See `store.signals.Signals`."""

    def __init__(self, url: str, pool: Pool) -> None:
        self._url, self._pool = url, pool
        self._raw: Raw | None = None
        self._listening: asyncio.Task[None] | None = None

    async def send(self, to: str, messages: Sequence[str]) -> None:
        if messages:
            await self._pool.run(lambda connection: connection.raw.fetch(_NOTIFY, to, list(messages)))

    async def listen(self, address: str, heard: Heard, *, reconnected: Callable[[], None]) -> None:
        self._raw = await self._listener(address, heard)
        self._listening = asyncio.create_task(self._listen_until_closed(self._raw, address, heard, reconnected))

    async def close(self) -> None:
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.wait({self._listening})
        if self._raw is not None:
            await close(self._raw)

    async def _listener(self, address: str, heard: Heard) -> Raw:
        """A connection that listens. Raises DatabaseUnavailable."""
        raw = await connect(self._url, "treadle signals")
        try:
            await raw.add_listener(address, lambda _connection, _process, _channel, message: heard(str(message)))
        except BaseException as error:
            raw.terminate()
            if is_trouble(error):
                raise DatabaseUnavailable(f"The database could not be used: {error}") from error
            raise
        return raw

    async def _listen_until_closed(self, raw: Raw, address: str, heard: Heard, reconnected: Callable[[], None]) -> None:
        while True:
            await _lost(raw)
            log.warning("signals lost", address=address)
            self._raw = raw = await self._listener_again(address, heard)
            log.info("signals are back", address=address)
            reconnected()

    async def _listener_again(self, address: str, heard: Heard) -> Raw:
        wait = RETRY_SECONDS
        while True:
            try:
                return await self._listener(address, heard)
            except DatabaseUnavailable:
                # Not all processes at the same moment.
                await asyncio.sleep(wait * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
                wait = min(2 * wait, RETRY_MOST_SECONDS)


async def _lost(raw: Raw) -> None:
    """Return when the connection is gone."""
    lost = asyncio.Event()
    raw.add_termination_listener(lambda _connection: lost.set())
    while not raw.is_closed():
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await lost.wait()
        except TimeoutError:
            try:
                await raw.execute("SELECT 1", timeout=CHECK_SECONDS)
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                raw.terminate()
