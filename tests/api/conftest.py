"""Fixtures of the API suite: somebody else, who has a key of another project."""

import time
from collections.abc import AsyncIterator

import pytest

from tests.support.api import Api
from tests.support.server import LiveServer
from treadle import store

STRANGERS_KEY = "sk-treadle-test-key-of-another-project-0000002"


@pytest.fixture
async def stranger(server: LiveServer) -> AsyncIterator[Api]:
    """A client like `api`, of another project."""
    database = store.open_database(server.settings.data_dir, exclusive=False)
    await store.keys.create(database, STRANGERS_KEY, name="stranger", project="another", now=int(time.time()))
    await database.close()
    client = Api(server.root, STRANGERS_KEY)
    yield client
    await client.close()
