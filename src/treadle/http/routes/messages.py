"""Messages over HTTP. Contract: docs/behaviour.md, section 4.3."""

from treadle import store
from treadle.contract.messages import CreateMessageRequest, Message, MessageDeleted, ModifyMessageRequest
from treadle.contract.pages import MessageQuery
from treadle.engine import commands
from treadle.http.context import Context


async def list_messages(ctx: Context, thread_id: str, query: MessageQuery) -> bytes:
    """operationId listMessages."""
    return await store.messages.list_page(ctx.engine.database, ctx.project_id, thread_id, query)


async def create_message(ctx: Context, thread_id: str, body: CreateMessageRequest) -> Message:
    """operationId createMessage."""
    return await commands.messages.create(ctx.engine, ctx.project_id, thread_id, body)


async def get_message(ctx: Context, thread_id: str, message_id: str) -> Message:
    """operationId getMessage."""
    return (await store.messages.get(ctx.engine.database, ctx.project_id, thread_id, message_id)).message


async def modify_message(ctx: Context, thread_id: str, message_id: str, body: ModifyMessageRequest) -> Message:
    """operationId modifyMessage."""
    return await commands.messages.modify(ctx.engine, ctx.project_id, thread_id, message_id, body)


async def delete_message(ctx: Context, thread_id: str, message_id: str) -> MessageDeleted:
    """operationId deleteMessage."""
    return await commands.messages.delete(ctx.engine, ctx.project_id, thread_id, message_id)
