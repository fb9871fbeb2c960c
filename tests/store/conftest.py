"""A database, each test on both dialects, and rows to put into it."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from treadle import store
from treadle.contract.threads import Thread
from treadle.store import Database

PROJECT = "proj_1"


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str | None:
    """Suites of one dialect override this, or `database`."""
    return None if request.param == "sqlite" else request.getfixturevalue("postgres")


@pytest.fixture
async def database(data_dir: Path, database_url: str | None) -> AsyncIterator[Database]:
    opened = await store.open_database(data_dir, database_url)
    yield opened
    await opened.close()


@pytest.fixture
def add_thread() -> Callable[[str], store.Statement]:
    """`add_thread("thread_1")` inserts a thread."""

    def add(id: str) -> store.Statement:
        return store.threads.insert(Thread(id=id, created_at=1), PROJECT)

    return add
