"""Our types against those of the official SDK: nothing missing, and what we add is listed here."""

import types
import typing

import openai.types as sdk
import openai.types.beta as beta
import openai.types.beta.threads as sdk_threads
import openai.types.beta.threads.runs as sdk_steps
import openai.types.chat as sdk_chat
import openai.types.uploads as sdk_uploads
import openai.types.vector_stores as sdk_vector_stores
import pydantic
import pytest
from msgspec import inspect
from openai.types import (
    embedding_create_params,
    file_create_params,
    upload_create_params,
    vector_store_create_params,
    vector_store_search_params,
)
from openai.types.beta import assistant_create_params, assistant_update_params, thread_create_and_run_params
from openai.types.beta.threads import message_create_params, run_create_params, run_submit_tool_outputs_params
from openai.types.chat import completion_create_params
from openai.types.vector_stores import file_batch_create_params
from openai.types.vector_stores import file_create_params as store_file_create_params

from treadle.contract import (
    assistants,
    chat,
    embeddings,
    events,
    files,
    messages,
    models,
    pages,
    run_steps,
    runs,
    threads,
    uploads,
    vector_store_file_batches,
    vector_store_files,
    vector_store_search,
    vector_stores,
    violations,
)

OBJECTS = [
    (assistants.Assistant, beta.Assistant),
    (assistants.AssistantDeleted, beta.AssistantDeleted),
    (threads.Thread, beta.Thread),
    (threads.ThreadDeleted, beta.ThreadDeleted),
    (messages.Message, sdk_threads.Message),
    (messages.MessageDeleted, sdk_threads.MessageDeleted),
    (runs.Run, sdk_threads.Run),
    (run_steps.RunStep, sdk_steps.RunStep),
    (events.MessageDelta, sdk_threads.MessageDeltaEvent),
    (events.RunStepDelta, sdk_steps.RunStepDeltaEvent),
    (files.File, sdk.FileObject),
    (files.FileDeleted, sdk.FileDeleted),
    (uploads.Upload, sdk.Upload),
    (uploads.UploadPart, sdk_uploads.UploadPart),
    (vector_stores.VectorStore, sdk.VectorStore),
    (vector_stores.VectorStoreDeleted, sdk.VectorStoreDeleted),
    (vector_store_files.VectorStoreFile, sdk_vector_stores.VectorStoreFile),
    (vector_store_files.VectorStoreFileDeleted, sdk_vector_stores.VectorStoreFileDeleted),
    (vector_store_files.ParsedText, sdk_vector_stores.FileContentResponse),
    (vector_store_file_batches.VectorStoreFileBatch, sdk_vector_stores.VectorStoreFileBatch),
    (vector_store_search.VectorStoreSearchResult, sdk.VectorStoreSearchResponse),
    (models.Model, sdk.Model),
    (models.ModelDeleted, sdk.ModelDeleted),
    (chat.ChatCompletion, sdk_chat.ChatCompletion),
    (chat.ChatCompletionChunk, sdk_chat.ChatCompletionChunk),
    (embeddings.EmbeddingList, sdk.CreateEmbeddingResponse),
]
# Known to nobody's types but seen on the wire, or decided, S-1, R-35, FS-6.
ADDITIONS = {
    "Assistant.reasoning_effort",
    "Run.reasoning_effort",
    "Run.tool_resources",
    "Run.usage.prompt_token_details",
    "Run.usage.completion_tokens_details",
    "RunStep.expires_at",
    "Message.content.text.annotations.file_citation.quote",
}
REQUESTS = [
    (assistants.CreateAssistantRequest, assistant_create_params.AssistantCreateParams),
    (assistants.ModifyAssistantRequest, assistant_update_params.AssistantUpdateParams),
    (threads.CreateThreadRequest, beta.ThreadCreateParams),
    (threads.ModifyThreadRequest, beta.ThreadUpdateParams),
    (messages.CreateMessageRequest, message_create_params.MessageCreateParams),
    (messages.ModifyMessageRequest, sdk_threads.MessageUpdateParams),
    (runs.CreateRunRequest, run_create_params.RunCreateParamsNonStreaming),
    (runs.CreateThreadAndRunRequest, thread_create_and_run_params.ThreadCreateAndRunParamsNonStreaming),
    (runs.ModifyRunRequest, sdk_threads.RunUpdateParams),
    (runs.SubmitToolOutputsRequest, run_submit_tool_outputs_params.RunSubmitToolOutputsParamsNonStreaming),
    (runs.ToolOutput, run_submit_tool_outputs_params.ToolOutput),
    (vector_stores.CreateVectorStoreRequest, vector_store_create_params.VectorStoreCreateParams),
    (vector_stores.ModifyVectorStoreRequest, sdk.VectorStoreUpdateParams),
    (vector_store_files.CreateVectorStoreFileRequest, store_file_create_params.FileCreateParams),
    (
        vector_store_file_batches.CreateVectorStoreFileBatchRequest,
        file_batch_create_params.FileBatchCreateParams,
    ),
    (vector_store_search.VectorStoreSearchRequest, vector_store_search_params.VectorStoreSearchParams),
    (files.CreateFileRequest, file_create_params.FileCreateParams),
    (uploads.CreateUploadRequest, upload_create_params.UploadCreateParams),
    (uploads.CompleteUploadRequest, sdk.UploadCompleteParams),
    (chat.CreateChatCompletionRequest, completion_create_params.CompletionCreateParamsNonStreaming),
    (embeddings.CreateEmbeddingRequest, embedding_create_params.EmbeddingCreateParams),
]
# The SDK's arguments that go into the path or the query.
ELSEWHERE = {"thread_id", "run_id", "message_id", "vector_store_id", "include"}
QUERIES = [
    (pages.AssistantQuery, beta.AssistantListParams),
    (pages.MessageQuery, sdk_threads.MessageListParams),
    (pages.RunQuery, sdk_threads.RunListParams),
    (pages.RunStepQuery, sdk_steps.StepListParams),
    (pages.IncludeQuery, sdk_steps.StepRetrieveParams),
    (pages.VectorStoreQuery, sdk.VectorStoreListParams),
    (pages.VectorStoreFileQuery, sdk_vector_stores.FileListParams),
    (pages.FileQuery, sdk.FileListParams),
]


