"""What a turn is writing: the text of its message and its tool calls, as they grow, with the deltas that show it.

Contract: docs/behaviour.md, section 7.2. Fragments only, and nothing twice (D-5, D-8).
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec import UNSET
from msgspec.structs import replace

from treadle.contract.events import (
    MESSAGE_EVENTS,
    STEP_EVENTS,
    EventName,
    FunctionCallDelta,
    FunctionToolCallDelta,
    MessageDelta,
    MessageDeltaBody,
    RefusalContentDelta,
    RunStepDelta,
    RunStepDeltaBody,
    TextContentDelta,
    TextDelta,
    ToolCallsDetailsDelta,
)
from treadle.contract.messages import (
    AnnotatedText,
    Message,
    MessageContent,
    MessageStatus,
    RefusalContent,
    TextContent,
)
from treadle.contract.run_steps import FunctionCall, FunctionToolCall, RunStep, StepStatus, ToolCall, ToolCallsDetails
from treadle.engine.feed import event


class Fragment(Protocol):
    """A piece of a tool call, as an upstream chunk has it."""

    index: int
    name: str | None
    arguments: str


class MessageText:
    """The content of one assistant message: a text block, and a refusal block behind it when the model declines.

    White space at the start is held back until something else follows: many models put a line break before their tool
    calls, and that is no message (S-4).
    """

    def __init__(self) -> None:
        self._text: list[str] = []
        self._refusal: list[str] = []
        self._shown_text = 0
        self._shown_refusal = 0
        self._has_begun = False

    @property
    def has_begun(self) -> bool:
        """There is something to show: the message step may be opened (S-3)."""
        return self._has_begun

    def add(self, text: str, refusal: str) -> None:
        if text:
            self._text.append(text)
            self._has_begun = self._has_begun or not text.isspace()
        if refusal:
            self._refusal.append(refusal)
            self._has_begun = True

    def content(self) -> list[MessageContent]:
        """The content so far."""
        blocks: list[MessageContent] = []
        if self._text or not self._refusal:
            blocks.append(TextContent(text=AnnotatedText(value="".join(self._text), annotations=[])))
        if self._refusal:
            blocks.append(RefusalContent(refusal="".join(self._refusal)))
        return blocks

    def delta(self, message_id: str) -> MessageDelta | None:
        """What was added since the last call; None when nothing was."""
        blocks: list[TextContentDelta | RefusalContentDelta] = []
        if self._shown_text < len(self._text):
            text = TextDelta(
                value="".join(self._text[self._shown_text :]), annotations=UNSET if self._shown_text else []
            )
            self._shown_text = len(self._text)
            blocks.append(TextContentDelta(index=0, text=text))
        if self._shown_refusal < len(self._refusal):
            refusal = "".join(self._refusal[self._shown_refusal :])
            self._shown_refusal = len(self._refusal)
            blocks.append(RefusalContentDelta(index=1 if self._text else 0, refusal=refusal))
        return MessageDelta(id=message_id, delta=MessageDeltaBody(content=list(blocks))) if blocks else None

    def shown(self) -> list[MessageContent]:
        """The content as far as it is in deltas."""
        blocks: list[MessageContent] = []
        if self._shown_text:
            blocks.append(TextContent(text=AnnotatedText(value="".join(self._text[: self._shown_text]))))
        if self._shown_refusal:
            blocks.append(RefusalContent(refusal="".join(self._refusal[: self._shown_refusal])))
        return blocks


class FunctionCalls:
    """The function calls of one model turn, in index order. Their ids are ours, whatever the upstream called them."""

    def __init__(self, new_call_id: Callable[[], str]) -> None:
        self._new_call_id = new_call_id
        self._ids: list[str] = []
        self._names: list[str] = []
        self._arguments: list[list[str]] = []
        self._shown: list[int] = []  # per call: fragments already in a delta; -1 before its head

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, fragment: Fragment) -> None:
        """Take the next fragment; fragments of an index that was never begun are dropped with their call."""
        if fragment.index == len(self._ids) and fragment.name is not None:
            self._ids.append(self._new_call_id())
            self._names.append(fragment.name)
            self._arguments.append([])
            self._shown.append(-1)
        if fragment.arguments and fragment.index < len(self._ids):
            self._arguments[fragment.index].append(fragment.arguments)

    def calls(self) -> list[ToolCall]:
        """The calls so far, as the step shows them while it waits (S-5)."""
        return [
            FunctionToolCall(id=id, function=FunctionCall(name=name, arguments="".join(pieces)))
            for id, name, pieces in zip(self._ids, self._names, self._arguments, strict=True)
        ]

    def deltas(self, step_id: str) -> list[RunStepDelta]:
        """What was added since the last call: per call one head, then argument fragments (D-5)."""
        deltas = []
        for index, pieces in enumerate(self._arguments):
            if self._shown[index] < 0:
                deltas.append(_step_delta(step_id, _head(index, self._ids[index], self._names[index])))
                self._shown[index] = 0
            if self._shown[index] < len(pieces):
                arguments = "".join(pieces[self._shown[index] :])
                self._shown[index] = len(pieces)
                function = FunctionCallDelta(arguments=arguments)
                deltas.append(_step_delta(step_id, FunctionToolCallDelta(index=index, function=function)))
        return deltas

    def shown(self) -> list[ToolCall]:
        """The calls as far as they are in deltas."""
        return [
            FunctionToolCall(id=id, function=FunctionCall(name=name, arguments="".join(pieces[:count])))
            for id, name, pieces, count in zip(self._ids, self._names, self._arguments, self._shown, strict=True)
            if count >= 0
        ]


def whole_message(message_id: str, content: Sequence[MessageContent]) -> MessageDelta:
    """One delta that holds all of a message's content so far."""
    blocks: list[TextContentDelta | RefusalContentDelta] = []
    for index, block in enumerate(content):
        if isinstance(block, TextContent):
            blocks.append(TextContentDelta(index=index, text=TextDelta(value=block.text.value, annotations=[])))
        elif isinstance(block, RefusalContent):
            blocks.append(RefusalContentDelta(index=index, refusal=block.refusal))
    return MessageDelta(id=message_id, delta=MessageDeltaBody(content=list(blocks)))


