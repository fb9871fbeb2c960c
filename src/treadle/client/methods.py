"""The synchronous client. Written by generate.py from the table of operations; do not edit."""

# ruff: noqa: N815 - the contract's own spelling of each name stands beside Python's

from collections.abc import Mapping, Sequence
from typing import Literal, overload

from msgspec import UNSET, UnsetType

from treadle.client.events import Event, Stream
from treadle.client.requests import FileContent, Json
from treadle.client.transport import Transport
from treadle.contract.assistants import Assistant, AssistantDeleted, AssistantList
from treadle.contract.chat import (
    CacheOptions,
    ChatAllowedToolsChoice,
    ChatAssistantMessage,
    ChatAudioOptions,
    ChatCompletion,
    ChatCompletionChunk,
    ChatCustomTool,
    ChatDeveloperMessage,
    ChatFunction,
    ChatFunctionMessage,
    ChatNamedCustomChoice,
    ChatNamedFunctionChoice,
    ChatSystemMessage,
    ChatToolMessage,
    ChatUserMessage,
    ChosenTool,
    ModerationOptions,
    Prediction,
    StreamOptions,
    WebSearchOptions,
)
from treadle.contract.chunking import AutoChunkingParam, StaticChunkingParam
from treadle.contract.embeddings import EmbeddingList
from treadle.contract.files import File, FileDeleted, FileExpiresAfter, FileList
from treadle.contract.formats import ResponseFormatJsonObject, ResponseFormatJsonSchema, ResponseFormatText
from treadle.contract.messages import (
    AttachmentParam,
    CreateMessageRequest,
    ImageFileContentParam,
    ImageUrlContentParam,
    Message,
    MessageDeleted,
    MessageList,
    TextContentParam,
)
from treadle.contract.models import Model, ModelDeleted, ModelList
from treadle.contract.run_steps import RunStep, RunStepList
from treadle.contract.runs import Run, RunList, ToolOutput, TruncationStrategy
from treadle.contract.threads import CreateThreadRequest, Thread, ThreadDeleted
from treadle.contract.tools import (
    CodeInterpreterTool,
    FileSearchTool,
    FunctionTool,
    NamedToolChoice,
    NewToolResources,
    ToolResourcesParam,
)
from treadle.contract.uploads import Upload, UploadPart
from treadle.contract.vector_store_file_batches import VectorStoreFileBatch
from treadle.contract.vector_store_files import (
    CreateVectorStoreFileRequest,
    VectorStoreFile,
    VectorStoreFileContent,
    VectorStoreFileDeleted,
    VectorStoreFileList,
)
from treadle.contract.vector_store_search import (
    And,
    Equal,
    Greater,
    GreaterOrEqual,
    In,
    Less,
    LessOrEqual,
    NotEqual,
    NotIn,
    Or,
    SearchRanking,
    VectorStoreSearchPage,
)
from treadle.contract.vector_stores import VectorStore, VectorStoreDeleted, VectorStoreExpiresAfter, VectorStoreList


