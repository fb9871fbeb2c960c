"""A turn: one model call and its consequences. Rows first, then events. Contract: docs/behaviour.md, 6 and 7.3.

A turn that is taken again after its worker was lost starts from its beginning; what the first attempt left unfinished
is replaced by the first commit of the redo (R-9).
"""

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import aclosing, suppress
from typing import Any, Final, Literal

import structlog
from msgspec import UNSET, convert
from msgspec.structs import replace

from treadle import store
from treadle.contract.errors import ApiError
from treadle.contract.events import MESSAGE_EVENTS, STEP_EVENTS, EventName
from treadle.contract.messages import Message, MessageIncompleteDetails, MessageStatus
from treadle.contract.run_steps import (
    FunctionToolCall,
    MessageCreation,
    MessageCreationDetails,
    RunStep,
    StepStatus,
    StepUsage,
    ToolCall,
    ToolCallsDetails,
)
from treadle.contract.runs import (
    IncompleteDetails,
    LastError,
    RequiredAction,
    RequiredToolOutputs,
    RunToolCall,
    RunToolCallFunction,
)
from treadle.contract.runs import RunStatus as S
from treadle.engine import lifecycle, prompt, tools, usage
from treadle.engine.deltas import FunctionCalls, MessageText, message_so_far, step_so_far
from treadle.engine.endings import ContentMoved
from treadle.engine.hold import Build, Hold
from treadle.engine.parts import Parts
from treadle.store import Batch
from treadle.store.messages import MessageRow
from treadle.store.run_steps import StepRow
from treadle.store.runs import RunRow
from treadle.store.turns import Attempt as RecordedAttempt
from treadle.store.turns import Turn
from treadle.upstream.chat import Attempt, ChatChunk, ChatUsage, FinishReason
from treadle.upstream.errors import UpstreamError, UpstreamRateLimited, UpstreamRefusedPrompt

log = structlog.get_logger(__name__)

MAX_TURNS: Final = 64
# How old the partial content of a row may be (M-13).
FLUSH_SECONDS: Final = 1.0
# The flushes of all runs keep this beat, so that they share commits.
FLUSH_BEAT_SECONDS: Final = 0.05

UNKNOWN_FAILURE: Final = "Sorry, something went wrong."

_LAST_ERROR_CODES: Final[dict[type[Exception], Literal["rate_limit_exceeded", "invalid_prompt"]]] = {
    UpstreamRateLimited: "rate_limit_exceeded",
    UpstreamRefusedPrompt: "invalid_prompt",
}


def last_error(error: Exception) -> LastError:
    """What a run says of the error that ended it (R-60)."""
    if isinstance(error, UpstreamError | tools.BuiltInToolMissing | TooManyTurns):
        return LastError(code=_LAST_ERROR_CODES.get(type(error), "server_error"), message=error.message)
    if isinstance(error, ApiError):
        return LastError(code="server_error", message=error.message)
    return LastError(code="server_error", message=UNKNOWN_FAILURE)


class TooManyTurns(Exception):
    """R-62: a run that never comes to an end."""

    message = f"The run was stopped after {MAX_TURNS} model turns: too many steps."


async def take(parts: Parts, hold: Hold) -> None:
    """Take turn `hold.row.turn`; on return the leg has ended, and its rows and events say how.

    Raises UpstreamError and BuiltInToolMissing (the caller fails the run), LeaseLost and IllegalMove (somebody else
    decided). When it is cancelled, what the model said so far is in the rows before the cancellation goes on.
    """
    if hold.row.turn >= MAX_TURNS:
        raise TooManyTurns
    earlier = [turn for turn in await store.turns.of_run(hold.database, *hold.row.scope) if turn.turn < hold.row.turn]
    steps = await store.run_steps.of_run(hold.database, *hold.row.scope)
    messages = await store.messages.of_run(hold.database, *hold.row.scope)
    live = LiveTurn(parts, hold, earlier, steps, messages)
    hold.feed.live = live.snapshot
    try:
        await live.take()
    finally:
        hold.feed.live = None


