"""Our clients, in front of the live server and of one that answers as it is told."""

from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from tests.support.server import KEY, LiveServer
from tests.support.told import ToldServer
from treadle import AsyncClient, Client


@pytest.fixture
def ours(server: LiveServer) -> Iterator[Client]:
    with Client(server.url, KEY) as client:
        yield client


@pytest.fixture
async def ours_async(server: LiveServer) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(server.url, KEY) as client:
        yield client


@pytest.fixture
def told() -> Iterator[ToldServer]:
    server = ToldServer()
    yield server
    server.stop()


@pytest.fixture
def connect(told: ToldServer) -> Iterator[Callable[..., Client]]:
    """A client of `told`."""
    clients: list[Client] = []

    def make(**options: object) -> Client:
        clients.append(Client(told.base_url, "sk-test", **options))
        return clients[-1]

    yield make
    for client in clients:
        client.close()
