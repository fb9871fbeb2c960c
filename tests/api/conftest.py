"""Fixtures of the API suite: both databases, and somebody else, who has a key of another project."""

import time
from collections.abc import AsyncIterator

import pytest

from tests.support.api import Api
from tests.support.server import LiveServer, database_of
from treadle import store

STRANGERS_KEY = "sk-treadle-test-key-of-another-project-0000002"


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str | None:
    """Each test runs on both databases."""
    return None if request.param == "sqlite" else request.getfixturevalue("postgres")


@pytest.fixture
async def stranger(server: LiveServer) -> AsyncIterator[Api]:
    """A client like `api`, of another project."""
    async with database_of(server.settings) as database:
        await store.keys.create(database, STRANGERS_KEY, name="stranger", project="another", now=int(time.time()))
    client = Api(server.root, STRANGERS_KEY)
    yield client
    await client.close()
