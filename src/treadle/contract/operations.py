"""The contract as a table: one row per operationId. Router, client, command line, documents and tests read it."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from treadle.contract.assistants import (
    Assistant,
    AssistantDeleted,
    AssistantList,
    CreateAssistantRequest,
    ModifyAssistantRequest,
)
from treadle.contract.chat import ChatCompletion, ChatCompletionChunk, CreateChatCompletionRequest
from treadle.contract.embeddings import CreateEmbeddingRequest, EmbeddingList
from treadle.contract.files import CreateFileRequest, File, FileDeleted, FileList
from treadle.contract.ids import Kind
from treadle.contract.messages import CreateMessageRequest, Message, MessageDeleted, MessageList, ModifyMessageRequest
from treadle.contract.models import Model, ModelDeleted, ModelList
from treadle.contract.pages import (
    AssistantQuery,
    FileQuery,
    IncludeQuery,
    MessageQuery,
    RunQuery,
    RunStepQuery,
    VectorStoreFileQuery,
    VectorStoreQuery,
)
from treadle.contract.run_steps import RunStep, RunStepList
from treadle.contract.runs import (
    CreateRunRequest,
    CreateThreadAndRunRequest,
    ModifyRunRequest,
    Run,
    RunList,
    SubmitToolOutputsRequest,
)
from treadle.contract.threads import CreateThreadRequest, ModifyThreadRequest, Thread, ThreadDeleted
from treadle.contract.uploads import (
    AddUploadPartRequest,
    CompleteUploadRequest,
    CreateUploadRequest,
    Upload,
    UploadPart,
)
from treadle.contract.vector_store_file_batches import CreateVectorStoreFileBatchRequest, VectorStoreFileBatch
from treadle.contract.vector_store_files import (
    CreateVectorStoreFileRequest,
    UpdateVectorStoreFileAttributesRequest,
    VectorStoreFile,
    VectorStoreFileContent,
    VectorStoreFileDeleted,
    VectorStoreFileList,
)
from treadle.contract.vector_store_search import VectorStoreSearchPage, VectorStoreSearchRequest
from treadle.contract.vector_stores import (
    CreateVectorStoreRequest,
    ModifyVectorStoreRequest,
    VectorStore,
    VectorStoreDeleted,
    VectorStoreList,
)

Method: TypeAlias = Literal["GET", "POST", "DELETE"]
MediaType: TypeAlias = Literal["application/json", "multipart/form-data", "application/octet-stream"]

# What kind of object a path parameter names; a model's name has no prefix to check.
PATH_KINDS: Final[Mapping[str, Kind | None]] = {
    "assistant_id": "assistant",
    "thread_id": "thread",
    "message_id": "message",
    "run_id": "run",
    "step_id": "run_step",
    "file_id": "file",
    "vector_store_id": "vector_store",
    "batch_id": "vector_store_file_batch",
    "upload_id": "upload",
    "model": None,
}
_BETA: Final = ("/assistants", "/threads")


class Operation(Struct, frozen=True):
    """One operation of the API. `path` is relative to /v1.

    `streams` says that the request may ask for an event stream instead of `result`: of named events, or of lines of
    `chunk`, if that is given. An operation with `body_optional` takes an empty body for `{}` (E-20).
    """

    id: str
    method: Method
    path: str
    result: type
    summary: str
    query: type[Struct] | None = None
    body: type[Struct] | None = None
    body_optional: bool = False
    media_type: MediaType = "application/json"
    streams: bool = False
    chunk: type[Struct] | None = None
    tag: str = ""

    @property
    def path_kinds(self) -> dict[str, Kind | None]:
        """The path's parameters in order, each with the kind of object it names."""
        return {name: PATH_KINDS[name] for name in re.findall(r"\{(\w+)\}", self.path)}

    @property
    def body_required(self) -> bool:
        return self.body is not None and not self.body_optional

    @property
    def needs_beta(self) -> bool:
        """Whether `OpenAI-Beta: assistants=v2` must be sent (H-2, H-3)."""
        return self.path.startswith(_BETA)

    @property
    def result_media_type(self) -> MediaType:
        return "application/octet-stream" if self.result is bytes else "application/json"


