"""Fixtures of the suite of several processes: a fresh PostgreSQL database, and processes on it. And its figures."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.processes.cluster import Cluster, Valve
from tests.processes.rows import Rows
from treadle.upstream.scripted import ScriptedUpstream

TAKEOVER = "takeover"


@pytest.fixture
def lease_seconds() -> float:
    """How long a worker may be silent: short, so that a takeover is soon, and long enough for a busy machine."""
    return 2.0


@pytest.fixture
async def cluster(
    tmp_path: Path, postgres: str, upstream: ScriptedUpstream, lease_seconds: float
) -> AsyncIterator[Cluster]:
    cluster = Cluster(tmp_path, postgres, upstream.base_url, lease_seconds=lease_seconds)
    yield cluster
    await cluster.close()


@pytest.fixture
async def rows(postgres: str) -> AsyncIterator[Rows]:
    async with Rows.of(postgres) as rows:
        yield rows


@pytest.fixture
async def valve(upstream: ScriptedUpstream) -> AsyncIterator[Valve]:
    async with Valve(upstream.base_url).running() as valve:
        yield valve


@pytest.fixture
def tally(record_property: Callable[[str, object], None], lease_seconds: float) -> Callable[[float], None]:
    """`tally(seconds)`: how long a takeover took."""
    return lambda seconds: record_property(TAKEOVER, (seconds, lease_seconds))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Any: the type is not public."""
    for report in terminalreporter.stats.get("passed", ()):
        for name, value in report.user_properties:
            if name == TAKEOVER:
                terminalreporter.line(f"taken over {value[0]:.2f} s after kill -9, with a lease of {value[1]:g} s")
