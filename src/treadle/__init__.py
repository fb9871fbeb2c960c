"""Treadle: a self-hosted server for the OpenAI Assistants API v2, and a client for any server that speaks it."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from treadle.client.async_methods import AsyncClient
    from treadle.client.methods import Client

__all__ = ["AsyncClient", "Client"]

# The server and its tools import this package too, and have no use for a client.
_MODULES = {"AsyncClient": "treadle.client.async_methods", "Client": "treadle.client.methods"}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module 'treadle' has no attribute '{name}'")
    return getattr(import_module(_MODULES[name]), name)
