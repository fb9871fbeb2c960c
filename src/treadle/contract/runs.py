"""Runs. Contract: docs/behaviour.md, section 5."""

from enum import StrEnum
from typing import Annotated, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from treadle.contract.errors import InvalidRequest
from treadle.contract.fields import (
    AssistantId,
    Body,
    Metadata,
    ReasoningEffort,
    Temperature,
    TokenBudget,
    TopP,
    UnixSeconds,
)
from treadle.contract.formats import ResponseFormat
from treadle.contract.messages import CreateMessageRequest
from treadle.contract.pages import Page
from treadle.contract.threads import MAX_MESSAGES, CreateThreadRequest
from treadle.contract.tools import (
    Tool,
    ToolChoice,
    ToolResources,
    ToolResourcesParam,
    Tools,
    check_tool_choice,
    check_tools,
)

MAX_TOOL_OUTPUT: Final = 512 * 1024  # code points


class RunStatus(StrEnum):
    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    REQUIRES_ACTION = "requires_action"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    FAILED = "failed"
    COMPLETED = "completed"
    INCOMPLETE = "incomplete"
    EXPIRED = "expired"


# A run in one of these locks its thread.
ACTIVE: Final = frozenset({RunStatus.QUEUED, RunStatus.IN_PROGRESS, RunStatus.REQUIRES_ACTION, RunStatus.CANCELLING})


class RunToolCallFunction(Struct, kw_only=True):
    """`arguments` is the model's own string, perhaps not even JSON (R-40)."""

    name: str
    arguments: str


class RunToolCall(Struct, kw_only=True):
    """A function call that waits for the client."""

    id: str
    type: Literal["function"] = "function"
    function: RunToolCallFunction


class RequiredToolOutputs(Struct, kw_only=True):
    """The calls of this round; all are answered in one request (R-41)."""

    tool_calls: list[RunToolCall]


class RequiredAction(Struct, kw_only=True):
    """What a run in requires_action waits for."""

    type: Literal["submit_tool_outputs"] = "submit_tool_outputs"
    submit_tool_outputs: RequiredToolOutputs


class LastError(Struct, kw_only=True):
    """Why the run failed (R-60)."""

    code: Literal["server_error", "rate_limit_exceeded", "invalid_prompt"]
    message: str


class IncompleteDetails(Struct, kw_only=True):
    """The token budget that ran out (R-30)."""

    reason: Literal["max_completion_tokens", "max_prompt_tokens"] | UnsetType = UNSET


class PromptTokenDetails(Struct, kw_only=True):
    """The share of the prompt that the model server had cached."""

    cached_tokens: int = 0


class CompletionTokensDetails(Struct, kw_only=True):
    """The share of the completion that was reasoning."""

    reasoning_tokens: int = 0


class RunUsage(Struct, kw_only=True):
    """Tokens over all turns of the run; the details go beyond the published schema (R-35)."""

    completion_tokens: int
    prompt_tokens: int
    total_tokens: int
    prompt_token_details: PromptTokenDetails = field(default_factory=PromptTokenDetails)
    completion_tokens_details: CompletionTokensDetails = field(default_factory=CompletionTokensDetails)


class TruncationStrategy(Struct, kw_only=True):
    """Which messages the model is shown; `last_messages` counts them with that type (R-29)."""

    type: Literal["auto", "last_messages"]
    last_messages: Annotated[int, Meta(ge=1)] | None = None

    def check(self, at: str) -> None:
        if self.type == "last_messages" and self.last_messages is None:
            raise InvalidRequest.missing_parameter(f"{at}.last_messages")


class Run(Struct, kw_only=True):
    """One execution of an assistant on a thread, with the effective values it was created with (R-22)."""

    id: str
    object: Literal["thread.run"] = "thread.run"
    created_at: UnixSeconds
    thread_id: str
    assistant_id: str
    status: RunStatus
    required_action: RequiredAction | None = None
    last_error: LastError | None = None
    expires_at: UnixSeconds | None = None
    started_at: UnixSeconds | None = None
    cancelled_at: UnixSeconds | None = None
    failed_at: UnixSeconds | None = None
    completed_at: UnixSeconds | None = None
    incomplete_details: IncompleteDetails | None = None
    model: str
    instructions: str
    tools: list[Tool] = []
    tool_resources: ToolResources = field(default_factory=ToolResources)
    metadata: dict[str, str] = {}
    usage: RunUsage | None = None
    temperature: float | None = 1.0
    top_p: float | None = 1.0
    max_prompt_tokens: int | None = None
    max_completion_tokens: int | None = None
    truncation_strategy: TruncationStrategy | None = field(default_factory=lambda: TruncationStrategy(type="auto"))
    tool_choice: ToolChoice | None = "auto"
    parallel_tool_calls: bool = True
    response_format: ResponseFormat | None = "auto"
    reasoning_effort: ReasoningEffort | None = None


class RunList(Page[Run], kw_only=True):
    """A page of runs."""


class RunOverrides(Body, kw_only=True):
    """What createRun and createThreadAndRun share. A key that is present and not null overrides (R-20, R-21)."""

    assistant_id: AssistantId
    model: str | None = None
    reasoning_effort: ReasoningEffort | None = None
    instructions: str | None = None
    tools: Tools | None = None
    metadata: Metadata | None = None
    temperature: Temperature | None = None
    top_p: TopP | None = None
    stream: bool | None = None
    max_prompt_tokens: TokenBudget | None = None
    max_completion_tokens: TokenBudget | None = None
    truncation_strategy: TruncationStrategy | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None

    def check(self, at: str = "") -> None:
        if self.tools:
            check_tools(self.tools, "tools")
        if self.truncation_strategy is not None:
            self.truncation_strategy.check("truncation_strategy")
        check_tool_choice(self.tool_choice, "tool_choice")


class CreateRunRequest(RunOverrides, kw_only=True):
    """A run on an existing thread."""

    additional_instructions: str | None = None
    additional_messages: Annotated[list[CreateMessageRequest], Meta(max_length=MAX_MESSAGES)] | None = None

    def check(self, at: str = "") -> None:
        super().check(at)
        for index, message in enumerate(self.additional_messages or ()):
            message.check(f"additional_messages[{index}].")


class CreateThreadAndRunRequest(RunOverrides, kw_only=True):
    """A thread and a run on it, both or neither (R-32). `tool_resources` are the thread's."""

    thread: CreateThreadRequest | UnsetType = UNSET
    tool_resources: ToolResourcesParam | None = None

    def check(self, at: str = "") -> None:
        super().check(at)
        if self.thread is not UNSET:
            self.thread.check("thread.")


class ModifyRunRequest(Body, kw_only=True):
    """Omitted (UNSET) metadata stay as they are, null clears them."""

    metadata: Metadata | UnsetType | None = UNSET


class ToolOutput(Struct, kw_only=True):
    """The result of one call; null and omitted count as "" (R-41). The engine compares the ids (E-74)."""

    tool_call_id: str | UnsetType = UNSET
    output: Annotated[str, Meta(max_length=MAX_TOOL_OUTPUT)] | None = None


class SubmitToolOutputsRequest(Body, kw_only=True):
    """The results of all calls of the round."""

    tool_outputs: list[ToolOutput]
    stream: bool | None = None
