"""Runs that another process executes: what is to happen to them happens there, or here when nobody answers."""

import asyncio
from typing import Final

from treadle import store
from treadle.contract.runs import ACTIVE
from treadle.engine.engine import Engine
from treadle.engine.peers import LOOK
from treadle.store.runs import RunRow

# How long the process that executes a run may take to end it. It has what the model said last, and we have not.
GRACE_SECONDS: Final = 3.0
_LOOK_SECONDS: Final = 0.05


async def ends_elsewhere(engine: Engine, row: RunRow) -> bool:
    """Ask the process that executes the run to look at it, and wait until the run is over.

    False when that is another process's no longer, or it did not answer: then the caller ends the run. Fences see to it
    that only one of the two does.
    """
    if not engine.is_elsewhere(row) or row.lease_owner is None:
        return False
    engine.peers.tell(row.lease_owner, LOOK, *row.scope)
    deadline = asyncio.get_running_loop().time() + GRACE_SECONDS
    while asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(_LOOK_SECONDS)
        fresh = await store.runs.find(engine.database, *row.scope)
        if fresh is None or fresh.run.status not in ACTIVE:
            return True
        if not engine.is_elsewhere(fresh):
            return False
    return False
