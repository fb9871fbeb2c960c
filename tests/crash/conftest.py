"""Fixtures of the crash suite, and its table at the end of the test run."""

import math
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.crash.legality import Rounds
from tests.crash.process import MortalServer
from tests.crash.trial import Beside, Trial
from treadle.upstream.scripted import ScriptedUpstream

Begin = Callable[..., Awaitable[Trial]]
Tally = Callable[[int, Sequence[float]], None]

TABLE = "crash"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def database_url(request: pytest.FixtureRequest) -> str | None:
    """SQLite is enough for every day; `make crash` has both."""
    return None if request.param == "sqlite" else request.getfixturevalue("postgres")


@pytest.fixture
async def mortal(tmp_path: Path, upstream: ScriptedUpstream, database_url: str | None) -> AsyncIterator[MortalServer]:
    """A server in a process of its own, with `upstream` behind it."""
    async with MortalServer(tmp_path / "data", upstream.base_url, database_url=database_url) as server:
        yield server


@pytest.fixture
async def begin(tmp_path: Path, database_url: str | None) -> AsyncIterator[Begin]:
    """`await begin(rounds, streamed=True)`: a server before a model server with that script."""
    async with AsyncExitStack() as stack:

        async def trial(rounds: Rounds, *, streamed: bool, beside: Beside | None = None) -> Trial:
            upstream = await stack.enter_async_context(ScriptedUpstream(rounds=rounds))
            server = MortalServer(tmp_path / "data", upstream.base_url, database_url=database_url)
            await stack.enter_async_context(server)
            return Trial(server, upstream, rounds, streamed=streamed, beside=beside)

        yield trial


@pytest.fixture
def tally(record_property: Callable[[str, object], None], request: pytest.FixtureRequest) -> Tally:
    """`tally(commits, seconds)`: a line of the table."""

    def note(commits: int, seconds: Sequence[float]) -> None:
        record_property(TABLE, {"test": request.node.name, "commits": commits, "seconds": list(seconds)})

    return note


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Any: the type is not public."""
    rows = [
        value
        for report in terminalreporter.stats.get("passed", ())
        for name, value in report.user_properties
        if name == TABLE
    ]
    if not rows:
        return
    terminalreporter.section("kill -9, then from the start of the next process to the end of the run")
    terminalreporter.line(f"{'commits':>8}{'kills':>7}{'p50 s':>8}{'p95 s':>8}  test")
    rows.append({"test": "all", "commits": "", "seconds": [second for row in rows for second in row["seconds"]]})
    for row in rows:
        seconds = sorted(row["seconds"])
        p50, p95 = percentile(seconds, 0.50), percentile(seconds, 0.95)
        terminalreporter.line(f"{row['commits']:>8}{len(seconds):>7}{p50:>8.2f}{p95:>8.2f}  {row['test']}")


def percentile(ordered: Sequence[float], share: float) -> float:
    """By nearest rank."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