class Client(Transport):
    """The synchronous client. One method per operation, in the order of the contract.

    All arguments are by name. What is left out (UNSET) is not sent; None is sent as null. Objects may be
    given as the contract's structs or as plain mappings. Each method raises ApiError and its kinds
    (`treadle.contract.errors`) when the server refuses, ConnectionFailed when it cannot be reached.
    """

    def list_assistants(
        self,
        *,
        limit: int | UnsetType = UNSET,
        order: Literal["asc", "desc"] | UnsetType = UNSET,
        after: str | UnsetType | None = UNSET,
        before: str | UnsetType | None = UNSET,
    ) -> AssistantList:
        """List assistants.

        GET /assistants

        Args:
            limit: How many items a page holds at most. (1 to 100; 20 unless said)
            order: By time of creation: newest first (desc) or oldest first (asc). (desc unless said)
            after: Show what comes after this id in the requested order.
            before: Show the page that ends before this id in the requested order.
        """
        result: AssistantList = self.call("listAssistants", limit=limit, order=order, after=after, before=before)
        return result

    listAssistants = list_assistants

    def create_assistant(
        self,
        *,
        model: str,
        name: str | UnsetType | None = UNSET,
        description: str | UnsetType | None = UNSET,
        instructions: str | UnsetType | None = UNSET,
        reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
        | UnsetType
        | None = UNSET,
        tools: Sequence[CodeInterpreterTool | FileSearchTool | FunctionTool | Json] | UnsetType = UNSET,
        tool_resources: NewToolResources | Json | UnsetType | None = UNSET,
        metadata: Mapping[str, str] | UnsetType | None = UNSET,
        temperature: float | UnsetType | None = UNSET,
        top_p: float | UnsetType | None = UNSET,
        response_format: Literal["auto"]
        | ResponseFormatText
        | ResponseFormatJsonObject
        | ResponseFormatJsonSchema
        | Json
        | UnsetType
        | None = UNSET,
    ) -> Assistant:
        """Create an assistant.

        POST /assistants

        Args:
            model: The model's name.
            name: (at most 256 characters)
            description: (at most 512 characters)
            instructions: What the assistant is told before anything else. (at most 256000 characters)
            reasoning_effort: How much the model is to think, if it is one that does.
            tools: The tools that may be called. (at most 128 items)
            tool_resources: The files and vector stores that the tools work on.
            metadata: Up to 16 pairs of your own: keys of up to 64 characters, values of up to 512.
            temperature: How freely the model picks its words, from 0 to 2. (0 to 2)
            top_p: The share of probability that the model picks its words from. (0 to 1)
            response_format: The form of the model's answers.
        """
        result: Assistant = self.call(
            "createAssistant",
            model=model,
            name=name,
            description=description,
            instructions=instructions,
            reasoning_effort=reasoning_effort,
            tools=tools,
            tool_resources=tool_resources,
            metadata=metadata,
            temperature=temperature,
            top_p=top_p,
            response_format=response_format,
        )
        return result

    createAssistant = create_assistant

    def get_assistant(self, *, assistant_id: str) -> Assistant:
        """Get an assistant.

        GET /assistants/{assistant_id}

        Args:
            assistant_id: The assistant's id.
        """
        result: Assistant = self.call("getAssistant", assistant_id=assistant_id)
        return result

    getAssistant = get_assistant

    def modify_assistant(
        self,
        *,
        assistant_id: str,
        model: str | UnsetType = UNSET,
        reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
        | UnsetType
        | None = UNSET,
        name: str | UnsetType | None = UNSET,
        description: str | UnsetType | None = UNSET,
        instructions: str | UnsetType | None = UNSET,
        tools: Sequence[CodeInterpreterTool | FileSearchTool | FunctionTool | Json] | UnsetType = UNSET,
        tool_resources: ToolResourcesParam | Json | UnsetType | None = UNSET,
        metadata: Mapping[str, str] | UnsetType | None = UNSET,
        temperature: float | UnsetType | None = UNSET,
        top_p: float | UnsetType | None = UNSET,
        response_format: Literal["auto"]
        | ResponseFormatText
        | ResponseFormatJsonObject
        | ResponseFormatJsonSchema
        | Json
        | UnsetType
        | None = UNSET,
    ) -> Assistant:
        """Change an assistant.

        POST /assistants/{assistant_id}

        Args:
            assistant_id: The assistant's id.
            model: The model's name.
            reasoning_effort: How much the model is to think, if it is one that does.
            name: (at most 256 characters)
            description: (at most 512 characters)
            instructions: What the assistant is told before anything else. (at most 256000 characters)
            tools: The tools that may be called. (at most 128 items)
            tool_resources: The files and vector stores that the tools work on.
            metadata: Up to 16 pairs of your own: keys of up to 64 characters, values of up to 512.
            temperature: How freely the model picks its words, from 0 to 2. (0 to 2)
            top_p: The share of probability that the model picks its words from. (0 to 1)
            response_format: The form of the model's answers.
        """
        result: Assistant = self.call(
            "modifyAssistant",
            assistant_id=assistant_id,
            model=model,
            reasoning_effort=reasoning_effort,
            name=name,
            description=description,
            instructions=instructions,
            tools=tools,
            tool_resources=tool_resources,
            metadata=metadata,
            temperature=temperature,
            top_p=top_p,
            response_format=response_format,
        )
        return result

    modifyAssistant = modify_assistant

    def delete_assistant(self, *, assistant_id: str) -> AssistantDeleted:
        """Delete an assistant.

        DELETE /assistants/{assistant_id}

        Args:
            assistant_id: The assistant's id.
        """
        result: AssistantDeleted = self.call("deleteAssistant", assistant_id=assistant_id)
        return result

    deleteAssistant = delete_assistant

    def create_thread(
        self,
        *,
        messages: Sequence[CreateMessageRequest | Json] | UnsetType = UNSET,
        tool_resources: NewToolResources | Json | UnsetType | None = UNSET,
        metadata: Mapping[str, str] | UnsetType | None = UNSET,
    ) -> Thread:
        """Create a thread, with messages if you like.

        POST /threads

        Args:
            messages: (at most 32 items)
            tool_resources: The files and vector stores that the tools work on.
            metadata: Up to 16 pairs of your own: keys of up to 64 characters, values of up to 512.
        """
        result: Thread = self.call("createThread", messages=messages, tool_resources=tool_resources, metadata=metadata)
        return result

    createThread = create_thread

    def get_thread(self, *, thread_id: str) -> Thread:
        """Get a thread.

        GET /threads/{thread_id}

        Args:
            thread_id: The thread's id.
        """
        result: Thread = self.call("getThread", thread_id=thread_id)
        return result

    getThread = get_thread

    def modify_thread(
        self,
        *,
        thread_id: str,
        tool_resources: ToolResourcesParam | Json | UnsetType | None = UNSET,
        metadata: Mapping[str, str] | UnsetType | None = UNSET,
    ) -> Thread:
        """Change a thread.

        POST /threads/{thread_id}

        Args:
            thread_id: The thread's id.
            tool_resources: The files and vector stores that the tools work on.
            metadata: Up to 16 pairs of your own: keys of up to 64 characters, values of up to 512.
        """
        result: Thread = self.call(
            "modifyThread", thread_id=thread_id, tool_resources=tool_resources, metadata=metadata
        )
        return result

    modifyThread = modify_thread

    def delete_thread(self, *, thread_id: str) -> ThreadDeleted:
        """Delete a thread and all that is in it.

        DELETE /threads/{thread_id}

        Args:
            thread_id: The thread's id.
        """
        result: ThreadDeleted = self.call("deleteThread", thread_id=thread_id)
        return result

    deleteThread = delete_thread

    def list_messages(
        self,
        *,
        thread_id: str,
        limit: int | UnsetType = UNSET,
        order: Literal["asc", "desc"] | UnsetType = UNSET,
        after: str | UnsetType | None = UNSET,
        before: str | UnsetType | None = UNSET,
        run_id: str | UnsetType | None = UNSET,
    ) -> MessageList:
        """List the messages of a thread.

        GET /threads/{thread_id}/messages

        Args:
            thread_id: The thread's id.
            limit: How many items a page holds at most. (1 to 100; 20 unless said)
            order: By time of creation: newest first (desc) or oldest first (asc). (desc unless said)
            after: Show what comes after this id in the requested order.
            before: Show the page that ends before this id in the requested order.
            run_id: The run's id.
        """
        result: MessageList = self.call(
            "listMessages", thread_id=thread_id, limit=limit, order=order, after=after, before=before, run_id=run_id
        )
        return result

    listMessages = list_messages

    def create_message(
        self,
        *,
        thread_id: str,
        role: Literal["user", "assistant"],
        content: str | Sequence[ImageFileContentParam | ImageUrlContentParam | TextContentParam | Json],
        attachments: Sequence[AttachmentParam | Json] | UnsetType | None = UNSET,
        metadata: Mapping[str, str] | UnsetType | None = UNSET,
    ) -> Message:
        """Add a message to a thread.

        POST /threads/{thread_id}/messages

        Args:
            thread_id: The thread's id.
            content: (at most 256000 characters; at least 1 items)
            attachments: Files for the thread's tools. (at most 20 items)
            metadata: Up to 16 pairs of your own: keys of up to 64 characters, values of up to 512.
        """
        result: Message = self.call(
            "createMessage", thread_id=thread_id, role=role, content=content, attachments=attachments, metadata=metadata
        )
        return result

    createMessage = create_message

    def get_message(self, *, thread_id: str, message_id: str) -> Message:
        """Get a message.

        GET /threads/{thread_id}/messages/{message_id}

        Args:
            thread_id: The thread's id.
            message_id: The message's id.
        """
        result: Message = self.call("getMessage", thread_id=thread_id, message_id=message_id)
        return result

    getMessage = get_message

    def modify_message(
        self, *, thread_id: str, message_id: str, metadata: Mapping[str, str] | UnsetType | None = UNSET
    ) -> Message:
        """Change the metadata of a message.

        POST /threads/{thread_id}/messages/{message_id}

        Args:
            thread_id: The thread's id.
            message_id: The message's id.
            metadata: Up to 16 pairs of your own: keys of up to 64 characters, values of up to 512.
        """
        result: Message = self.call("modifyMessage", thread_id=thread_id, message_id=message_id, metadata=metadata)
        return result

    modifyMessage = modify_message

    def delete_message(self, *, thread_id: str, message_id: str) -> MessageDeleted:
        """Delete a message.

        DELETE /threads/{thread_id}/messages/{message_id}

        Args:
            thread_id: The thread's id.
            message_id: The message's id.
        """
        result: MessageDeleted = self.call("deleteMessage", thread_id=thread_id, message_id=message_id)
        return result

    deleteMessage = delete_message

    @overload
    def create_thread_and_run(
        self,
        *,
        assistant_id: str,
        model: str | UnsetType | None = UNSET,
        reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
        | UnsetType
        | None = UNSET,
        instructions: str | UnsetType | None = UNSET,
        tools: Sequence[CodeInterpreterTool | FileSearchTool | FunctionTool | Json] | UnsetType | None = UNSET,
        metadata: Mapping[str, str] | UnsetType | None = UNSET,
        temperature: float | UnsetType | None = UNSET,
        top_p: float | UnsetType | None = UNSET,
        max_prompt_tokens: int | UnsetType | None = UNSET,
        max_completion_tokens: int | UnsetType | None = UNSET,
        truncation_strategy: TruncationStrategy | Json | UnsetType | None = UNSET,
        tool_choice: Literal["none", "auto", "required"] | NamedToolChoice | Json | UnsetType | None = UNSET,
        parallel_tool_calls: bool | UnsetType | None = UNSET,
        response_format: Literal["auto"]
        | ResponseFormatText
        | ResponseFormatJsonObject
        | ResponseFormatJsonSchema
        | Json
        | UnsetType
        | None = UNSET,
        thread: CreateThreadRequest | Json | UnsetType = UNSET,
        tool_resources: ToolResourcesParam | Json | UnsetType | None = UNSET,
        stream: Literal[True],
    ) -> Stream[Event]: ...

    @overload
    def create_thread_and_run(
        self,
        *,
        assistant_id: str,
        model: str | UnsetType | None = UNSET,
        reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
        | UnsetType
        | None = UNSET,
        instructions: str | UnsetType | None = UNSET,
        tools: Sequence[CodeInterpreterTool | FileSearchTool | FunctionTool | Json] | UnsetType | None = UNSET,
        metadata: Mapping[str, str] | UnsetType | None = UNSET,
        temperature: float | UnsetType | None = UNSET,
        top_p: float | UnsetType | None = UNSET,
        max_prompt_tokens: int | UnsetType | None = UNSET,
        max_completion_tokens: int | UnsetType | None = UNSET,
        truncation_strategy: TruncationStrategy | Json | UnsetType | None = UNSET,
        tool_choice: Literal["none", "auto", "required"] | NamedToolChoice | Json | UnsetType | None = UNSET,
        parallel_tool_calls: bool | UnsetType | None = UNSET,
        response_format: Literal["auto"]
        | ResponseFormatText
        | ResponseFormatJsonObject
        | ResponseFormatJsonSchema
        | Json
        | UnsetType
        | None = UNSET,
        thread: CreateThreadRequest | Json | UnsetType = UNSET,
        tool_resources: ToolResourcesParam | Json | UnsetType | None = UNSET,
        stream: Literal[False] | UnsetType | None = UNSET,
    ) -> Run: ...

    def create_thread_and_run(
        self,
        *,
        assistant_id: str,
        model: str | UnsetType | None = UNSET,
        reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
        | UnsetType
        | None = UNSET,
        instructions: str | UnsetType | None = UNSET,
        tools: Sequence[CodeInterpreterTool | FileSearchTool | FunctionTool | Json] | UnsetType | None = UNSET,
        metadata: Mapping[str, str] | UnsetType | None = UNSET,
        temperature: float | UnsetType | None = UNSET,
        top_p: float | UnsetType | None = UNSET,
        stream: bool | UnsetType | None = UNSET,
        max_prompt_tokens: int | UnsetType | None = UNSET,
        max_completion_tokens: int | UnsetType | None = UNSET,
        truncation_strategy: TruncationStrategy | Json | UnsetType | None = UNSET,
        tool_choice: Literal["none", "auto", "required"] | NamedToolChoice | Json | UnsetType | None = UNSET,
        parallel_tool_calls: bool | UnsetType | None = UNSET,
        response_format: Literal["auto"]
        | ResponseFormatText
        | ResponseFormatJsonObject
        | ResponseFormatJsonSchema
        | Json
        | UnsetType
        | None = UNSET,
        thread: CreateThreadRequest | Json | UnsetType = UNSET,
        tool_resources: ToolResourcesParam | Json | UnsetType | None = UNSET,
    ) -> Run | Stream[Event]:
        """Create a thread and run an assistant on it.

        POST /threads/runs

        Args:
            assistant_id: The assistant's id.
            model: The model's name.
            reasoning_effort: How much the model is to think, if it is one that does.
            instructions: What the assistant is told before anything else.
            tools: The tools that may be called. (at most 128 items)
            metadata: Up to 16 pairs of your own: keys of up to 64 characters, values of up to 512.
            temperature: How freely the model picks its words, from 0 to 2. (0 to 2)
            top_p: The share of probability that the model picks its words from. (0 to 1)
            stream: Whether to answer with a stream of events.
            max_prompt_tokens: Budget of prompt tokens over all turns of the run. (at least 256)
            max_completion_tokens: Budget of completion tokens over all turns of the run. (at least 256)
            truncation_strategy: Which messages the model sees.
            tool_choice: Which tool the first turn has to call, if any.
            parallel_tool_calls: Whether one turn may call several tools.
            response_format: The form of the model's answers.
            tool_resources: The files and vector stores that the tools work on.
        """
        result: Run | Stream[Event] = self.call(
            "createThreadAndRun",
            assistant_id=assistant_id,
            model=model,
            reasoning_effort=reasoning_effort,
            instructions=instructions,
            tools=tools,
            metadata=metadata,
            temperature=temperature,
            top_p=top_p,
            stream=stream,
            max_prompt_tokens=max_prompt_tokens,
            max_completion_tokens=max_completion_tokens,
            truncation_strategy=truncation_strategy,
            tool_choice=tool_choice,
            parallel_tool_calls=parallel_tool_calls,
            response_format=response_format,
            thread=thread,
            tool_resources=tool_resources,
        )
        return result

    createThreadAndRun = create_thread_and_run

    def list_runs(
        self,
        *,
        thread_id: str,
        limit: int | UnsetType = UNSET,
        order: Literal["asc", "desc"] | UnsetType = UNSET,
        after: str | UnsetType | None = UNSET,
        before: str | UnsetType | None = UNSET,
    ) -> RunList:
        """List the runs of a thread.

        GET /threads/{thread_id}/runs

        Args:
            thread_id: The thread's id.
            limit: How many items a page holds at most. (1 to 100; 20 unless said)
            order: By time of creation: newest first (desc) or oldest first (asc). (desc unless said)
            after: Show what comes after this id in the requested order.
            before: Show the page that ends before this id in the requested order.
        """
        result: RunList = self.call(
            "listRuns", thread_id=thread_id, limit=limit, order=order, after=after, before=before
        )
        return result

    listRuns = list_runs

    @overload
    def create_run(
        self,
        *,
        thread_id: str,
        assistant_id: str,
        model: str | UnsetType | None = UNSET,
        reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
        | UnsetType
        | None = UNSET,
        instructions: str | UnsetType | None = UNSET,
        tools: Sequence[CodeInterpreterTool | FileSearchTool | FunctionTool | Json] | UnsetType | None = UNSET,
        metadata: Mapping[str, str] | UnsetType | None = UNSET,
        temperature: float | UnsetType | None = UNSET,
        top_p: float | UnsetType | None = UNSET,
        max_prompt_tokens: int | UnsetType | None = UNSET,
        max_completion_tokens: int | UnsetType | None = UNSET,
        truncation_strategy: TruncationStrategy | Json | UnsetType | None = UNSET,
        tool_choice: Literal["none", "auto", "required"] | NamedToolChoice | Json | UnsetType | None = UNSET,
        parallel_tool_calls: bool | UnsetType | None = UNSET,
        response_format: Literal["auto"]
        | ResponseFormatText
        | ResponseFormatJsonObject
        | ResponseFormatJsonSchema
        | Json
        | UnsetType
        | None = UNSET,
        additional_instructions: str | UnsetType | None = UNSET,
        additional_messages: Sequence[CreateMessageRequest | Json] | UnsetType | None = UNSET,
        include: Sequence[Literal["step_details.tool_calls[*].file_search.results[*].content"]] | UnsetType = UNSET,
        stream: Literal[True],
    ) -> Stream[Event]: ...

    @overload
    def create_run(
        self,
        *,
        thread_id: str,
        assistant_id: str,
        model: str | UnsetType | None = UNSET,
        reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
        | UnsetType
        | None = UNSET,
        instructions: str | UnsetType | None = UNSET,
        tools: Sequence[CodeInterpreterTool | FileSearchTool | FunctionTool | Json] | UnsetType | None = UNSET,
        metadata: Mapping[str, str] | UnsetType | None = UNSET,
        temperature: float | UnsetType | None = UNSET,
        top_p: float | UnsetType | None = UNSET,
        max_prompt_tokens: int | UnsetType | None = UNSET,
        max_completion_tokens: int | UnsetType | None = UNSET,
        truncation_strategy: TruncationStrategy | Json | UnsetType | None = UNSET,
        tool_choice: Literal["none", "auto", "required"] | NamedToolChoice | Json | UnsetType | None = UNSET,
        parallel_tool_calls: bool | UnsetType | None = UNSET,
        response_format: Literal["auto"]
        | ResponseFormatText
        | ResponseFormatJsonObject
        | ResponseFormatJsonSchema
        | Json
        | UnsetType
        | None = UNSET,
        additional_instructions: str | UnsetType | None = UNSET,
        additional_messages: Sequence[CreateMessageRequest | Json] | UnsetType | None = UNSET,
        include: Sequence[Literal["step_details.tool_calls[*].file_search.results[*].content"]] | UnsetType = UNSET,
        stream: Literal[False] | UnsetType | None = UNSET,
    ) -> Run: ...

    def create_run(
        self,
        *,
        thread_id: str,
        assistant_id: str,
        model: str | UnsetType | None = UNSET,
        reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
        | UnsetType
        | None = UNSET,
        instructions: str | UnsetType | None = UNSET,
        tools: Sequence[CodeInterpreterTool | FileSearchTool | FunctionTool | Json] | UnsetType | None = UNSET,
        metadata: Mapping[str, str] | UnsetType | None = UNSET,
        temperature: float | UnsetType | None = UNSET,
        top_p: float | UnsetType | None = UNSET,
        stream: bool | UnsetType | None = UNSET,
        max_prompt_tokens: int | UnsetType | None = UNSET,
        max_completion_tokens: int | UnsetType | None = UNSET,
        truncation_strategy: TruncationStrategy | Json | UnsetType | None = UNSET,
        tool_choice: Literal["none", "auto", "required"] | NamedToolChoice | Json | UnsetType | None = UNSET,
        parallel_tool_calls: bool | UnsetType | None = UNSET,
        response_format: Literal["auto"]
        | ResponseFormatText
        | ResponseFormatJsonObject
        | ResponseFormatJsonSchema
        | Json
        | UnsetType
        | None = UNSET,
        additional_instructions: str | UnsetType | None = UNSET,
        additional_messages: Sequence[CreateMessageRequest | Json] | UnsetType | None = UNSET,
        include: Sequence[Literal["step_details.tool_calls[*].file_search.results[*].content"]] | UnsetType = UNSET,
    ) -> Run | Stream[Event]:
        """Run an assistant on a thread.

        POST /threads/{thread_id}/runs

        Args:
            thread_id: The thread's id.
            assistant_id: The assistant's id.
            model: The model's name.
            reasoning_effort: How much the model is to think, if it is one that does.
            instructions: What the assistant is told before anything else.
            tools: The tools that may be called. (at most 128 items)
            metadata: Up to 16 pairs of your own: keys of up to 64 characters, values of up to 512.
            temperature: How freely the model picks its words, from 0 to 2. (0 to 2)
            top_p: The share of probability that the model picks its words from. (0 to 1)
            stream: Whether to answer with a stream of events.
            max_prompt_tokens: Budget of prompt tokens over all turns of the run. (at least 256)
            max_completion_tokens: Budget of completion tokens over all turns of the run. (at least 256)
            truncation_strategy: Which messages the model sees.
            tool_choice: Which tool the first turn has to call, if any.
            parallel_tool_calls: Whether one turn may call several tools.
            response_format: The form of the model's answers.
            additional_instructions: Appended to the instructions for this run only.
            additional_messages: Added to the thread before the run starts. (at most 32 items)
            include: What to show in addition: the text of file_search results.
        """
        result: Run | Stream[Event] = self.call(
            "createRun",
            thread_id=thread_id,
            assistant_id=assistant_id,
            model=model,
            reasoning_effort=reasoning_effort,
            instructions=instructions,
            tools=tools,
            metadata=metadata,
            temperature=temperature,
            top_p=top_p,
            stream=stream,
            max_prompt_tokens=max_prompt_tokens,
            max_completion_tokens=max_completion_tokens,
            truncation_strategy=truncation_strategy,
            tool_choice=tool_choice,
            parallel_tool_calls=parallel_tool_calls,
            response_format=response_format,
            additional_instructions=additional_instructions,
            additional_messages=additional_messages,
            include=include,
        )
        return result

    createRun = create_run

    def get_run(self, *, thread_id: str, run_id: str) -> Run:
        """Get a run.

        GET /threads/{thread_id}/runs/{run_id}

        Args:
            thread_id: The thread's id.
            run_id: The run's id.
        """
        result: Run = self.call("getRun", thread_id=thread_id, run_id=run_id)
        return result

    getRun = get_run

    def modify_run(self, *, thread_id: str, run_id: str, metadata: Mapping[str, str] | UnsetType | None = UNSET) -> Run:
        """Change the metadata of a run.

        POST /threads/{thread_id}/runs/{run_id}

        Args:
            thread_id: The thread's id.
            run_id: The run's id.
            metadata: Up to 16 pairs of your own: keys of up to 64 characters, values of up to 512.
        """
        result: Run = self.call("modifyRun", thread_id=thread_id, run_id=run_id, metadata=metadata)
        return result

    modifyRun = modify_run

    def cancel_run(self, *, thread_id: str, run_id: str) -> Run:
        """Cancel a run.

        POST /threads/{thread_id}/runs/{run_id}/cancel

        Args:
            thread_id: The thread's id.
            run_id: The run's id.
        """
        result: Run = self.call("cancelRun", thread_id=thread_id, run_id=run_id)
        return result

    cancelRun = cancel_run

    @overload
    def submit_tool_outputs_to_run(
        self, *, thread_id: str, run_id: str, tool_outputs: Sequence[ToolOutput | Json], stream: Literal[True]
    ) -> Stream[Event]: ...

    @overload
    def submit_tool_outputs_to_run(
        self,
        *,
        thread_id: str,
        run_id: str,
        tool_outputs: Sequence[ToolOutput | Json],
        stream: Literal[False] | UnsetType | None = UNSET,
    ) -> Run: ...

    def submit_tool_outputs_to_run(
        self,
        *,
        thread_id: str,
        run_id: str,
        tool_outputs: Sequence[ToolOutput | Json],
        stream: bool | UnsetType | None = UNSET,
    ) -> Run | Stream[Event]:
        """Submit the outputs of all calls that a run waits for.

        POST /threads/{thread_id}/runs/{run_id}/submit_tool_outputs

        Args:
            thread_id: The thread's id.
            run_id: The run's id.
            stream: Whether to answer with a stream of events.
        """
        result: Run | Stream[Event] = self.call(
            "submitToolOuputsToRun", thread_id=thread_id, run_id=run_id, tool_outputs=tool_outputs, stream=stream
        )
        return result

    submitToolOuputsToRun = submit_tool_outputs_to_run

    def list_run_steps(
        self,
        *,
        thread_id: str,
        run_id: str,
        limit: int | UnsetType = UNSET,
        order: Literal["asc", "desc"] | UnsetType = UNSET,
        after: str | UnsetType | None = UNSET,
        before: str | UnsetType | None = UNSET,
        include: Sequence[Literal["step_details.tool_calls[*].file_search.results[*].content"]] | UnsetType = UNSET,
    ) -> RunStepList:
        """List the steps of a run.

        GET /threads/{thread_id}/runs/{run_id}/steps

        Args:
            thread_id: The thread's id.
            run_id: The run's id.
            limit: How many items a page holds at most. (1 to 100; 20 unless said)
            order: By time of creation: newest first (desc) or oldest first (asc). (desc unless said)
            after: Show what comes after this id in the requested order.
            before: Show the page that ends before this id in the requested order.
            include: What to show in addition: the text of file_search results.
        """
        result: RunStepList = self.call(
            "listRunSteps",
            thread_id=thread_id,
            run_id=run_id,
            limit=limit,
            order=order,
            after=after,
            before=before,
            include=include,
        )
        return result

    listRunSteps = list_run_steps

    def get_run_step(
        self,
        *,
        thread_id: str,
        run_id: str,
        step_id: str,
        include: Sequence[Literal["step_details.tool_calls[*].file_search.results[*].content"]] | UnsetType = UNSET,
    ) -> RunStep:
        """Get a run step.

        GET /threads/{thread_id}/runs/{run_id}/steps/{step_id}

        Args:
            thread_id: The thread's id.
            run_id: The run's id.
            step_id: The run step's id.
            include: What to show in addition: the text of file_search results.
        """
        result: RunStep = self.call("getRunStep", thread_id=thread_id, run_id=run_id, step_id=step_id, include=include)
        return result

    getRunStep = get_run_step

    def list_vector_stores(
        self,
        *,
        limit: int | UnsetType = UNSET,
        order: Literal["asc", "desc"] | UnsetType = UNSET,
        after: str | UnsetType | None = UNSET,
        before: str | UnsetType | None = UNSET,
    ) -> VectorStoreList:
        """List vector stores.

        GET /vector_stores

        Args:
            limit: How many items a page holds at most. (1 to 100; 20 unless said)
            order: By time of creation: newest first (desc) or oldest first (asc). (desc unless said)
            after: Show what comes after this id in the requested order.
            before: Show the page that ends before this id in the requested order.
        """
        result: VectorStoreList = self.call("listVectorStores", limit=limit, order=order, after=after, before=before)
        return result

    listVectorStores = list_vector_stores

    def create_vector_store(
        self,
        *,
        file_ids: Sequence[str] | UnsetType = UNSET,
        name: str | UnsetType | None = UNSET,
        description: str | UnsetType | None = UNSET,
        expires_after: VectorStoreExpiresAfter | Json | UnsetType | None = UNSET,
        chunking_strategy: AutoChunkingParam | StaticChunkingParam | Json | UnsetType | None = UNSET,
        metadata: Mapping[str, str] | UnsetType | None = UNSET,
    ) -> VectorStore:
        """Create a vector store.

        POST /vector_stores

        Args:
            file_ids: Ids of files. (at most 500 items)
            expires_after: How long it lives.
            chunking_strategy: How files are cut for search.
            metadata: Up to 16 pairs of your own: keys of up to 64 characters, values of up to 512.
        """
        result: VectorStore = self.call(
            "createVectorStore",
            file_ids=file_ids,
            name=name,
            description=description,
            expires_after=expires_after,
            chunking_strategy=chunking_strategy,
            metadata=metadata,
        )
        return result

    createVectorStore = create_vector_store

    def get_vector_store(self, *, vector_store_id: str) -> VectorStore:
        """Get a vector store.

        GET /vector_stores/{vector_store_id}

        Args:
            vector_store_id: The vector store's id.
        """
        result: VectorStore = self.call("getVectorStore", vector_store_id=vector_store_id)
        return result

    getVectorStore = get_vector_store

    def modify_vector_store(
        self,
        *,
        vector_store_id: str,
        name: str | UnsetType | None = UNSET,
        expires_after: VectorStoreExpiresAfter | Json | UnsetType | None = UNSET,
        metadata: Mapping[str, str] | UnsetType | None = UNSET,
    ) -> VectorStore:
        """Change a vector store.

        POST /vector_stores/{vector_store_id}

        Args:
            vector_store_id: The vector store's id.
            expires_after: How long it lives.
            metadata: Up to 16 pairs of your own: keys of up to 64 characters, values of up to 512.
        """
        result: VectorStore = self.call(
            "modifyVectorStore",
            vector_store_id=vector_store_id,
            name=name,
            expires_after=expires_after,
            metadata=metadata,
        )
        return result

    modifyVectorStore = modify_vector_store

    def delete_vector_store(self, *, vector_store_id: str) -> VectorStoreDeleted:
        """Delete a vector store, not its files.

        DELETE /vector_stores/{vector_store_id}

        Args:
            vector_store_id: The vector store's id.
        """
        result: VectorStoreDeleted = self.call("deleteVectorStore", vector_store_id=vector_store_id)
        return result

    deleteVectorStore = delete_vector_store

    def search_vector_store(
        self,
        *,
        vector_store_id: str,
        query: str | Sequence[str],
        rewrite_query: bool | UnsetType = UNSET,
        max_num_results: int | UnsetType = UNSET,
        filters: Equal
        | NotEqual
        | Greater
        | GreaterOrEqual
        | Less
        | LessOrEqual
        | In
        | NotIn
        | And
        | Or
        | Json
        | UnsetType
        | None = UNSET,
        ranking_options: SearchRanking | Json | UnsetType = UNSET,
    ) -> VectorStoreSearchPage:
        """Search a vector store.

        POST /vector_stores/{vector_store_id}/search

        Args:
            vector_store_id: The vector store's id.
            query: (at least 1 items)
            max_num_results: (1 to 50)
        """
        result: VectorStoreSearchPage = self.call(
            "searchVectorStore",
            vector_store_id=vector_store_id,
            query=query,
            rewrite_query=rewrite_query,
            max_num_results=max_num_results,
            filters=filters,
            ranking_options=ranking_options,
        )
        return result

    searchVectorStore = search_vector_store

    def list_vector_store_files(
        self,
        *,
        vector_store_id: str,
        limit: int | UnsetType = UNSET,
        order: Literal["asc", "desc"] | UnsetType = UNSET,
        after: str | UnsetType | None = UNSET,
        before: str | UnsetType | None = UNSET,
        filter: Literal["in_progress", "completed", "failed", "cancelled"] | UnsetType | None = UNSET,
    ) -> VectorStoreFileList:
        """List the files of a vector store.

        GET /vector_stores/{vector_store_id}/files

        Args:
            vector_store_id: The vector store's id.
            limit: How many items a page holds at most. (1 to 100; 20 unless said)
            order: By time of creation: newest first (desc) or oldest first (asc). (desc unless said)
            after: Show what comes after this id in the requested order.
            before: Show the page that ends before this id in the requested order.
            filter: Only files with this status.
        """
        result: VectorStoreFileList = self.call(
            "listVectorStoreFiles",
            vector_store_id=vector_store_id,
            limit=limit,
            order=order,
            after=after,
            before=before,
            filter=filter,
        )
        return result

    listVectorStoreFiles = list_vector_store_files

    def create_vector_store_file(
        self,
        *,
        vector_store_id: str,
        file_id: str,
        chunking_strategy: AutoChunkingParam | StaticChunkingParam | Json | UnsetType | None = UNSET,
        attributes: Mapping[str, str | int | float | bool] | UnsetType | None = UNSET,
    ) -> VectorStoreFile:
        """Attach a file to a vector store.

        POST /vector_stores/{vector_store_id}/files

        Args:
            vector_store_id: The vector store's id.
            file_id: The file's id.
            chunking_strategy: How files are cut for search.
            attributes: Up to 16 pairs to filter searches by: keys of up to 64 characters, values of up to 512.
        """
        result: VectorStoreFile = self.call(
            "createVectorStoreFile",
            vector_store_id=vector_store_id,
            file_id=file_id,
            chunking_strategy=chunking_strategy,
            attributes=attributes,
        )
        return result

    createVectorStoreFile = create_vector_store_file

    def get_vector_store_file(self, *, vector_store_id: str, file_id: str) -> VectorStoreFile:
        """Get a file of a vector store.

        GET /vector_stores/{vector_store_id}/files/{file_id}

        Args:
            vector_store_id: The vector store's id.
            file_id: The file's id.
        """
        result: VectorStoreFile = self.call("getVectorStoreFile", vector_store_id=vector_store_id, file_id=file_id)
        return result

    getVectorStoreFile = get_vector_store_file

    def update_vector_store_file_attributes(
        self, *, vector_store_id: str, file_id: str, attributes: Mapping[str, str | int | float | bool] | None
    ) -> VectorStoreFile:
        """Replace the attributes of a file in a vector store.

        POST /vector_stores/{vector_store_id}/files/{file_id}

        Args:
            vector_store_id: The vector store's id.
            file_id: The file's id.
            attributes: Up to 16 pairs to filter searches by: keys of up to 64 characters, values of up to 512.
        """
        result: VectorStoreFile = self.call(
            "updateVectorStoreFileAttributes", vector_store_id=vector_store_id, file_id=file_id, attributes=attributes
        )
        return result

    updateVectorStoreFileAttributes = update_vector_store_file_attributes

    def delete_vector_store_file(self, *, vector_store_id: str, file_id: str) -> VectorStoreFileDeleted:
        """Detach a file from a vector store.

        DELETE /vector_stores/{vector_store_id}/files/{file_id}

        Args:
            vector_store_id: The vector store's id.
            file_id: The file's id.
        """
        result: VectorStoreFileDeleted = self.call(
            "deleteVectorStoreFile", vector_store_id=vector_store_id, file_id=file_id
        )
        return result

    deleteVectorStoreFile = delete_vector_store_file

    def retrieve_vector_store_file_content(self, *, vector_store_id: str, file_id: str) -> VectorStoreFileContent:
        """Get the text that was read from a file.

        GET /vector_stores/{vector_store_id}/files/{file_id}/content

        Args:
            vector_store_id: The vector store's id.
            file_id: The file's id.
        """
        result: VectorStoreFileContent = self.call(
            "retrieveVectorStoreFileContent", vector_store_id=vector_store_id, file_id=file_id
        )
        return result

    retrieveVectorStoreFileContent = retrieve_vector_store_file_content

    def create_vector_store_file_batch(
        self,
        *,
        vector_store_id: str,
        file_ids: Sequence[str] | UnsetType = UNSET,
        files: Sequence[CreateVectorStoreFileRequest | Json] | UnsetType = UNSET,
        chunking_strategy: AutoChunkingParam | StaticChunkingParam | Json | UnsetType | None = UNSET,
        attributes: Mapping[str, str | int | float | bool] | UnsetType | None = UNSET,
    ) -> VectorStoreFileBatch:
        """Attach many files to a vector store.

        POST /vector_stores/{vector_store_id}/file_batches

        Args:
            vector_store_id: The vector store's id.
            file_ids: Ids of files. (1 to 2000 items)
            files: (1 to 2000 items)
            chunking_strategy: How files are cut for search.
            attributes: Up to 16 pairs to filter searches by: keys of up to 64 characters, values of up to 512.
        """
        result: VectorStoreFileBatch = self.call(
            "createVectorStoreFileBatch",
            vector_store_id=vector_store_id,
            file_ids=file_ids,
            files=files,
            chunking_strategy=chunking_strategy,
            attributes=attributes,
        )
        return result

    createVectorStoreFileBatch = create_vector_store_file_batch

    def get_vector_store_file_batch(self, *, vector_store_id: str, batch_id: str) -> VectorStoreFileBatch:
        """Get a batch of files.

        GET /vector_stores/{vector_store_id}/file_batches/{batch_id}

        Args:
            vector_store_id: The vector store's id.
            batch_id: The batch's id.
        """
        result: VectorStoreFileBatch = self.call(
            "getVectorStoreFileBatch", vector_store_id=vector_store_id, batch_id=batch_id
        )
        return result

    getVectorStoreFileBatch = get_vector_store_file_batch

    def cancel_vector_store_file_batch(self, *, vector_store_id: str, batch_id: str) -> VectorStoreFileBatch:
        """Cancel what has not begun of a batch of files.

        POST /vector_stores/{vector_store_id}/file_batches/{batch_id}/cancel

        Args:
            vector_store_id: The vector store's id.
            batch_id: The batch's id.
        """
        result: VectorStoreFileBatch = self.call(
            "cancelVectorStoreFileBatch", vector_store_id=vector_store_id, batch_id=batch_id
        )
        return result

    cancelVectorStoreFileBatch = cancel_vector_store_file_batch

    def list_files_in_vector_store_batch(
        self,
        *,
        vector_store_id: str,
        batch_id: str,
        limit: int | UnsetType = UNSET,
        order: Literal["asc", "desc"] | UnsetType = UNSET,
        after: str | UnsetType | None = UNSET,
        before: str | UnsetType | None = UNSET,
        filter: Literal["in_progress", "completed", "failed", "cancelled"] | UnsetType | None = UNSET,
    ) -> VectorStoreFileList:
        """List the files of a batch.

        GET /vector_stores/{vector_store_id}/file_batches/{batch_id}/files

        Args:
            vector_store_id: The vector store's id.
            batch_id: The batch's id.
            limit: How many items a page holds at most. (1 to 100; 20 unless said)
            order: By time of creation: newest first (desc) or oldest first (asc). (desc unless said)
            after: Show what comes after this id in the requested order.
            before: Show the page that ends before this id in the requested order.
            filter: Only files with this status.
        """
        result: VectorStoreFileList = self.call(
            "listFilesInVectorStoreBatch",
            vector_store_id=vector_store_id,
            batch_id=batch_id,
            limit=limit,
            order=order,
            after=after,
            before=before,
            filter=filter,
        )
        return result

    listFilesInVectorStoreBatch = list_files_in_vector_store_batch

    def list_files(
        self,
        *,
        limit: int | UnsetType = UNSET,
        order: Literal["asc", "desc"] | UnsetType = UNSET,
        after: str | UnsetType | None = UNSET,
        purpose: str | UnsetType | None = UNSET,
    ) -> FileList:
        """List files.

        GET /files

        Args:
            limit: How many items a page holds at most. (1 to 10000; 10000 unless said)
            order: By time of creation: newest first (desc) or oldest first (asc). (desc unless said)
            after: Show what comes after this id in the requested order.
            purpose: What the file is for.
        """
        result: FileList = self.call("listFiles", limit=limit, order=order, after=after, purpose=purpose)
        return result

    listFiles = list_files

    def create_file(
        self,
        *,
        file: FileContent,
        purpose: Literal["assistants", "batch", "fine-tune", "vision", "user_data", "evals"],
        expires_after: FileExpiresAfter | Json | UnsetType | None = UNSET,
    ) -> File:
        """Store a file.

        POST /files

        Args:
            purpose: What the file is for.
            expires_after: How long it lives.
        """
        result: File = self.call("createFile", file=file, purpose=purpose, expires_after=expires_after)
        return result

    createFile = create_file

    def retrieve_file(self, *, file_id: str) -> File:
        """Get what is known about a file.

        GET /files/{file_id}

        Args:
            file_id: The file's id.
        """
        result: File = self.call("retrieveFile", file_id=file_id)
        return result

    retrieveFile = retrieve_file

    def delete_file(self, *, file_id: str) -> FileDeleted:
        """Delete a file.

        DELETE /files/{file_id}

        Args:
            file_id: The file's id.
        """
        result: FileDeleted = self.call("deleteFile", file_id=file_id)
        return result

    deleteFile = delete_file

    def download_file(self, *, file_id: str) -> bytes:
        """Get the content of a file.

        GET /files/{file_id}/content

        Args:
            file_id: The file's id.
        """
        result: bytes = self.call("downloadFile", file_id=file_id)
        return result

    downloadFile = download_file

    def create_upload(
        self,
        *,
        filename: str,
        purpose: Literal["assistants", "batch", "fine-tune", "vision"],
        bytes: int,
        mime_type: str,
        expires_after: FileExpiresAfter | Json | UnsetType | None = UNSET,
    ) -> Upload:
        """Begin to upload a large file in parts.

        POST /uploads

        Args:
            purpose: What the file is for.
            bytes: Size in bytes. (1 to 8589934592)
            expires_after: How long it lives.
        """
        result: Upload = self.call(
            "createUpload",
            filename=filename,
            purpose=purpose,
            bytes=bytes,
            mime_type=mime_type,
            expires_after=expires_after,
        )
        return result

    createUpload = create_upload

    def add_upload_part(self, *, upload_id: str, data: FileContent) -> UploadPart:
        """Add a part to an upload.

        POST /uploads/{upload_id}/parts

        Args:
            upload_id: The upload's id.
        """
        result: UploadPart = self.call("addUploadPart", upload_id=upload_id, data=data)
        return result

    addUploadPart = add_upload_part

    def complete_upload(
        self, *, upload_id: str, part_ids: Sequence[str], md5: str | UnsetType | None = UNSET
    ) -> Upload:
        """Make a file of the parts of an upload.

        POST /uploads/{upload_id}/complete

        Args:
            upload_id: The upload's id.
        """
        result: Upload = self.call("completeUpload", upload_id=upload_id, part_ids=part_ids, md5=md5)
        return result

    completeUpload = complete_upload

    def cancel_upload(self, *, upload_id: str) -> Upload:
        """Cancel an upload.

        POST /uploads/{upload_id}/cancel

        Args:
            upload_id: The upload's id.
        """
        result: Upload = self.call("cancelUpload", upload_id=upload_id)
        return result

    cancelUpload = cancel_upload

    def list_models(self) -> ModelList:
        """List the models that requests may name.

        GET /models
        """
        result: ModelList = self.call("listModels")
        return result

    listModels = list_models

    def retrieve_model(self, *, model: str) -> Model:
        """Get a model.

        GET /models/{model}

        Args:
            model: The model's name.
        """
        result: Model = self.call("retrieveModel", model=model)
        return result

    retrieveModel = retrieve_model

    def delete_model(self, *, model: str) -> ModelDeleted:
        """Delete a model, which no caller may do here.

        DELETE /models/{model}

        Args:
            model: The model's name.
        """
        result: ModelDeleted = self.call("deleteModel", model=model)
        return result

    deleteModel = delete_model

    @overload
    def create_chat_completion(
        self,
        *,
        messages: Sequence[
            ChatDeveloperMessage
            | ChatSystemMessage
            | ChatUserMessage
            | ChatAssistantMessage
            | ChatToolMessage
            | ChatFunctionMessage
            | Json
        ],
        model: str,
        metadata: Mapping[str, str] | UnsetType | None = UNSET,
        top_logprobs: int | UnsetType | None = UNSET,
        temperature: float | UnsetType | None = UNSET,
        top_p: float | UnsetType | None = UNSET,
        user: str | UnsetType = UNSET,
        safety_identifier: str | UnsetType | None = UNSET,
        prompt_cache_key: str | UnsetType | None = UNSET,
        prompt_cache_retention: Literal["in_memory", "24h"] | UnsetType | None = UNSET,
        prompt_cache_options: CacheOptions | Json | UnsetType = UNSET,
        service_tier: Literal["auto", "default", "flex", "scale", "priority", "fast"] | UnsetType | None = UNSET,
        modalities: Sequence[Literal["text", "audio"]] | UnsetType | None = UNSET,
        verbosity: Literal["low", "medium", "high"] | UnsetType | None = UNSET,
        reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
        | UnsetType
        | None = UNSET,
        max_completion_tokens: int | UnsetType | None = UNSET,
        frequency_penalty: float | UnsetType | None = UNSET,
        presence_penalty: float | UnsetType | None = UNSET,
        web_search_options: WebSearchOptions | Json | UnsetType = UNSET,
        response_format: ResponseFormatText
        | ResponseFormatJsonSchema
        | ResponseFormatJsonObject
        | Json
        | UnsetType = UNSET,
        audio: ChatAudioOptions | Json | UnsetType | None = UNSET,
        store: bool | UnsetType | None = UNSET,
        moderation: ModerationOptions | Json | UnsetType | None = UNSET,
        stop: str | Sequence[str] | UnsetType | None = UNSET,
        logit_bias: Mapping[str, int] | UnsetType | None = UNSET,
        logprobs: bool | UnsetType | None = UNSET,
        max_tokens: int | UnsetType | None = UNSET,
        n: int | UnsetType | None = UNSET,
        prediction: Prediction | Json | UnsetType | None = UNSET,
        seed: int | UnsetType | None = UNSET,
        stream_options: StreamOptions | Json | UnsetType | None = UNSET,
        tools: Sequence[FunctionTool | ChatCustomTool | Json] | UnsetType = UNSET,
        tool_choice: Literal["none", "auto", "required"]
        | ChatAllowedToolsChoice
        | ChatNamedFunctionChoice
        | ChatNamedCustomChoice
        | Json
        | UnsetType = UNSET,
        parallel_tool_calls: bool | UnsetType = UNSET,
        function_call: Literal["none", "auto"] | ChosenTool | Json | UnsetType = UNSET,
        functions: Sequence[ChatFunction | Json] | UnsetType = UNSET,
        stream: Literal[True],
    ) -> Stream[ChatCompletionChunk]: ...

    @overload
    def create_chat_completion(
        self,
        *,
        messages: Sequence[
            ChatDeveloperMessage
            | ChatSystemMessage
            | ChatUserMessage
            | ChatAssistantMessage
            | ChatToolMessage
            | ChatFunctionMessage
            | Json
        ],
        model: str,
        metadata: Mapping[str, str] | UnsetType | None = UNSET,
        top_logprobs: int | UnsetType | None = UNSET,
        temperature: float | UnsetType | None = UNSET,
        top_p: float | UnsetType | None = UNSET,
        user: str | UnsetType = UNSET,
        safety_identifier: str | UnsetType | None = UNSET,
        prompt_cache_key: str | UnsetType | None = UNSET,
        prompt_cache_retention: Literal["in_memory", "24h"] | UnsetType | None = UNSET,
        prompt_cache_options: CacheOptions | Json | UnsetType = UNSET,
        service_tier: Literal["auto", "default", "flex", "scale", "priority", "fast"] | UnsetType | None = UNSET,
        modalities: Sequence[Literal["text", "audio"]] | UnsetType | None = UNSET,
        verbosity: Literal["low", "medium", "high"] | UnsetType | None = UNSET,
        reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
        | UnsetType
        | None = UNSET,
        max_completion_tokens: int | UnsetType | None = UNSET,
        frequency_penalty: float | UnsetType | None = UNSET,
        presence_penalty: float | UnsetType | None = UNSET,
        web_search_options: WebSearchOptions | Json | UnsetType = UNSET,
        response_format: ResponseFormatText
        | ResponseFormatJsonSchema
        | ResponseFormatJsonObject
        | Json
        | UnsetType = UNSET,
        audio: ChatAudioOptions | Json | UnsetType | None = UNSET,
        store: bool | UnsetType | None = UNSET,
        moderation: ModerationOptions | Json | UnsetType | None = UNSET,
        stop: str | Sequence[str] | UnsetType | None = UNSET,
        logit_bias: Mapping[str, int] | UnsetType | None = UNSET,
        logprobs: bool | UnsetType | None = UNSET,
        max_tokens: int | UnsetType | None = UNSET,
        n: int | UnsetType | None = UNSET,
        prediction: Prediction | Json | UnsetType | None = UNSET,
        seed: int | UnsetType | None = UNSET,
        stream_options: StreamOptions | Json | UnsetType | None = UNSET,
        tools: Sequence[FunctionTool | ChatCustomTool | Json] | UnsetType = UNSET,
        tool_choice: Literal["none", "auto", "required"]
        | ChatAllowedToolsChoice
        | ChatNamedFunctionChoice
        | ChatNamedCustomChoice
        | Json
        | UnsetType = UNSET,
        parallel_tool_calls: bool | UnsetType = UNSET,
        function_call: Literal["none", "auto"] | ChosenTool | Json | UnsetType = UNSET,
        functions: Sequence[ChatFunction | Json] | UnsetType = UNSET,
        stream: Literal[False] | UnsetType | None = UNSET,
    ) -> ChatCompletion: ...

    def create_chat_completion(
        self,
        *,
        messages: Sequence[
            ChatDeveloperMessage
            | ChatSystemMessage
            | ChatUserMessage
            | ChatAssistantMessage
            | ChatToolMessage
            | ChatFunctionMessage
            | Json
        ],
        model: str,
        metadata: Mapping[str, str] | UnsetType | None = UNSET,
        top_logprobs: int | UnsetType | None = UNSET,
        temperature: float | UnsetType | None = UNSET,
        top_p: float | UnsetType | None = UNSET,
        user: str | UnsetType = UNSET,
        safety_identifier: str | UnsetType | None = UNSET,
        prompt_cache_key: str | UnsetType | None = UNSET,
        prompt_cache_retention: Literal["in_memory", "24h"] | UnsetType | None = UNSET,
        prompt_cache_options: CacheOptions | Json | UnsetType = UNSET,
        service_tier: Literal["auto", "default", "flex", "scale", "priority", "fast"] | UnsetType | None = UNSET,
        modalities: Sequence[Literal["text", "audio"]] | UnsetType | None = UNSET,
        verbosity: Literal["low", "medium", "high"] | UnsetType | None = UNSET,
        reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
        | UnsetType
        | None = UNSET,
        max_completion_tokens: int | UnsetType | None = UNSET,
        frequency_penalty: float | UnsetType | None = UNSET,
        presence_penalty: float | UnsetType | None = UNSET,
        web_search_options: WebSearchOptions | Json | UnsetType = UNSET,
        response_format: ResponseFormatText
        | ResponseFormatJsonSchema
        | ResponseFormatJsonObject
        | Json
        | UnsetType = UNSET,
        audio: ChatAudioOptions | Json | UnsetType | None = UNSET,
        store: bool | UnsetType | None = UNSET,
        moderation: ModerationOptions | Json | UnsetType | None = UNSET,
        stream: bool | UnsetType | None = UNSET,
        stop: str | Sequence[str] | UnsetType | None = UNSET,
        logit_bias: Mapping[str, int] | UnsetType | None = UNSET,
        logprobs: bool | UnsetType | None = UNSET,
        max_tokens: int | UnsetType | None = UNSET,
        n: int | UnsetType | None = UNSET,
        prediction: Prediction | Json | UnsetType | None = UNSET,
        seed: int | UnsetType | None = UNSET,
        stream_options: StreamOptions | Json | UnsetType | None = UNSET,
        tools: Sequence[FunctionTool | ChatCustomTool | Json] | UnsetType = UNSET,
        tool_choice: Literal["none", "auto", "required"]
        | ChatAllowedToolsChoice
        | ChatNamedFunctionChoice
        | ChatNamedCustomChoice
        | Json
        | UnsetType = UNSET,
        parallel_tool_calls: bool | UnsetType = UNSET,
        function_call: Literal["none", "auto"] | ChosenTool | Json | UnsetType = UNSET,
        functions: Sequence[ChatFunction | Json] | UnsetType = UNSET,
    ) -> ChatCompletion | Stream[ChatCompletionChunk]:
        """Let a model continue a conversation.

        POST /chat/completions

        Args:
            messages: (at least 1 items)
            model: The model's name.
            metadata: Up to 16 pairs of your own: keys of up to 64 characters, values of up to 512.
            top_logprobs: (0 to 20)
            temperature: How freely the model picks its words, from 0 to 2. (0 to 2)
            top_p: The share of probability that the model picks its words from. (0 to 1)
            safety_identifier: (at most 64 characters)
            reasoning_effort: How much the model is to think, if it is one that does.
            max_completion_tokens: Budget of completion tokens over all turns of the run.
            frequency_penalty: (-2 to 2)
            presence_penalty: (-2 to 2)
            response_format: The form of the model's answers.
            stream: Whether to answer with a stream of events.
            stop: (1 to 4 items)
            n: (1 to 128)
            tools: The tools that may be called.
            tool_choice: Which tool the first turn has to call, if any.
            parallel_tool_calls: Whether one turn may call several tools.
            functions: (1 to 128 items)
        """
        result: ChatCompletion | Stream[ChatCompletionChunk] = self.call(
            "createChatCompletion",
            messages=messages,
            model=model,
            metadata=metadata,
            top_logprobs=top_logprobs,
            temperature=temperature,
            top_p=top_p,
            user=user,
            safety_identifier=safety_identifier,
            prompt_cache_key=prompt_cache_key,
            prompt_cache_retention=prompt_cache_retention,
            prompt_cache_options=prompt_cache_options,
            service_tier=service_tier,
            modalities=modalities,
            verbosity=verbosity,
            reasoning_effort=reasoning_effort,
            max_completion_tokens=max_completion_tokens,
            frequency_penalty=frequency_penalty,
            presence_penalty=presence_penalty,
            web_search_options=web_search_options,
            response_format=response_format,
            audio=audio,
            store=store,
            moderation=moderation,
            stream=stream,
            stop=stop,
            logit_bias=logit_bias,
            logprobs=logprobs,
            max_tokens=max_tokens,
            n=n,
            prediction=prediction,
            seed=seed,
            stream_options=stream_options,
            tools=tools,
            tool_choice=tool_choice,
            parallel_tool_calls=parallel_tool_calls,
            function_call=function_call,
            functions=functions,
        )
        return result

    createChatCompletion = create_chat_completion

    def create_embedding(
        self,
        *,
        input: str | Sequence[str | int | Sequence[int]],
        model: str,
        encoding_format: Literal["float", "base64"] | UnsetType = UNSET,
        dimensions: int | UnsetType = UNSET,
        user: str | UnsetType = UNSET,
    ) -> EmbeddingList:
        """Let a model turn text into vectors.

        POST /embeddings

        Args:
            input: (1 to 2048 items)
            model: The model's name.
            dimensions: (at least 1)
        """
        result: EmbeddingList = self.call(
            "createEmbedding",
            input=input,
            model=model,
            encoding_format=encoding_format,
            dimensions=dimensions,
            user=user,
        )
        return result

    createEmbedding = create_embedding

    def stream_run(
        self, *, thread_id: str, run_id: str, last_event_id: str | UnsetType | None = UNSET
    ) -> Stream[Event]:
        """Attach to the events of a run; Last-Event-ID goes on where a reader left off.

        GET /threads/{thread_id}/runs/{run_id}/stream

        Args:
            thread_id: The thread's id.
            run_id: The run's id.
            last_event_id: Go on after the event with this id, instead of a snapshot.
        """
        result: Stream[Event] = self.call("streamRun", thread_id=thread_id, run_id=run_id, last_event_id=last_event_id)
        return result

    streamRun = stream_run
