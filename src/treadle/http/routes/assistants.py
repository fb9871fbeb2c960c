"""Assistants over HTTP. Contract: docs/behaviour.md, section 4.1."""

from treadle import store
from treadle.contract.assistants import Assistant, AssistantDeleted, CreateAssistantRequest, ModifyAssistantRequest
from treadle.contract.pages import AssistantQuery
from treadle.engine import commands
from treadle.http.context import Context


async def list_assistants(ctx: Context, query: AssistantQuery) -> bytes:
    """operationId listAssistants."""
    return await store.assistants.list_page(ctx.engine.database, ctx.project_id, query)


async def create_assistant(ctx: Context, body: CreateAssistantRequest) -> Assistant:
    """operationId createAssistant."""
    return await commands.assistants.create(ctx.engine, ctx.project_id, body)


async def get_assistant(ctx: Context, assistant_id: str) -> bytes:
    """operationId getAssistant."""
    return await store.assistants.get_document(ctx.engine.database, ctx.project_id, assistant_id)


async def modify_assistant(ctx: Context, assistant_id: str, body: ModifyAssistantRequest) -> Assistant:
    """operationId modifyAssistant."""
    return await commands.assistants.modify(ctx.engine, ctx.project_id, assistant_id, body)


async def delete_assistant(ctx: Context, assistant_id: str) -> AssistantDeleted:
    """operationId deleteAssistant."""
    return await commands.assistants.delete(ctx.engine, ctx.project_id, assistant_id)