class LiveTurn:
    """The turn being taken. `_message` and `_step` are the rows that are open, None before and after."""

    def __init__(
        self,
        parts: Parts,
        hold: Hold,
        earlier: Sequence[Turn],
        steps: list[StepRow],
        messages: list[MessageRow],
    ) -> None:
        self._parts, self._hold, self._earlier = parts, hold, earlier
        self._number = hold.row.turn
        mine = [row for row in steps if row.turn == self._number]
        # From an attempt that was lost: what it left open, and whether it completed a message.
        self._leftovers = [row for row in mine if row.step.status is StepStatus.IN_PROGRESS]
        self._leftover_messages = {row.message.id: row for row in messages}
        self._has_message = len(mine) > len(self._leftovers)
        self._closed_steps = [row.step for row in steps if row.step.status is not StepStatus.IN_PROGRESS]
        self._next_seq = max((row.seq for row in steps), default=0) + 1
        self._not_before = max((row.step.created_at for row in steps), default=0)

        self._text = MessageText()
        self._calls = FunctionCalls(lambda: parts.new_id("tool_call"))
        self._message: MessageRow | None = None
        self._step: StepRow | None = None
        self._finish_reason: FinishReason = "stop"
        self._usage: ChatUsage | None = None
        self._record = Turn(
            turn=self._number,
            model=hold.row.run.model,
            queued_at_ms=parts.queued_at_ms(hold.row),
            started_at_ms=parts.now_ms(),
            redone=hold.row.takeovers,
        )
        self._attempts: list[Attempt] = []
        self._alarm: asyncio.TimerHandle | None = None
        self._flushing: asyncio.Task[None] | None = None

    async def take(self) -> None:
        try:
            if await self._ask():
                await _to_its_end(self._finish())
        except (Exception, asyncio.CancelledError) as error:
            await _to_its_end(self._keep_partial(error))
            raise

    def snapshot(self) -> Sequence[bytes]:
        """The events that show what is open, with all content that readers were shown so far (W-9)."""
        if self._step is None:
            return ()
        step = self._step.step
        if self._message is None:
            return step_so_far(replace(step, step_details=ToolCallsDetails(tool_calls=self._calls.shown())))
        return [*step_so_far(step), *message_so_far(replace(self._message.message, content=self._text.shown()))]

    # The call.

    async def _ask(self) -> bool:
        """Ask the model and show what it says as it comes. False when a budget forbade to ask (R-30)."""
        run = self._hold.row.run
        context = self._parts.context_tokens(run.model)
        try:
            asked = await prompt.build(self._hold.database, self._hold.row, self._earlier, context_tokens=context)
        except prompt.OverBudget as over:
            limit = over.limit
            await self._write(lambda batch, row: self._stop_incomplete(batch, row, limit))
            return False
        self._record = replace(
            self._record,
            messages=asked.messages,
            dropped=asked.dropped,
            estimated_prompt_tokens=asked.estimated_tokens,
            prompt_tokens_left=asked.prompt_tokens_left,
            completion_tokens_left=asked.completion_tokens_left,
        )
        answer = self._parts.upstream.stream_chat(run.model, asked.request, self._attempts)
        async with aclosing(answer) as groups:
            async for group in groups:
                for chunk in group:
                    self._take_in(chunk)
                await self._show()
        return True

    def _take_in(self, chunk: ChatChunk) -> None:
        if self._record.first_token_at_ms is None and (chunk.content or chunk.refusal or chunk.tool_calls):
            self._record = replace(self._record, first_token_at_ms=self._parts.now_ms())
        if chunk.content or chunk.refusal:
            self._take_in_text(chunk.content, chunk.refusal)
        run = self._hold.row.run
        for fragment in chunk.tool_calls:
            if fragment.name is not None:
                tools.refuse_built_in(fragment.name, run.tools)
            # one call per turn, whatever the model server made of our word.
            if fragment.index == 0 or run.parallel_tool_calls:
                self._calls.add(fragment)
        if chunk.finish_reason is not None:
            self._finish_reason = chunk.finish_reason
        if chunk.usage is not None:
            self._usage = chunk.usage

    def _take_in_text(self, text: str, refusal: str) -> None:
        # S-4: text comes before the calls. After a redo the message that is complete already stays as it is.
        if not self._has_message and not len(self._calls):
            self._text.add(text, refusal)

    async def _show(self) -> None:
        """Publish what was added, once the rows that hold it are there (S-11)."""
        feed = self._hold.feed
        if self._text.has_begun and not self._has_message:
            if self._message is None:
                await _to_its_end(self._open_message())
            if self._message is not None and (delta := self._text.delta(self._message.message.id)) is not None:
                feed.publish(EventName.MESSAGE_DELTA, delta)
                self._flush_later()
        if len(self._calls):
            if self._step is None or self._message is not None:
                await _to_its_end(self._open_calls())
            if self._step is not None:
                for step_delta in self._calls.deltas(self._step.step.id):
                    feed.publish(EventName.STEP_DELTA, step_delta)
                    self._flush_later()

    # Opening steps.

    async def _open_message(self) -> None:
        """The message step and its message (S-3)."""
        kept = self._leftover("message_creation")
        message_id = self._parts.new_id("message")
        if kept is not None and isinstance(kept.step.step_details, MessageCreationDetails):
            message_id = kept.step.step_details.message_creation.message_id
        step = self._new_step(MessageCreationDetails(message_creation=MessageCreation(message_id=message_id)), kept)
        now = step.step.created_at
        run = self._hold.row.run
        old = self._leftover_messages.get(message_id)
        message = Message(
            id=message_id,
            created_at=now,
            thread_id=run.thread_id,
            status=MessageStatus.IN_PROGRESS,
            role="assistant",
            content=[],
            assistant_id=run.assistant_id,
            run_id=run.id,
            attachments=[],
            metadata={},
        )
        if old is not None:
            message = replace(message, created_at=old.message.created_at, metadata=old.message.metadata)
        self._message = MessageRow(message, 0, old.version if old else 0)

        def build(batch: Batch, row: RunRow) -> None:
            assert self._message is not None  # noqa: S101 - set above, cleared only when the message is complete
            self._replace_leftovers(batch, kept)
            self._put_step(batch, step, kept)
            if old is None:
                batch.write(store.messages.insert(self._message.message))
            else:
                self._update_message(batch, self._message)
            self._put_record(batch)
            batch.then(self._opened, step, replace(self._message, version=self._message.version + 1))
            self._say_opened(batch, step.step)
            batch.then(self._hold.feed.publish, EventName.MESSAGE_CREATED, self._message.message)
            batch.then(self._hold.feed.publish, EventName.MESSAGE_IN_PROGRESS, self._message.message)

        try:
            await self._write(build)
        except BaseException:
            self._message = None
            raise

    async def _open_calls(self) -> None:
        """The tool step (S-4); the message before it is complete now."""
        await self._settle_flush()
        kept = self._leftover("tool_calls")
        step = self._new_step(ToolCallsDetails(tool_calls=[]), kept)

        def build(batch: Batch, row: RunRow) -> None:
            closed = self._complete_message(batch, usage.NONE)
            self._replace_leftovers(batch, kept)
            self._put_step(batch, step, kept)
            self._put_record(batch)
            batch.then(self._opened, step, None, closed)
            self._say_opened(batch, step.step)

        await self._write(build)

    def _leftover(self, kind: str) -> StepRow | None:
        return next((row for row in self._leftovers if row.step.type == kind), None)

    def _new_step(self, details: MessageCreationDetails | ToolCallsDetails, kept: StepRow | None) -> StepRow:
        run = self._hold.row.run
        step = RunStep(
            id=kept.step.id if kept else self._parts.new_id("run_step"),
            created_at=kept.step.created_at if kept else max(self._parts.now(), self._not_before),
            assistant_id=run.assistant_id,
            thread_id=run.thread_id,
            run_id=run.id,
            type="message_creation" if isinstance(details, MessageCreationDetails) else "tool_calls",
            status=StepStatus.IN_PROGRESS,
            step_details=details,
            expires_at=run.expires_at,
            metadata={},
        )
        return StepRow(step, kept.seq if kept else self._next_seq, self._number)

    def _replace_leftovers(self, batch: Batch, kept: StepRow | None) -> None:
        """R-9: the first commit of a redo deletes what the lost attempt left open, except the step it writes itself."""
        for row in self._leftovers:
            if row is kept:
                continue
            store.run_steps.delete(batch, row)
            if isinstance(row.step.step_details, MessageCreationDetails):
                message_id = row.step.step_details.message_creation.message_id
                store.messages.delete(batch, row.step.thread_id, message_id)

    def _put_step(self, batch: Batch, step: StepRow, kept: StepRow | None) -> None:
        batch.write(store.run_steps.insert(step) if kept is None else store.run_steps.update(step))

    def _say_opened(self, batch: Batch, step: RunStep) -> None:
        batch.then(self._hold.feed.publish, EventName.STEP_CREATED, step)
        batch.then(self._hold.feed.publish, EventName.STEP_IN_PROGRESS, step)

    def _opened(self, step: StepRow, message: MessageRow | None, closed: Sequence[RunStep] = ()) -> None:
        """Together with its events, so that a snapshot never shows what was open before them (W-9)."""
        self._step, self._message = step, message
        self._closed_steps += closed
        self._has_message = self._has_message or bool(closed)
        self._leftovers = []
        self._next_seq = max(self._next_seq, step.seq + 1)
        self._not_before = step.step.created_at

    # Closing them.

    async def _finish(self) -> None:
        """The model has ended its answer: complete the step, and move the run."""
        if not len(self._calls) and self._message is None and not self._has_message:
            # The model said nothing, or white space only: that is its answer.
            await self._open_message()
            if self._message is not None and (delta := self._text.delta(self._message.message.id)) is not None:
                self._hold.feed.publish(EventName.MESSAGE_DELTA, delta)
        await self._settle_flush()
        self._end_record()
        if self._finish_reason in ("length", "content_filter"):
            await self._write(self._stop_cut_short)
        elif len(self._calls):
            await self._write(self._wait_for_outputs)
        else:
            if self._hold.row.run.tool_choice not in ("auto", "none", None) and self._number == 0:
                log.warning("tool choice not honoured", run_id=self._hold.row.run.id, model=self._hold.row.run.model)
            await self._write(self._complete)
        self._message = self._step = None

    def _complete(self, batch: Batch, row: RunRow) -> RunRow:
        self._replace_leftovers(batch, None)
        closed = self._complete_message(batch, self._step_usage())
        return self._move(batch, row, S.COMPLETED, closed)

    def _wait_for_outputs(self, batch: Batch, row: RunRow) -> RunRow:
        calls = self._calls.calls()
        assert self._step is not None  # noqa: S101 - `_show` opened it when the first call began
        step = replace(self._step.step, step_details=ToolCallsDetails(tool_calls=calls))
        batch.write(store.run_steps.update(replace(self._step, step=step)))
        self._put_record(batch)
        required = RequiredAction(submit_tool_outputs=RequiredToolOutputs(tool_calls=_required(calls)))
        return lifecycle.move(
            batch, row, S.REQUIRES_ACTION, self._hold.feed, now=self._parts.now(), required_action=required
        )

    def _stop_cut_short(self, batch: Batch, row: RunRow) -> RunRow:
        """R-30 and 7.3 (f): the token budget, the model's own limit or a content filter cut the answer."""
        self._replace_leftovers(batch, None)
        cut: Literal["max_tokens", "content_filter"] = (
            "max_tokens" if self._finish_reason == "length" else "content_filter"
        )
        closed = self._complete_message(batch, self._step_usage(), cut=cut)
        if len(self._calls) and self._step is not None:
            details = ToolCallsDetails(tool_calls=self._calls.calls())
            closed.append(
                self._complete_step(batch, replace(self._step.step, step_details=details), self._step_usage())
            )
        reason: Literal["max_completion_tokens"] | None = "max_completion_tokens" if cut == "max_tokens" else None
        return self._move(batch, row, S.INCOMPLETE, closed, IncompleteDetails(reason=reason or UNSET))

    def _stop_incomplete(self, batch: Batch, row: RunRow, limit: prompt.Limit) -> RunRow:
        """R-30: the budget is used up before the turn begins."""
        self._replace_leftovers(batch, None)
        self._record = replace(self._record, error=limit, ended_at_ms=self._parts.now_ms())
        return self._move(batch, row, S.INCOMPLETE, [], IncompleteDetails(reason=limit))

    def _move(
        self, batch: Batch, row: RunRow, to: S, closed: list[RunStep], details: IncompleteDetails | None = None
    ) -> RunRow:
        self._put_record(batch)
        used = usage.of_run([*self._closed_steps, *closed], [*self._earlier, self._record])
        return lifecycle.move(
            batch, row, to, self._hold.feed, now=self._parts.now(), usage=used, incomplete_details=details
        )

    def _complete_message(
        self, batch: Batch, used: StepUsage | None, *, cut: Literal["max_tokens", "content_filter"] | None = None
    ) -> list[RunStep]:
        """The step of the message that is open, completed with it; nothing when none is open."""
        if self._message is None or self._step is None:
            return []
        now = self._parts.now()
        ended: dict[str, object] = {"status": MessageStatus.COMPLETED, "completed_at": now}
        if cut is not None:
            details = MessageIncompleteDetails(reason=cut)
            ended = {"status": MessageStatus.INCOMPLETE, "incomplete_at": now, "incomplete_details": details}
        message = replace(self._message.message, content=self._text.content(), **ended)
        self._update_message(batch, replace(self._message, message=message))
        batch.then(self._hold.feed.publish, MESSAGE_EVENTS[message.status], message)
        return [self._complete_step(batch, self._step.step, used)]

    def _complete_step(self, batch: Batch, step: RunStep, used: StepUsage | None) -> RunStep:
        assert self._step is not None  # noqa: S101 - callers close the step that is open
        completed = replace(
            step, status=StepStatus.COMPLETED, completed_at=self._parts.now(), expires_at=None, usage=used
        )
        batch.write(store.run_steps.update(replace(self._step, step=completed)))
        batch.then(self._hold.feed.publish, STEP_EVENTS[completed.status], completed)
        return completed

    # Partial content.

    def _flush_later(self) -> None:
        if self._alarm is None:
            loop = asyncio.get_running_loop()
            due = (loop.time() + FLUSH_SECONDS) // FLUSH_BEAT_SECONDS * FLUSH_BEAT_SECONDS
            self._alarm = loop.call_at(due, self._start_flush)

    def _start_flush(self) -> None:
        self._flushing = asyncio.ensure_future(self._flush())

    async def _flush(self) -> None:
        """Bring the rows up to what readers were shown (M-13)."""
        self._alarm = None
        # What goes wrong here goes wrong in the turn's next write, too, and is dealt with there.
        with suppress(lifecycle.LeaseLost, lifecycle.RunMoved, store.DatabaseUnavailable):
            await self._write(self._put_partial)
            if self._message is not None:
                self._message = replace(self._message, version=self._message.version + 1)

    def _put_partial(self, batch: Batch, row: RunRow) -> None:
        if self._message is not None:
            message = replace(self._message.message, content=self._text.shown())
            self._update_message(batch, replace(self._message, message=message))
        elif self._step is not None:
            details = ToolCallsDetails(tool_calls=self._calls.shown())
            batch.write(
                store.run_steps.update(replace(self._step, step=replace(self._step.step, step_details=details)))
            )

    async def _settle_flush(self) -> None:
        """No flush is under way or due when this returns; the caller writes all there is."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if self._flushing is not None:
            await self._flushing
            self._flushing = None

    async def _keep_partial(self, error: BaseException) -> None:
        """The turn ends here: what the model said so far stays in the rows (R-53), and why is in the record."""
        self._record = replace(self._record, error=None if isinstance(error, asyncio.CancelledError) else str(error))
        self._end_record()
        await self._settle_flush()

        def build(batch: Batch, row: RunRow) -> None:
            self._put_partial(batch, row)
            self._put_record(batch)

        with suppress(lifecycle.LeaseLost, lifecycle.RunMoved, store.DatabaseUnavailable):
            await self._write(build)
        self._message = self._step = None

    # Writing.

    async def _write(self, build: Build) -> None:
        while True:
            try:
                return await self._hold.write(build)
            except ContentMoved:
                await self._read_message_again()

    def _update_message(self, batch: Batch, row: MessageRow) -> None:
        batch.write(store.messages.update_if(row.message, version=row.version), else_raise=ContentMoved)

    async def _read_message_again(self) -> None:
        """`modifyMessage` was faster: its metadata stay (M-14)."""
        assert self._message is not None  # noqa: S101 - only a batch with the message raises ContentMoved
        run = self._hold.row.run
        rows = await store.messages.of_run(self._hold.database, run.thread_id, run.id)
        fresh = next((row for row in rows if row.message.id == self._message.message.id), None)
        if fresh is None or fresh.message.status is not MessageStatus.IN_PROGRESS:
            # The run was ended over our head: what is closed stays closed.
            raise lifecycle.LeaseLost
        message = replace(self._message.message, metadata=fresh.message.metadata)
        self._message = MessageRow(message, fresh.seq, fresh.version)

    def _put_record(self, batch: Batch) -> None:
        batch.write(store.turns.put(*self._hold.row.scope, self._record))

    def _end_record(self) -> None:
        self._record = replace(
            self._record,
            ended_at_ms=self._parts.now_ms(),
            finish_reason=self._finish_reason,
            attempts=tuple(convert(attempt, RecordedAttempt, from_attributes=True) for attempt in self._attempts),
            usage=self._step_usage(),
            cached_tokens=self._usage.cached_tokens if self._usage else 0,
            reasoning_tokens=self._usage.reasoning_tokens if self._usage else 0,
        )

    def _step_usage(self) -> StepUsage | None:
        """None when the model server did not say."""
        if self._usage is None:
            return None
        return StepUsage(
            completion_tokens=self._usage.completion_tokens,
            prompt_tokens=self._usage.prompt_tokens,
            total_tokens=self._usage.total_tokens,
        )


async def _to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Await `work`, also when we are cancelled meanwhile: we must know what it committed before we write again."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    failure = task.exception()
    if cancelled is not None:
        raise cancelled
    if failure is not None:
        raise failure


def _required(calls: Sequence[ToolCall]) -> list[RunToolCall]:
    """R-40: the functions only; `arguments` is the model's own string."""
    return [
        RunToolCall(
            id=call.id, function=RunToolCallFunction(name=call.function.name, arguments=call.function.arguments)
        )
        for call in calls
        if isinstance(call, FunctionToolCall)
    ]