@pytest.mark.parametrize(("ours", "theirs"), OBJECTS, ids=lambda type_: type_.__name__)
def test_an_object_has_all_fields_of_the_sdk_and_no_others_but_the_listed(ours, theirs):
    missing, added = set(), set()

    compare(violations.described(ours), theirs, ours.__name__, missing, added)

    assert missing == set()
    assert added <= ADDITIONS


@pytest.mark.parametrize(("ours", "theirs"), REQUESTS, ids=lambda type_: type_.__name__)
def test_a_request_takes_all_that_the_sdk_can_send(ours, theirs):
    sent = set(typing.get_type_hints(theirs)) - ELSEWHERE

    assert sent - {field.encode_name for field in violations.described(ours).fields} == set()


@pytest.mark.parametrize(("ours", "theirs"), QUERIES, ids=lambda type_: type_.__name__)
def test_a_query_takes_all_that_the_sdk_can_send(ours, theirs):
    sent = (
        set(typing.get_type_hints(theirs))
        - {"thread_id", "vector_store_id"}
        - ({"run_id"} if ours is not pages.MessageQuery else set())
    )

    assert sent - {field.encode_name for field in violations.described(ours).fields} == set()


def compare(struct, model, path, missing, added):
    """Field names, and through fields that hold objects those of the objects; of a union, by the tag."""
    ours = {field.encode_name: field.type for field in struct.fields}
    theirs = {field.alias or name: field.annotation for name, field in model.model_fields.items()}
    names = set(ours) | ({struct.tag_field} if struct.tag_field else set())
    missing |= {f"{path}.{name}" for name in set(theirs) - names}
    added |= {f"{path}.{name}" for name in names - set(theirs)}
    for name in set(ours) & set(theirs):
        children = {tag_of_struct(child): child for child in structs_in(ours[name])}
        for other in models_in(theirs[name]):
            child = children.get(tag_of_model(other)) or (list(children.values()) or [None])[0]
            if child is None:
                missing.add(f"{path}.{name}: {other.__name__}")
            elif len(children) > 1 and tag_of_struct(child) != tag_of_model(other):
                missing.add(f"{path}.{name}: {tag_of_model(other)}")
            else:
                compare(child, other, f"{path}.{name}", missing, added)


def structs_in(node):
    for member in map(violations.bare, violations.alternatives(node)):
        if isinstance(member, inspect.StructType):
            yield member
        elif isinstance(member, inspect.ListType):
            yield from structs_in(member.item_type)


def models_in(annotation):
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return [annotation] if issubclass(annotation, pydantic.BaseModel) else []
    return [model for argument in typing.get_args(annotation) for model in models_in(argument)]


def tag_of_struct(struct):
    return struct.tag


def tag_of_model(model):
    field = model.model_fields.get("type")
    values = typing.get_args(field.annotation) if field else ()
    return values[0] if len(values) == 1 else None
