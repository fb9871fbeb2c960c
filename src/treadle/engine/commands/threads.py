"""Threads. Contract: docs/behaviour.md, section 4.2."""

import structlog
from msgspec import UNSET
from msgspec.structs import replace

from treadle import store
from treadle.contract.threads import CreateThreadRequest, ModifyThreadRequest, Thread, ThreadDeleted
from treadle.engine import lifecycle
from treadle.engine.commands import cancelling, messages, references
from treadle.engine.engine import Engine
from treadle.store import Batch
from treadle.store.threads import remove_remains

log = structlog.get_logger(__name__)


class ThreadMoved(Exception):
    """Another request changed the thread first. Read it again."""


async def create(engine: Engine, project_id: str, request: CreateThreadRequest) -> Thread:
    """The thread with its messages, all or nothing (T-4). Raises InvalidRequest and NotFound for what it refers to."""
    batch = Batch()
    thread = add(engine, batch, project_id, request)
    await engine.database.commit(batch)
    return thread


def add(engine: Engine, batch: Batch, project_id: str, request: CreateThreadRequest, at: str = "") -> Thread:
    """Add a new thread with its messages to `batch`. `at` prefixes the `param` of errors, such as "thread."."""
    for index, message in enumerate(request.messages):
        references.require_message_files(message, f"{at}messages[{index}].")
    thread = Thread(
        id=engine.new_id("thread"),
        created_at=engine.now(),
        tool_resources=references.resources(request.tool_resources, f"{at}tool_resources"),
        metadata=request.metadata or {},
    )
    batch.write(store.threads.insert(thread, project_id))
    for message in request.messages:
        batch.write(store.messages.insert(messages.build(engine, thread.id, message)))
    return thread


async def modify(engine: Engine, project_id: str, thread_id: str, request: ModifyThreadRequest) -> Thread:
    """T-6: allowed while a run is active. Raises NotFound (E-61) and as `create`."""
    while True:
        thread, version = await store.threads.get(engine.database, project_id, thread_id)
        resources = references.resources(request.tool_resources, "tool_resources", before=thread.tool_resources)
        metadata = thread.metadata if request.metadata is UNSET else request.metadata or {}
        modified = replace(thread, tool_resources=resources, metadata=metadata)
        batch = Batch()
        batch.write(store.threads.update(modified, version=version), else_raise=ThreadMoved)
        try:
            await engine.database.commit(batch)
        except ThreadMoved:
            continue
        return modified


async def delete(engine: Engine, project_id: str, thread_id: str) -> ThreadDeleted:
    """T-7: an active run is cancelled first, and its stream ends with thread.run.cancelled. Raises NotFound (E-61)."""
    while True:
        await store.threads.require(engine.database, project_id, thread_id)
        active = await store.runs.find_active(engine.database, thread_id)
        if active is not None:
            await cancelling.cancel_now(engine, active)
        batch = Batch()
        store.threads.lock(batch, project_id, thread_id)
        store.runs.refuse_active(batch, thread_id, lambda _run_id: lifecycle.RunMoved())
        store.threads.delete(batch, project_id, thread_id, now=engine.now())
        try:
            await engine.database.commit(batch)
        except lifecycle.RunMoved:
            continue
        engine.worker.finish_later(remove_all_remains(engine))
        return ThreadDeleted(id=thread_id)


async def remove_all_remains(engine: Engine) -> None:
    """Remove what deleted threads left behind, a little at a time behind other writes.

    What the database does not take now is left to the next time a thread is deleted, or the server started.
    """
    try:
        while await remove_remains(engine.database):
            pass
    except store.DatabaseUnavailable as error:
        log.warning("database unavailable", error=str(error))
