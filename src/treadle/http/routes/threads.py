"""Threads over HTTP. Contract: docs/behaviour.md, section 4.2."""

from treadle import store
from treadle.contract.threads import CreateThreadRequest, ModifyThreadRequest, Thread, ThreadDeleted
from treadle.engine import commands
from treadle.http.context import Context


async def create_thread(ctx: Context, body: CreateThreadRequest) -> Thread:
    """operationId createThread."""
    return await commands.threads.create(ctx.engine, ctx.project_id, body)


async def get_thread(ctx: Context, thread_id: str) -> bytes:
    """operationId getThread."""
    return await store.threads.get_document(ctx.engine.database, ctx.project_id, thread_id)


async def modify_thread(ctx: Context, thread_id: str, body: ModifyThreadRequest) -> Thread:
    """operationId modifyThread."""
    return await commands.threads.modify(ctx.engine, ctx.project_id, thread_id, body)


async def delete_thread(ctx: Context, thread_id: str) -> ThreadDeleted:
    """operationId deleteThread."""
    return await commands.threads.delete(ctx.engine, ctx.project_id, thread_id)
