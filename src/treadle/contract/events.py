"""Stream events: their names and the delta objects. Contract: docs/behaviour.md, section 7.

Deltas hold fragments only, and a field is sent twice only when it is a fragment: clients append (D-8, C-9). Hence so
many UNSET defaults. They are built for every token, so they are kept out of the garbage collector's sight; none can
take part in a cycle.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Final, Literal, Self, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType

from treadle.contract.errors import ApiError, ErrorDetail
from treadle.contract.messages import ImageDetail, Message, MessageStatus, Role
from treadle.contract.run_steps import RunStep, StepStatus
from treadle.contract.runs import Run, RunStatus
from treadle.contract.threads import Thread


class EventName(StrEnum):
    THREAD_CREATED = "thread.created"
    RUN_CREATED = "thread.run.created"
    RUN_QUEUED = "thread.run.queued"
    RUN_IN_PROGRESS = "thread.run.in_progress"
    RUN_REQUIRES_ACTION = "thread.run.requires_action"
    RUN_COMPLETED = "thread.run.completed"
    RUN_INCOMPLETE = "thread.run.incomplete"
    RUN_FAILED = "thread.run.failed"
    RUN_CANCELLING = "thread.run.cancelling"
    RUN_CANCELLED = "thread.run.cancelled"
    RUN_EXPIRED = "thread.run.expired"
    STEP_CREATED = "thread.run.step.created"
    STEP_IN_PROGRESS = "thread.run.step.in_progress"
    STEP_DELTA = "thread.run.step.delta"
    STEP_COMPLETED = "thread.run.step.completed"
    STEP_FAILED = "thread.run.step.failed"
    STEP_CANCELLED = "thread.run.step.cancelled"
    STEP_EXPIRED = "thread.run.step.expired"
    MESSAGE_CREATED = "thread.message.created"
    MESSAGE_IN_PROGRESS = "thread.message.in_progress"
    MESSAGE_DELTA = "thread.message.delta"
    MESSAGE_COMPLETED = "thread.message.completed"
    MESSAGE_INCOMPLETE = "thread.message.incomplete"
    ERROR = "error"
    DONE = "done"


DONE_DATA: Final = "[DONE]"  # literal, not JSON (W-3)

RUN_EVENTS: Final = {status: EventName(f"thread.run.{status}") for status in RunStatus}
STEP_EVENTS: Final = {status: EventName(f"thread.run.step.{status}") for status in StepStatus}
MESSAGE_EVENTS: Final = {status: EventName(f"thread.message.{status}") for status in MessageStatus}


class FileCitationDelta(Struct, kw_only=True, gc=False):
    """The cited file."""

    file_id: str | UnsetType = UNSET
    quote: str | UnsetType = UNSET


class FilePathDelta(Struct, kw_only=True, gc=False):
    """The file behind a path."""

    file_id: str | UnsetType = UNSET


class FileCitationAnnotationDelta(Struct, kw_only=True, gc=False, tag_field="type", tag="file_citation"):
    """`index` counts the annotations of the text block (D-2)."""

    index: int
    text: str | UnsetType = UNSET
    file_citation: FileCitationDelta | UnsetType = UNSET
    start_index: Annotated[int, Meta(ge=0)] | UnsetType = UNSET
    end_index: Annotated[int, Meta(ge=0)] | UnsetType = UNSET


class FilePathAnnotationDelta(Struct, kw_only=True, gc=False, tag_field="type", tag="file_path"):
    """`index` counts the annotations of the text block (D-2)."""

    index: int
    text: str | UnsetType = UNSET
    file_path: FilePathDelta | UnsetType = UNSET
    start_index: Annotated[int, Meta(ge=0)] | UnsetType = UNSET
    end_index: Annotated[int, Meta(ge=0)] | UnsetType = UNSET


AnnotationDelta: TypeAlias = FileCitationAnnotationDelta | FilePathAnnotationDelta


class TextDelta(Struct, kw_only=True, gc=False):
    """`annotations` is [] in the first delta of a block and left out in the later ones (D-1)."""

    value: str | UnsetType = UNSET
    annotations: list[AnnotationDelta] | UnsetType = UNSET


class TextContentDelta(Struct, kw_only=True, gc=False, tag_field="type", tag="text"):
    """`index` is the position in the message's content."""

    index: int
    text: TextDelta | UnsetType = UNSET


class RefusalContentDelta(Struct, kw_only=True, gc=False, tag_field="type", tag="refusal"):
    """A fragment of a refusal."""

    index: int
    refusal: str | UnsetType = UNSET


class ImageFileDelta(Struct, kw_only=True, gc=False):
    """A whole image, sent once (D-3)."""

    file_id: str | UnsetType = UNSET
    detail: ImageDetail | UnsetType = UNSET


class ImageFileContentDelta(Struct, kw_only=True, gc=False, tag_field="type", tag="image_file"):
    """An image that the code interpreter made."""

    index: int
    image_file: ImageFileDelta | UnsetType = UNSET


class ImageUrlDelta(Struct, kw_only=True, gc=False):
    """An image elsewhere."""

    url: Annotated[str, Meta(extra_json_schema={"format": "uri"})] | UnsetType = UNSET
    detail: ImageDetail | UnsetType = UNSET


class ImageUrlContentDelta(Struct, kw_only=True, gc=False, tag_field="type", tag="image_url"):
    """An image elsewhere as a block of content."""

    index: int
    image_url: ImageUrlDelta | UnsetType = UNSET


