"""Run steps: the record of what a run did. Contract: docs/behaviour.md, section 6."""

from enum import StrEnum
from typing import Annotated, Literal, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType

from treadle.contract.fields import UnixSeconds
from treadle.contract.pages import Page
from treadle.contract.tools import Ranker

StepType: TypeAlias = Literal["message_creation", "tool_calls"]


class StepStatus(StrEnum):
    IN_PROGRESS = "in_progress"
    CANCELLED = "cancelled"
    FAILED = "failed"
    COMPLETED = "completed"
    EXPIRED = "expired"


class MessageCreation(Struct, kw_only=True):
    """The message that the step wrote."""

    message_id: str


class MessageCreationDetails(Struct, kw_only=True, tag_field="type", tag="message_creation"):
    """The step wrote a message (S-3)."""

    message_creation: MessageCreation


class FunctionCall(Struct, kw_only=True):
    """`output` is null until the client has submitted it (S-5)."""

    name: str
    arguments: str
    output: str | None = None


class FunctionToolCall(Struct, kw_only=True, tag_field="type", tag="function"):
    """A function that the client carries out."""

    id: str
    function: FunctionCall


class CodeInterpreterLogs(Struct, kw_only=True, tag_field="type", tag="logs"):
    """What the code printed, and its last value (CI-3)."""

    logs: str


class CodeInterpreterImageFile(Struct, kw_only=True):
    """The file that holds the picture."""

    file_id: str


class CodeInterpreterImage(Struct, kw_only=True, tag_field="type", tag="image"):
    """A picture that the code drew (CI-4)."""

    image: CodeInterpreterImageFile


CodeInterpreterOutput: TypeAlias = CodeInterpreterLogs | CodeInterpreterImage


class CodeInterpreterCall(Struct, kw_only=True):
    """`outputs` is empty while the code runs (S-6)."""

    input: str
    outputs: list[CodeInterpreterOutput] = []


class CodeInterpreterToolCall(Struct, kw_only=True, tag_field="type", tag="code_interpreter"):
    """Code that was run in the sandbox."""

    id: str
    code_interpreter: CodeInterpreterCall


class FileSearchRanking(Struct, kw_only=True):
    """How the results were ranked and cut."""

    ranker: Ranker
    score_threshold: Annotated[float, Meta(ge=0, le=1)]


class FileSearchResultContent(Struct, kw_only=True):
    """A passage that was found."""

    type: Literal["text"] = "text"
    text: str | UnsetType = UNSET


class FileSearchResult(Struct, kw_only=True):
    """`content` is there only when the request includes it (S-7)."""

    file_id: str
    file_name: str
    score: Annotated[float, Meta(ge=0, le=1)]
    content: list[FileSearchResultContent] | UnsetType = UNSET


class FileSearchCall(Struct, kw_only=True):
    """`{}` until the search is done (S-7)."""

    ranking_options: FileSearchRanking | UnsetType = UNSET
    results: list[FileSearchResult] | UnsetType = UNSET


class FileSearchToolCall(Struct, kw_only=True, tag_field="type", tag="file_search"):
    """A search in the vector stores of the assistant and the thread."""

    id: str
    file_search: FileSearchCall


ToolCall: TypeAlias = CodeInterpreterToolCall | FileSearchToolCall | FunctionToolCall


class ToolCallsDetails(Struct, kw_only=True, tag_field="type", tag="tool_calls"):
    """All calls of one model turn, in index order (S-4)."""

    tool_calls: list[ToolCall]


StepDetails: TypeAlias = MessageCreationDetails | ToolCallsDetails


class StepError(Struct, kw_only=True):
    """Why the step failed (S-10)."""

    code: Literal["server_error", "rate_limit_exceeded"]
    message: str


class StepUsage(Struct, kw_only=True):
    """Tokens of the model call behind the step; zeros when another step of the turn carries them (S-9)."""

    completion_tokens: int
    prompt_tokens: int
    total_tokens: int


class RunStep(Struct, kw_only=True):
    """One thing a run did: a message it wrote, or the tool calls of one model turn."""

    id: str
    object: Literal["thread.run.step"] = "thread.run.step"
    created_at: UnixSeconds
    assistant_id: str
    thread_id: str
    run_id: str
    type: StepType
    status: StepStatus
    step_details: StepDetails
    last_error: StepError | None = None
    expires_at: UnixSeconds | None = None
    expired_at: UnixSeconds | None = None
    cancelled_at: UnixSeconds | None = None
    failed_at: UnixSeconds | None = None
    completed_at: UnixSeconds | None = None
    metadata: dict[str, str] = {}
    usage: StepUsage | None = None


class RunStepList(Page[RunStep], kw_only=True):
    """A page of run steps."""
