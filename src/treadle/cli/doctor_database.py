"""What `treadle doctor` finds in the database: how it is kept, its keys, and who works on its runs."""

import time
from collections.abc import AsyncIterator, Iterator
from typing import Final

from treadle.cli.finding import Finding
from treadle.settings import Settings
from treadle.store import DatabaseUnavailable, health
from treadle.store.health import Embedded, Health, Shared
from treadle.store.migrations import DatabaseNotMigrated, DatabaseTooNew

# An embedded worker takes a run up at once; a look every few seconds is its second net.
PATIENCE_SECONDS: Final = 15
_SYNCHRONOUS_FULL: Final = 2
_MUCH_USED: Final = 0.9
_CLOCK_SECONDS: Final = 5.0


async def examine(chosen: Settings, *, is_served: bool) -> AsyncIterator[Finding]:
    """What is in the database, and how it does."""
    now = time.time()
    try:
        state = await health.examine(chosen.data_dir, chosen.database, now=now)
    except DatabaseNotMigrated as error:
        yield Finding(check="database", state="broken", found=str(error), advice="treadle migrate")
        return
    except (DatabaseUnavailable, DatabaseTooNew) as error:
        advice = "Restore a backup into an empty data folder, or use the version of treadle that wrote it."
        if chosen.database is not None:
            advice = "Start it, or correct its URL; or use the version of treadle that migrated it last."
        yield Finding(check="database", state="broken", found=str(error), advice=advice)
        return
    if isinstance(state.database, Embedded):
        yield embedded(state.database)
        yield keys(state, chosen)
        yield runs(state, int(now), is_served=is_served)
    else:
        for finding in shared(state.database):
            yield finding
        yield keys(state, chosen)
        yield workers(state.database)
        yield shared_runs(state, int(now))


def embedded(database: Embedded) -> Finding:
    found = f"SQLite {database.version}, {database.journal_mode}, {database.size_bytes / 1024**2:.1f} MiB"
    if database.journal_mode == "wal" and database.synchronous == _SYNCHRONOUS_FULL:
        return Finding(check="database", state="ok", found=f"{found}; every answer is on disk before it is sent.")
    return Finding(
        check="database",
        state="broken",
        found=f"{found}, synchronous={database.synchronous}: a power failure could lose what was answered.",
        advice="Keep the data folder on a local file system; write-ahead logging does not work on network shares.",
    )


def runs(state: Health, now: int, *, is_served: bool) -> Finding:
    found = f"{state.active} active"
    if not is_served:
        if state.active == 0:
            return Finding(check="runs", state="ok", found=found)
        found += f", {state.waiting} of them waiting for a worker; no server runs"
        return Finding(check="runs", state="warning", found=found, advice="Start it: they go on where they stopped.")
    waiting = now - state.oldest_waiting_at if state.oldest_waiting_at is not None else 0
    if state.waiting and waiting > PATIENCE_SECONDS:
        found += f"; {state.waiting} wait for a worker, the first for {waiting} s"
        advice = "Start the server without --no-worker; if it was, it is at its limit (max_runs)."
        return Finding(check="runs", state="broken", found=found, advice=advice)
    if state.overdue:
        found += f"; {state.overdue} past the time they expire"
        return Finding(check="runs", state="warning", found=found, advice="Look again in a minute, then at the logs.")
    return Finding(check="runs", state="ok", found=found)


def shared(database: Shared) -> Iterator[Finding]:
    """What PostgreSQL tells of itself."""
    yield _server(database)
    yield _connections(database)
    yield _signals(database)
    yield _clock(database)


def workers(database: Shared) -> Finding:
    living = [worker for worker in database.workers if worker.lease_seconds_left > 0]
    told = [f"{one.id} ({one.runs} runs, lease for {one.lease_seconds_left:.0f} s)" for one in living]
    if lost := [worker for worker in database.workers if worker not in living]:
        told.append(f"{len(lost)} lost, whose runs go to others")
    if living:
        return Finding(check="workers", state="ok", found="; ".join(told))
    found = "; ".join(["None", *told])
    return Finding(check="workers", state="warning", found=found, advice="treadle worker, or treadle serve")


def shared_runs(state: Health, now: int) -> Finding:
    found = f"{state.active} active, {state.held} held, {state.waiting} waiting for a worker"
    waited = now - state.oldest_waiting_at if state.oldest_waiting_at is not None else 0
    if waited > PATIENCE_SECONDS:
        found += f", the first since {waited} s"
        advice = "Start workers; those that run are at their limit (max_runs)."
        return Finding(check="runs", state="broken", found=found, advice=advice)
    if state.overdue:
        found += f"; {state.overdue} past the time they expire"
        return Finding(check="runs", state="warning", found=found, advice="Look again in a minute, then at the logs.")
    return Finding(check="runs", state="ok", found=found)


def keys(state: Health, chosen: Settings) -> Finding:
    working = sum(key.revoked_at is None for key in state.keys) + (chosen.api_key is not None)
    if working:
        return Finding(check="keys", state="ok", found=f"{working} that work; see `treadle keys list`.")
    if chosen.is_loopback:
        return Finding(check="keys", state="ok", found="None yet; `treadle serve` makes the first.")
    found = f"None, and without one treadle does not listen at {chosen.host}."
    return Finding(check="keys", state="broken", found=found, advice="treadle keys create NAME")


def _server(database: Shared) -> Finding:
    found = (
        f"PostgreSQL {database.version}, migration {database.migration} (this version knows {database.known}), "
        f"synchronous_commit={database.synchronous_commit}, {database.size_bytes / 1024**2:.1f} MiB"
    )
    if database.read_only:
        advice = "Name the primary; with several hosts add target_session_attrs=read-write to the URL."
        return Finding(check="database", state="broken", found=f"{found}: it takes no writes.", advice=advice)
    if database.fsync != "on":
        found += f", fsync={database.fsync}: a power failure could lose what was answered."
        return Finding(check="database", state="broken", found=found, advice="Set fsync = on in postgresql.conf.")
    return Finding(check="database", state="ok", found=found)


def _connections(database: Shared) -> Finding:
    found = f"{database.connections} of {database.max_connections} in use"
    if database.connections > database.max_connections * _MUCH_USED:
        advice = "Raise max_connections, or run fewer processes."
        return Finding(check="connections", state="warning", found=found, advice=advice)
    return Finding(check="connections", state="ok", found=found)


def _signals(database: Shared) -> Finding:
    if database.hears:
        return Finding(check="signals", state="ok", found="A message sent with NOTIFY comes back by LISTEN.")
    found = "A message sent with NOTIFY did not come back: runs and streams wait for the next poll."
    advice = "Connect to PostgreSQL itself, or through a pooler in session mode."
    return Finding(check="signals", state="warning", found=found, advice=advice)


def _clock(database: Shared) -> Finding:
    seconds = database.clock_ahead_seconds
    found = f"The database's is {abs(seconds):.1f} s {'ahead of' if seconds >= 0 else 'behind'} ours."
    if abs(seconds) > _CLOCK_SECONDS:
        advice = "Let both machines follow NTP: runs are due by our clock, leases by the database's."
        return Finding(check="clock", state="warning", found=found, advice=advice)
    return Finding(check="clock", state="ok", found=found)