ContentDelta: TypeAlias = ImageFileContentDelta | TextContentDelta | RefusalContentDelta | ImageUrlContentDelta


class MessageDeltaBody(Struct, kw_only=True, gc=False):
    """What the message gains; `role` is normally absent (D-1)."""

    role: Role | UnsetType = UNSET
    content: list[ContentDelta] | UnsetType = UNSET


class MessageDelta(Struct, kw_only=True, gc=False):
    """Data of thread.message.delta; `id` is the message's."""

    id: str
    object: Literal["thread.message.delta"] = "thread.message.delta"
    delta: MessageDeltaBody


class FunctionCallDelta(Struct, kw_only=True, gc=False):
    """The head of a call has name, `arguments` "" and `output` null; later fragments have `arguments` only (D-5)."""

    name: str | UnsetType = UNSET
    arguments: str | UnsetType = UNSET
    output: str | UnsetType | None = UNSET


class FunctionToolCallDelta(Struct, kw_only=True, gc=False, tag_field="type", tag="function"):
    """`id` in the head only (D-5)."""

    index: int
    id: str | UnsetType = UNSET
    function: FunctionCallDelta | UnsetType = UNSET


class CodeInterpreterLogsDelta(Struct, kw_only=True, gc=False, tag_field="type", tag="logs"):
    """`index` is the position among the outputs of the call (D-6)."""

    index: int
    logs: str | UnsetType = UNSET


class CodeInterpreterImageFileDelta(Struct, kw_only=True, gc=False):
    """The file that holds the picture."""

    file_id: str | UnsetType = UNSET


class CodeInterpreterImageDelta(Struct, kw_only=True, gc=False, tag_field="type", tag="image"):
    """`index` is the position among the outputs of the call (D-6)."""

    index: int
    image: CodeInterpreterImageFileDelta | UnsetType = UNSET


CodeInterpreterOutputDelta: TypeAlias = CodeInterpreterLogsDelta | CodeInterpreterImageDelta


class CodeInterpreterCallDelta(Struct, kw_only=True, gc=False):
    """The head has `input` "" and `outputs` []; then come fragments of input, then outputs (D-6)."""

    input: str | UnsetType = UNSET
    outputs: list[CodeInterpreterOutputDelta] | UnsetType = UNSET


class CodeInterpreterToolCallDelta(Struct, kw_only=True, gc=False, tag_field="type", tag="code_interpreter"):
    """`id` in the head only (D-6)."""

    index: int
    id: str | UnsetType = UNSET
    code_interpreter: CodeInterpreterCallDelta | UnsetType = UNSET


class FileSearchCallDelta(Struct, kw_only=True, gc=False):
    """Always empty: results come with the completed step (D-7)."""


class FileSearchToolCallDelta(Struct, kw_only=True, gc=False, tag_field="type", tag="file_search"):
    """Sent once (D-7)."""

    index: int
    id: str | UnsetType = UNSET
    file_search: FileSearchCallDelta


ToolCallDelta: TypeAlias = CodeInterpreterToolCallDelta | FileSearchToolCallDelta | FunctionToolCallDelta


class MessageCreationDelta(Struct, kw_only=True, gc=False):
    """The message that the step writes."""

    message_id: str | UnsetType = UNSET


class MessageCreationDetailsDelta(Struct, kw_only=True, gc=False, tag_field="type", tag="message_creation"):
    """Part of the published schema; Treadle sends none, a step of this type has nothing that grows."""

    message_creation: MessageCreationDelta | UnsetType = UNSET


class ToolCallsDetailsDelta(Struct, kw_only=True, gc=False, tag_field="type", tag="tool_calls"):
    """Fragments of calls, each with its index (C-5)."""

    tool_calls: list[ToolCallDelta] | UnsetType = UNSET


class RunStepDeltaBody(Struct, kw_only=True, gc=False):
    """What the step gains."""

    step_details: MessageCreationDetailsDelta | ToolCallsDetailsDelta | UnsetType = UNSET


class RunStepDelta(Struct, kw_only=True, gc=False):
    """Data of thread.run.step.delta; `id` is the step's."""

    id: str
    object: Literal["thread.run.step.delta"] = "thread.run.step.delta"
    delta: RunStepDeltaBody


class ErrorEvent(ErrorDetail, kw_only=True):
    """Data of the error event: the bare error and the envelope in one, for clients look for either (W-8)."""

    error: ErrorDetail

    @classmethod
    def of(cls, fault: ApiError) -> Self:
        detail = ErrorDetail(message=fault.message, type=fault.type, param=fault.param, code=fault.code)
        return cls(error=detail, message=fault.message, type=fault.type, param=fault.param, code=fault.code)


# The type of each event's data; that of `done` is DONE_DATA.
DATA: Final[Mapping[EventName, type[Struct]]] = {
    EventName.THREAD_CREATED: Thread,
    EventName.RUN_CREATED: Run,
    **dict.fromkeys(RUN_EVENTS.values(), Run),
    EventName.STEP_CREATED: RunStep,
    **dict.fromkeys(STEP_EVENTS.values(), RunStep),
    EventName.STEP_DELTA: RunStepDelta,
    EventName.MESSAGE_CREATED: Message,
    **dict.fromkeys(MESSAGE_EVENTS.values(), Message),
    EventName.MESSAGE_DELTA: MessageDelta,
    EventName.ERROR: ErrorEvent,
}