def whole_calls(step_id: str, calls: Sequence[ToolCall]) -> RunStepDelta | None:
    """One delta that holds all calls of a step so far; None when there are none."""
    heads = [
        FunctionToolCallDelta(
            index=index,
            id=call.id,
            function=FunctionCallDelta(name=call.function.name, arguments=call.function.arguments, output=None),
        )
        for index, call in enumerate(calls)
        if isinstance(call, FunctionToolCall)
    ]
    return _step_delta(step_id, *heads) if heads else None


def message_so_far(message: Message) -> list[bytes]:
    """The events that show an unfinished message from nothing (W-9): created empty (C-2), then all its content."""
    empty = replace(message, content=[])
    events = [event(EventName.MESSAGE_CREATED, empty), event(EventName.MESSAGE_IN_PROGRESS, empty)]
    if message.content:
        events.append(event(EventName.MESSAGE_DELTA, whole_message(message.id, message.content)))
    return events


def step_so_far(step: RunStep) -> list[bytes]:
    """The events that show an unfinished step from nothing (W-9): created without calls (C-4), then all its calls."""
    empty, calls = step, None
    if isinstance(step.step_details, ToolCallsDetails):
        empty = replace(step, step_details=ToolCallsDetails(tool_calls=[]))
        calls = whole_calls(step.id, step.step_details.tool_calls)
    events = [event(EventName.STEP_CREATED, empty), event(EventName.STEP_IN_PROGRESS, empty)]
    return events if calls is None else [*events, event(EventName.STEP_DELTA, calls)]


def closed_message(message: Message) -> list[bytes]:
    """All the events of a message that is over, for whoever saw none of them."""
    begun = replace(
        message, status=MessageStatus.IN_PROGRESS, completed_at=None, incomplete_at=None, incomplete_details=None
    )
    return [*message_so_far(begun), event(MESSAGE_EVENTS[message.status], message)]


def closed_step(step: RunStep, between: Sequence[bytes] = ()) -> list[bytes]:
    """All the events of a step that is over, with those of its message `between`."""
    begun = replace(
        step,
        status=StepStatus.IN_PROGRESS,
        completed_at=None,
        failed_at=None,
        cancelled_at=None,
        expired_at=None,
        last_error=None,
        usage=None,
    )
    return [*step_so_far(begun), *between, event(STEP_EVENTS[step.status], step)]


def _head(index: int, id: str, name: str) -> FunctionToolCallDelta:
    return FunctionToolCallDelta(index=index, id=id, function=FunctionCallDelta(name=name, arguments="", output=None))


def _step_delta(step_id: str, *calls: FunctionToolCallDelta) -> RunStepDelta:
    details = ToolCallsDetailsDelta(tool_calls=list(calls))
    return RunStepDelta(id=step_id, delta=RunStepDeltaBody(step_details=details))
