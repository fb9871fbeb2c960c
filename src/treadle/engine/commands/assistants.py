"""Assistants. Contract: docs/behaviour.md, section 4.1."""

from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from treadle import store
from treadle.contract.assistants import Assistant, AssistantDeleted, CreateAssistantRequest, ModifyAssistantRequest
from treadle.contract.tools import normalised
from treadle.engine.commands import references
from treadle.engine.engine import Engine
from treadle.store import Batch

# What an explicit null, or leaving a field out at creation, means.
_DEFAULTS: dict[str, Any] = {
    "name": None,
    "description": None,
    "instructions": None,
    "metadata": {},
    "temperature": 1.0,
    "top_p": 1.0,
    "response_format": "auto",
    "reasoning_effort": None,
}


class AssistantMoved(Exception):
    """Another request changed the assistant first. Read it again."""


async def create(engine: Engine, project_id: str, request: CreateAssistantRequest) -> Assistant:
    """Raises InvalidRequest and NotFound for what the request refers to (E-44, E-64, E-70)."""
    references.require_model(engine, request.model)
    assistant = Assistant(
        id=engine.new_id("assistant"),
        created_at=engine.now(),
        model=request.model,
        tools=normalised(request.tools),
        tool_resources=references.resources(request.tool_resources, "tool_resources"),
        **_given(request),
    )
    batch = Batch()
    batch.write(store.assistants.insert(assistant, project_id))
    await engine.database.commit(batch)
    return assistant


async def modify(engine: Engine, project_id: str, assistant_id: str, request: ModifyAssistantRequest) -> Assistant:
    """A-6: omitted is unchanged, null is the default, lists are replaced whole. Raises E-60, and as `create`."""
    while True:
        assistant, version = await store.assistants.get(engine.database, project_id, assistant_id)
        changes = {name: value for name, value in _given(request).items() if value is not UNSET}
        if request.model is not UNSET:
            references.require_model(engine, request.model)
            changes["model"] = request.model
        if request.tools is not UNSET:
            changes["tools"] = normalised(request.tools)
        changes["tool_resources"] = references.resources(
            request.tool_resources, "tool_resources", before=assistant.tool_resources
        )
        modified = replace(assistant, **changes)
        batch = Batch()
        batch.write(store.assistants.update(modified, version=version), else_raise=AssistantMoved)
        try:
            await engine.database.commit(batch)
        except AssistantMoved:
            continue
        return modified


async def delete(engine: Engine, project_id: str, assistant_id: str) -> AssistantDeleted:
    """Threads and runs stay, and a run already created goes on (A-7). Raises NotFound (E-60)."""
    batch = Batch()
    store.assistants.delete(batch, project_id, assistant_id)
    await engine.database.commit(batch)
    return AssistantDeleted(id=assistant_id)


def _given(request: CreateAssistantRequest | ModifyAssistantRequest) -> dict[str, Any]:
    values = ((name, getattr(request, name), default) for name, default in _DEFAULTS.items())
    return {name: default if value is None else value for name, value, default in values}
