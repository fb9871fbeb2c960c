"""Fixtures of all suites. A live server per test; the scripted model server behind it; clients in front of it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from openai import AsyncOpenAI

from tests.support.api import Api, Json
from tests.support.clock import MovableClock
from tests.support.postgres import Databases, serving
from tests.support.server import KEY, LiveServer, running
from treadle.settings import Settings
from treadle.upstream.models import UpstreamSettings
from treadle.upstream.scripted import ScriptedUpstream


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    """The model server. Tell it what to say with `upstream.will_say(...)`."""
    async with ScriptedUpstream() as server:
        yield server


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    """A PostgreSQL server for this process of pytest, started for the first test that needs it."""
    with serving() as server:
        yield server


@pytest.fixture
def postgres(databases: Databases) -> Iterator[str]:
    """The URL of a fresh, migrated PostgreSQL database."""
    with databases.database() as url:
        yield url


@pytest.fixture
def database_url() -> str | None:
    """The server's database: here SQLite, in its data folder. Suites that run on both databases override this."""
    return None


@pytest.fixture
def settings(tmp_path: Path, database_url: str | None, upstream: ScriptedUpstream) -> Settings:
    """The server's settings; a test that needs others overrides this fixture."""
    model_server = UpstreamSettings(
        name="scripted", base_url=upstream.base_url, tries=2, wait_initial_seconds=0.01, wait_max_seconds=0.02
    )
    return Settings(
        data_dir=tmp_path / "data", database=database_url, upstreams=(model_server,), api_key=KEY, stop_seconds=0.1
    )


@pytest.fixture
def server(settings: Settings, clock: MovableClock) -> Iterator[LiveServer]:
    with running(settings, clock=clock) as live:
        yield live


@pytest.fixture
async def api(server: LiveServer) -> AsyncIterator[Api]:
    """A plain client whose answers are all checked against the served document."""
    client = Api(server.root, KEY)
    yield client
    await client.close()


@pytest.fixture
async def client(server: LiveServer) -> AsyncIterator[AsyncOpenAI]:
    """The official SDK, pointed at our server."""
    async with AsyncOpenAI(base_url=server.url, api_key=KEY, max_retries=0) as sdk:
        yield sdk


@pytest.fixture
async def assistant(api: Api) -> Json:
    """An assistant with one function, `get_weather`."""
    tool = {
        "type": "function",
        "function": {
            "name": "get_weather",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        },
    }
    return await api.created("/assistants", {"model": "gpt-4o", "name": "Weather", "tools": [tool]})


@pytest.fixture
async def thread(api: Api) -> Json:
    """A thread with one user message."""
    return await api.created("/threads", {"messages": [{"role": "user", "content": "What is the weather in Kyiv?"}]})


Until = Callable[[Callable[[], Awaitable[object]]], Awaitable[object]]


@pytest.fixture
def until() -> Until:
    """Ask again and again until the answer is true, and return it: `await until(lambda: run_is("completed"))`."""

    async def ask(question: Callable[[], Awaitable[object]], seconds: float = 15.0) -> object:
        async with asyncio.timeout(seconds):
            while not (answer := await question()):
                await asyncio.sleep(0.01)
            return answer

    return ask


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fail-on-skip", action="store_true", help="count a skipped test as a failure")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report = yield
    if report.skipped and item.config.getoption("--fail-on-skip"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which counts as a failure here: {report.longrepr}"
    return report
