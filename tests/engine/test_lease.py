"""The lease of a worker: what holds while it runs, and what its gaps mean."""

import asyncio

import pytest

from treadle import store
from treadle.engine.lease import SETTLING_SECONDS, Lease


class Monotonic:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def database_url(postgres: str) -> str:
    """On a database of one process the data folder's lock is the lease."""
    return postgres


@pytest.fixture
def monotonic() -> Monotonic:
    return Monotonic()


@pytest.fixture
def lease(database: store.Database, monotonic: Monotonic) -> Lease:
    return Lease(database, "worker_1", seconds=10.0, monotonic=monotonic)


async def test_it_runs_for_its_seconds_from_the_moment_it_was_asked_for(lease, monotonic):
    assert not lease.runs
    await lease.take(now=0)
    monotonic.now += 9.9
    assert lease.runs
    monotonic.now += 0.1
    assert not lease.runs


async def test_renewed_in_time_it_has_no_gap(lease, monotonic):
    await lease.take(now=0)
    term = lease.term
    monotonic.now += 9.0
    await lease.take(now=0)
    monotonic.now += 9.0

    assert lease.has_run_since(term)


async def test_renewed_too_late_it_begins_anew(lease, monotonic):
    await lease.take(now=0)
    term = lease.term
    monotonic.now += 10.0
    await lease.take(now=0)

    assert lease.runs
    assert not lease.has_run_since(term)
    assert lease.has_run_since(lease.term)


async def test_after_a_gap_others_have_time_to_renew_theirs(lease, monotonic):
    """The database may have been away for all of them."""
    await lease.take(now=0)
    assert lease.is_settled  # a process that starts takes over at once
    monotonic.now += 10.0
    await lease.take(now=0)
    assert not lease.is_settled
    monotonic.now += SETTLING_SECONDS
    assert lease.is_settled


async def test_whoever_waits_for_it_goes_on_in_its_new_term(lease, monotonic):
    await lease.take(now=0)
    monotonic.now += 10.0
    waiting = asyncio.create_task(lease.running())
    await asyncio.sleep(0)
    assert not waiting.done()

    await lease.take(now=0)

    assert await waiting == lease.term == 2


async def test_given_back_it_is_not_taken_again(lease, database):
    await lease.take(now=0)
    await lease.give_back()
    await lease.take(now=0)

    assert not lease.runs
    assert await store.workers.living(database) == {}
