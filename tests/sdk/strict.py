"""What the SDK does not check itself: it builds its objects from any JSON. Here they are held to their declarations."""

from collections.abc import Iterator
from typing import Any, Final

from pydantic import BaseModel

# I-7: optional fields that may not be null are left out when they have no value; so are fragments that a delta lacks.
LEFT_OUT: Final = {
    "assistant.ToolResources.code_interpreter",
    "assistant.ToolResources.file_search",
    "assistant_stream_event.ThreadCreated.enabled",
    "file_search_tool.FileSearch.max_num_results",
    "function_definition.FunctionDefinition.description",
    "function_definition.FunctionDefinition.parameters",
    "function_tool_call_delta.Function.name",
    "function_tool_call_delta.Function.output",
    "function_tool_call_delta.FunctionToolCallDelta.id",
    "message_delta.MessageDelta.role",
    "model.Model.shutdown_date",
    "text_delta.TextDelta.annotations",
    "thread.ToolResources.code_interpreter",
    "thread.ToolResources.file_search",
}
# S-1, R-35: seen on the wire, but not in the SDK's types. The page's own ids and kind are not either.
ADDED: Final = {
    "assistant.Assistant.reasoning_effort",
    "pagination.AsyncCursorPage.first_id",
    "pagination.AsyncCursorPage.last_id",
    "pagination.AsyncCursorPage.object",
    "pagination.SyncCursorPage.first_id",
    "pagination.SyncCursorPage.last_id",
    "pagination.SyncCursorPage.object",
    "run.Run.reasoning_effort",
    "run.Run.tool_resources",
    "run.Usage.completion_tokens_details",
    "run.Usage.prompt_token_details",
    "run_step.RunStep.expires_at",
}
# MD-4: what the model server left out of these is not ours to add.
PASSED_THROUGH: Final = (
    "openai.types.chat.",
    "openai.types.completion_usage",
    "openai.types.create_embedding_response",
)


def checked(value: Any) -> Any:
    """`value`, when it is exactly what its type declares: strictly typed, nothing missing, nothing unknown."""
    if isinstance(value, BaseModel):
        type(value).model_validate_json(
            value.model_dump_json(by_alias=True, exclude_unset=True, warnings=False), strict=True
        )
    found = sorted(set(faults(value)))
    assert not found, found
    return value


def faults(value: Any) -> Iterator[str]:
    """`-module.Type.field` for each declared field that did not come, `+...` for each that is not declared."""
    if isinstance(value, BaseModel) and not type(value).__module__.startswith(PASSED_THROUGH):
        declared = {field(value, name) for name in type(value).model_fields}
        came = {field(value, name) for name in (*value.model_fields_set, *(value.model_extra or ()))}
        yield from (f"-{name}" for name in declared - came - LEFT_OUT)
        yield from (f"+{name}" for name in came - declared - ADDED)
        for name in value.model_fields_set:
            yield from faults(getattr(value, name))
    elif isinstance(value, list):
        for item in value:
            yield from faults(item)


def field(value: BaseModel, name: str) -> str:
    """With the module, since the SDK calls many things `Function` or `Usage`; generic pages without their item."""
    owner = type(value)
    return f"{owner.__module__.rpartition('.')[2]}.{owner.__name__.partition('[')[0]}.{name}"
