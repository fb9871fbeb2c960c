"""Fixtures of the engine's suite: both databases."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from treadle import store
from treadle.store import Database


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str | None:
    """Each test that has a database runs on both."""
    return None if request.param == "sqlite" else request.getfixturevalue("postgres")


@pytest.fixture
async def database(tmp_path: Path, database_url: str | None) -> AsyncIterator[Database]:
    opened = await store.open_database(tmp_path, database_url)
    yield opened
    await opened.close()
