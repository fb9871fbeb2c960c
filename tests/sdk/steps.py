"""Runs with more steps than a run can take by itself (R-62), for the tests of paging."""

from msgspec.structs import replace

from tests.support.server import LiveServer
from treadle import store
from treadle.store import Batch


def with_copies_of_its_step(server: LiveServer, thread_id: str, run_id: str, *, count: int) -> list[str]:
    """Copy the run's only step in the database until there are `count`; the ids of all, oldest first."""

    async def write() -> list[str]:
        database = server.engine.database
        [row] = await store.run_steps.of_run(database, thread_id, run_id)
        copies = [replace(row.step, id=server.engine.new_id("run_step")) for _ in range(count - 1)]
        batch = Batch()
        for seq, step in enumerate(copies, start=row.seq + 1):
            batch.write(store.run_steps.insert(replace(row, step=step, seq=seq)))
        await database.commit(batch)
        return [row.step.id, *(step.id for step in copies)]

    return server.call(write)
