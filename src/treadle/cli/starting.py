"""How a process that executes runs or answers requests starts."""

import asyncio
import gc
import sys
from collections.abc import Callable
from typing import Final

import click

from treadle import app
from treadle.settings import Settings

# What keeps it from starting, beside what every command tells.
TOLD: Final = (app.NoKey, ValueError)
# A full collection of garbage walks every object of every open stream: 50 ms with 500 of them, in which none moves.
# Little of what a run leaves behind needs it, so it may be rare.
COLLECT_EVERY: Final = (1_000, 20, 20)


def tell_what_is_missing(chosen: Settings) -> None:
    """Raises ValueError for a model map that contradicts itself."""
    if app.model_map(chosen).is_empty:
        click.echo(
            "No model server is configured, so runs will fail. Name one with --upstream URL (any OpenAI-compatible "
            "/chat/completions), or fetch the small demo model with: treadle model install",
            err=True,
        )


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """uvloop's, where it exists: it is the faster one."""
    if sys.platform == "win32":
        return asyncio.new_event_loop
    import uvloop  # noqa: PLC0415 - there is none for Windows

    return uvloop.new_event_loop


def spare_the_collector() -> None:
    """Call when all parts are there: what the start has made stays, and need not be walked at all."""
    gc.freeze()
    gc.set_threshold(*COLLECT_EVERY)
