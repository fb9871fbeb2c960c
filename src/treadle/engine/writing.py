"""What a turn writes: the step it has open, with its message, opened, kept up to date and closed. Sections 6 and 7.3.

Rows first, then events. When a turn is taken again after its worker was lost, the first commit here replaces what the
first attempt left unfinished (R-9).
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, Final, Literal, TypeAlias

from msgspec.structs import replace

from treadle import store
from treadle.contract.events import MESSAGE_EVENTS, STEP_EVENTS, EventName
from treadle.contract.messages import Message, MessageIncompleteDetails, MessageStatus
from treadle.contract.run_steps import (
    MessageCreation,
    MessageCreationDetails,
    RunStep,
    StepStatus,
    StepUsage,
    ToolCall,
    ToolCallsDetails,
)
from treadle.engine import lifecycle, usage
from treadle.engine.deltas import FunctionCalls, MessageText, message_so_far, step_so_far
from treadle.engine.endings import ContentMoved
from treadle.engine.hold import Build, Hold
from treadle.engine.parts import Parts
from treadle.store import Batch
from treadle.store.messages import MessageRow
from treadle.store.run_steps import StepRow
from treadle.store.runs import RunRow

# How old the partial content of a row may be (M-13).
FLUSH_SECONDS: Final = 1.0
# The flushes of all runs keep this beat, so that they share commits.
FLUSH_BEAT_SECONDS: Final = 0.05

Cut: TypeAlias = Literal["max_tokens", "content_filter"]


class Writing:
    """The model's words on their way into rows and events.

    Give `text` and `calls` what the model says, then `show` it. `_step` and `_message` are the rows that are open, None
    before and after. `put_record` adds the record of the turn to a batch. `closed` are the run's steps that are over.
    """

    def __init__(
        self,
        parts: Parts,
        hold: Hold,
        steps: Sequence[StepRow],
        messages: Sequence[MessageRow],
        put_record: Callable[[Batch], None],
    ) -> None:
        self.text = MessageText()
        self.calls = FunctionCalls(lambda: parts.new_id("tool_call"))
        self.closed = [row.step for row in steps if row.step.status is not StepStatus.IN_PROGRESS]
        self._parts, self._hold, self._put_record = parts, hold, put_record
        mine = [row for row in steps if row.turn == hold.row.turn]
        # From an attempt that was lost: what it left open, and whether it completed a message.
        self._leftovers = [row for row in mine if row.step.status is StepStatus.IN_PROGRESS]
        self._leftover_messages = {row.message.id: row for row in messages}
        self._has_message = len(mine) > len(self._leftovers)
        self._next_seq = max((row.seq for row in steps), default=0) + 1
        self._not_before = max((row.step.created_at for row in steps), default=0)
        self._step: StepRow | None = None
        self._message: MessageRow | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._flushing: asyncio.Task[None] | None = None

    def add_text(self, text: str, refusal: str) -> None:
        """S-4: text comes before the calls. After a redo the message that is complete already stays as it is (R-9)."""
        if not self._has_message and not len(self.calls):
            self.text.add(text, refusal)

    async def show(self) -> None:
        """Publish what was added, once the rows that hold it are there (S-11). Raises LeaseLost."""
        if not self._hold.has_lease:
            await self._hold.regain_lease()
        if self.text.has_begun and not self._has_message:
            await self._show_text()
        if len(self.calls):
            if self._step is None or self._message is not None:
                await to_its_end(self._open_calls())
            if self._step is not None:
                for delta in self.calls.deltas(self._step.step.id):
                    self._hold.feed.publish(EventName.STEP_DELTA, delta)
                    self._flush_later()

    async def show_silence(self) -> None:
        """The model said nothing, or white space only: that is its answer, unless it had one before (R-9)."""
        if not len(self.calls) and self._message is None and not self._has_message:
            await self._show_text()

    def snapshot(self) -> Sequence[bytes]:
        """The events that show what is open, with all content that readers were shown so far (W-9)."""
        if self._step is None:
            return ()
        step = self._step.step
        if self._message is None:
            return step_so_far(replace(step, step_details=ToolCallsDetails(tool_calls=self.calls.shown())))
        return [*step_so_far(step), *message_so_far(replace(self._message.message, content=self.text.shown()))]

    # For the turn's last batch. `settle` comes before, `close` after.

    def complete(self, batch: Batch, used: StepUsage | None, *, cut: Cut | None = None) -> list[RunStep]:
        """Add to `batch` the end of what is open; the steps that are completed with it.

        What an attempt before left open, and this one never came to, is deleted (R-9).
        """
        self._replace_leftovers(batch, None)
        if self._message is not None:
            return self._complete_message(batch, used, cut)
        if self._step is None:
            return []
        step = replace(self._step.step, step_details=ToolCallsDetails(tool_calls=self.calls.calls()))
        return [self._complete_step(batch, step, used)]

    def keep_waiting(self, batch: Batch) -> list[ToolCall]:
        """Add to `batch` the calls of the step that stays open until their outputs come (S-5); those calls."""
        calls = self.calls.calls()
        self._put_calls(batch, calls)
        return calls

    def put_partial(self, batch: Batch) -> None:
        """Add to `batch` what readers were shown of what is open."""
        if self._message is not None:
            message = replace(self._message.message, content=self.text.shown())
            self._update_message(batch, replace(self._message, message=message))
        elif self._step is not None:
            self._put_calls(batch, self.calls.shown())

    async def settle(self) -> None:
        """No flush is under way or due when this returns; the caller writes all there is."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if self._flushing is not None:
            await self._flushing
            self._flushing = None

    def close(self) -> None:
        """Nothing is open any more."""
        self._message = self._step = None

    async def write(self, build: Build) -> None:
        """`Hold.write`, with the message read again when `modifyMessage` was faster."""
        while True:
            try:
                return await self._hold.write(build)
            except ContentMoved:
                await self._read_message_again()

    # Opening.

    async def _show_text(self) -> None:
        if self._message is None:
            await to_its_end(self._open_message())
        if self._message is not None and (delta := self.text.delta(self._message.message.id)) is not None:
            self._hold.feed.publish(EventName.MESSAGE_DELTA, delta)
            self._flush_later()

    async def _open_message(self) -> None:
        """The message step and its message (S-3)."""
        kept = self._leftover("message_creation")
        message_id = self._parts.new_id("message")
        if kept is not None and isinstance(kept.step.step_details, MessageCreationDetails):
            message_id = kept.step.step_details.message_creation.message_id
        old = self._leftover_messages.get(message_id)
        step = self._new_step(MessageCreationDetails(message_creation=MessageCreation(message_id=message_id)), kept)
        self._message = MessageRow(self._new_message(message_id, step, old), 0, old.version if old else 0)

        def build(batch: Batch, row: RunRow) -> None:
            assert self._message is not None  # noqa: S101 - set above, cleared only when the message is complete
            message = self._message.message
            self._replace_leftovers(batch, kept)
            self._put_step(batch, step, kept)
            if old is None:
                batch.write(store.messages.insert(message))
            else:
                self._update_message(batch, self._message)
            self._put_record(batch)
            batch.then(self._opened, step, replace(self._message, version=self._message.version + 1))
            self._say_opened(batch, step.step)
            batch.then(self._hold.feed.publish, EventName.MESSAGE_CREATED, message)
            batch.then(self._hold.feed.publish, EventName.MESSAGE_IN_PROGRESS, message)

        try:
            await self.write(build)
        except BaseException:
            self._message = None
            raise

    async def _open_calls(self) -> None:
        """The tool step (S-4); the message before it is complete now."""
        await self.settle()
        kept = self._leftover("tool_calls")
        step = self._new_step(ToolCallsDetails(tool_calls=[]), kept)

        def build(batch: Batch, row: RunRow) -> None:
            closed = self._complete_message(batch, usage.NONE) if self._message is not None else []
            self._replace_leftovers(batch, kept)
            self._put_step(batch, step, kept)
            self._put_record(batch)
            batch.then(self._opened, step, None, closed)
            self._say_opened(batch, step.step)

        await self.write(build)

    def _opened(self, step: StepRow, message: MessageRow | None, closed: Sequence[RunStep] = ()) -> None:
        """Together with its events, so that a snapshot never shows what was open before them (W-9)."""
        self._step, self._message = step, message
        self.closed += closed
        self._has_message = self._has_message or bool(closed)
        self._leftovers = []
        self._next_seq = max(self._next_seq, step.seq + 1)
        self._not_before = step.step.created_at

    def _leftover(self, kind: str) -> StepRow | None:
        return next((row for row in self._leftovers if row.step.type == kind), None)

    def _new_step(self, details: MessageCreationDetails | ToolCallsDetails, kept: StepRow | None) -> StepRow:
        """A step that begins; `kept` is the one of a lost attempt whose place and id it takes (R-9)."""
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
        return StepRow(step, kept.seq if kept else self._next_seq, self._hold.row.turn)

    def _new_message(self, message_id: str, step: StepRow, old: MessageRow | None) -> Message:
        run = self._hold.row.run
        return Message(
            id=message_id,
            created_at=old.message.created_at if old else step.step.created_at,
            thread_id=run.thread_id,
            status=MessageStatus.IN_PROGRESS,
            role="assistant",
            content=[],
            assistant_id=run.assistant_id,
            run_id=run.id,
            attachments=[],
            metadata=old.message.metadata if old else {},
        )

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

    # Closing.

    def _complete_message(self, batch: Batch, used: StepUsage | None, cut: Cut | None = None) -> list[RunStep]:
        assert self._message is not None and self._step is not None  # noqa: S101, PT018 - callers have looked
        now = self._parts.now()
        ended: dict[str, object] = {"status": MessageStatus.COMPLETED, "completed_at": now}
        if cut is not None:
            details = MessageIncompleteDetails(reason=cut)
            ended = {"status": MessageStatus.INCOMPLETE, "incomplete_at": now, "incomplete_details": details}
        message = replace(self._message.message, content=self.text.content(), **ended)
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
            await self.write(lambda batch, row: self.put_partial(batch))
            if self._message is not None:
                self._message = replace(self._message, version=self._message.version + 1)

    def _put_calls(self, batch: Batch, calls: list[ToolCall]) -> None:
        assert self._step is not None  # noqa: S101 - calls are shown, and waited for, in an open step
        step = replace(self._step.step, step_details=ToolCallsDetails(tool_calls=calls))
        batch.write(store.run_steps.update(replace(self._step, step=step)))

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


async def to_its_end(work: Coroutine[Any, Any, None]) -> None:
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