# fmt: off
_TABLE: Final[Mapping[str, tuple[Operation, ...]]] = {
    "Assistants": (
        Operation("listAssistants", "GET", "/assistants", AssistantList, "List assistants", query=AssistantQuery),
        Operation("createAssistant", "POST", "/assistants",
                  Assistant, "Create an assistant", body=CreateAssistantRequest),
        Operation("getAssistant", "GET", "/assistants/{assistant_id}", Assistant, "Get an assistant"),
        Operation("modifyAssistant", "POST", "/assistants/{assistant_id}",
                  Assistant, "Change an assistant", body=ModifyAssistantRequest, body_optional=True),
        Operation("deleteAssistant", "DELETE", "/assistants/{assistant_id}", AssistantDeleted, "Delete an assistant"),
    ),
    "Threads": (
        Operation("createThread", "POST", "/threads",
                  Thread, "Create a thread, with messages if you like", body=CreateThreadRequest, body_optional=True),
        Operation("getThread", "GET", "/threads/{thread_id}", Thread, "Get a thread"),
        Operation("modifyThread", "POST", "/threads/{thread_id}",
                  Thread, "Change a thread", body=ModifyThreadRequest, body_optional=True),
        Operation("deleteThread", "DELETE", "/threads/{thread_id}",
                  ThreadDeleted, "Delete a thread and all that is in it"),
    ),
    "Messages": (
        Operation("listMessages", "GET", "/threads/{thread_id}/messages",
                  MessageList, "List the messages of a thread", query=MessageQuery),
        Operation("createMessage", "POST", "/threads/{thread_id}/messages",
                  Message, "Add a message to a thread", body=CreateMessageRequest),
        Operation("getMessage", "GET", "/threads/{thread_id}/messages/{message_id}", Message, "Get a message"),
        Operation("modifyMessage", "POST", "/threads/{thread_id}/messages/{message_id}",
                  Message, "Change the metadata of a message", body=ModifyMessageRequest, body_optional=True),
        Operation("deleteMessage", "DELETE", "/threads/{thread_id}/messages/{message_id}",
                  MessageDeleted, "Delete a message"),
    ),
    "Runs": (
        Operation("createThreadAndRun", "POST", "/threads/runs",
                  Run, "Create a thread and run an assistant on it", body=CreateThreadAndRunRequest, streams=True),
        Operation("listRuns", "GET", "/threads/{thread_id}/runs", RunList, "List the runs of a thread", query=RunQuery),
        Operation("createRun", "POST", "/threads/{thread_id}/runs",
                  Run, "Run an assistant on a thread", query=IncludeQuery, body=CreateRunRequest, streams=True),
        Operation("getRun", "GET", "/threads/{thread_id}/runs/{run_id}", Run, "Get a run"),
        Operation("modifyRun", "POST", "/threads/{thread_id}/runs/{run_id}",
                  Run, "Change the metadata of a run", body=ModifyRunRequest, body_optional=True),
        Operation("cancelRun", "POST", "/threads/{thread_id}/runs/{run_id}/cancel", Run, "Cancel a run"),
        Operation("submitToolOuputsToRun", "POST", "/threads/{thread_id}/runs/{run_id}/submit_tool_outputs",
                  Run, "Submit the outputs of all calls that a run waits for",
                  body=SubmitToolOutputsRequest, streams=True),
    ),
    "Run steps": (
        Operation("listRunSteps", "GET", "/threads/{thread_id}/runs/{run_id}/steps",
                  RunStepList, "List the steps of a run", query=RunStepQuery),
        Operation("getRunStep", "GET", "/threads/{thread_id}/runs/{run_id}/steps/{step_id}",
                  RunStep, "Get a run step", query=IncludeQuery),
    ),
    "Vector stores": (
        Operation("listVectorStores", "GET", "/vector_stores",
                  VectorStoreList, "List vector stores", query=VectorStoreQuery),
        Operation("createVectorStore", "POST", "/vector_stores",
                  VectorStore, "Create a vector store", body=CreateVectorStoreRequest, body_optional=True),
        Operation("getVectorStore", "GET", "/vector_stores/{vector_store_id}", VectorStore, "Get a vector store"),
        Operation("modifyVectorStore", "POST", "/vector_stores/{vector_store_id}",
                  VectorStore, "Change a vector store", body=ModifyVectorStoreRequest, body_optional=True),
        Operation("deleteVectorStore", "DELETE", "/vector_stores/{vector_store_id}",
                  VectorStoreDeleted, "Delete a vector store, not its files"),
        Operation("searchVectorStore", "POST", "/vector_stores/{vector_store_id}/search",
                  VectorStoreSearchPage, "Search a vector store", body=VectorStoreSearchRequest),
        Operation("listVectorStoreFiles", "GET", "/vector_stores/{vector_store_id}/files",
                  VectorStoreFileList, "List the files of a vector store", query=VectorStoreFileQuery),
        Operation("createVectorStoreFile", "POST", "/vector_stores/{vector_store_id}/files",
                  VectorStoreFile, "Attach a file to a vector store", body=CreateVectorStoreFileRequest),
        Operation("getVectorStoreFile", "GET", "/vector_stores/{vector_store_id}/files/{file_id}",
                  VectorStoreFile, "Get a file of a vector store"),
        Operation("updateVectorStoreFileAttributes", "POST", "/vector_stores/{vector_store_id}/files/{file_id}",
                  VectorStoreFile, "Replace the attributes of a file in a vector store",
                  body=UpdateVectorStoreFileAttributesRequest),
        Operation("deleteVectorStoreFile", "DELETE", "/vector_stores/{vector_store_id}/files/{file_id}",
                  VectorStoreFileDeleted, "Detach a file from a vector store"),
        Operation("retrieveVectorStoreFileContent", "GET", "/vector_stores/{vector_store_id}/files/{file_id}/content",
                  VectorStoreFileContent, "Get the text that was read from a file"),
        Operation("createVectorStoreFileBatch", "POST", "/vector_stores/{vector_store_id}/file_batches",
                  VectorStoreFileBatch, "Attach many files to a vector store", body=CreateVectorStoreFileBatchRequest),
        Operation("getVectorStoreFileBatch", "GET", "/vector_stores/{vector_store_id}/file_batches/{batch_id}",
                  VectorStoreFileBatch, "Get a batch of files"),
        Operation("cancelVectorStoreFileBatch", "POST",
                  "/vector_stores/{vector_store_id}/file_batches/{batch_id}/cancel",
                  VectorStoreFileBatch, "Cancel what has not begun of a batch of files"),
        Operation("listFilesInVectorStoreBatch", "GET",
                  "/vector_stores/{vector_store_id}/file_batches/{batch_id}/files",
                  VectorStoreFileList, "List the files of a batch", query=VectorStoreFileQuery),
    ),
    "Files": (
        Operation("listFiles", "GET", "/files", FileList, "List files", query=FileQuery),
        Operation("createFile", "POST", "/files",
                  File, "Store a file", body=CreateFileRequest, media_type="multipart/form-data"),
        Operation("retrieveFile", "GET", "/files/{file_id}", File, "Get what is known about a file"),
        Operation("deleteFile", "DELETE", "/files/{file_id}", FileDeleted, "Delete a file"),
        Operation("downloadFile", "GET", "/files/{file_id}/content", bytes, "Get the content of a file"),
    ),
    "Uploads": (
        Operation("createUpload", "POST", "/uploads",
                  Upload, "Begin to upload a large file in parts", body=CreateUploadRequest),
        Operation("addUploadPart", "POST", "/uploads/{upload_id}/parts",
                  UploadPart, "Add a part to an upload", body=AddUploadPartRequest, media_type="multipart/form-data"),
        Operation("completeUpload", "POST", "/uploads/{upload_id}/complete",
                  Upload, "Make a file of the parts of an upload", body=CompleteUploadRequest),
        Operation("cancelUpload", "POST", "/uploads/{upload_id}/cancel", Upload, "Cancel an upload"),
    ),
    "Models": (
        Operation("listModels", "GET", "/models", ModelList, "List the models that requests may name"),
        Operation("retrieveModel", "GET", "/models/{model}", Model, "Get a model"),
        Operation("deleteModel", "DELETE", "/models/{model}",
                  ModelDeleted, "Delete a model, which no caller may do here"),
    ),
    "Pass-through": (
        Operation("createChatCompletion", "POST", "/chat/completions",
                  ChatCompletion, "Let a model continue a conversation", body=CreateChatCompletionRequest,
                  streams=True, chunk=ChatCompletionChunk),
        Operation("createEmbedding", "POST", "/embeddings",
                  EmbeddingList, "Let a model turn text into vectors", body=CreateEmbeddingRequest),
    ),
}
# fmt: on

OPERATIONS: Final[Mapping[str, Operation]] = MappingProxyType(
    {row.id: replace(row, tag=tag) for tag, rows in _TABLE.items() for row in rows}
)

# The contract's own misspelling stays in its id; our functions spell it right.
_SPELLING: Final = {"submitToolOuputsToRun": "submitToolOutputsToRun"}


def python_name(operation: Operation) -> str:
    """`listRunSteps` is `list_run_steps` everywhere in our code."""
    name = _SPELLING.get(operation.id, operation.id)
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
