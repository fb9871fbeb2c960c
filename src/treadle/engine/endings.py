"""How a run ends before its time: its open message and steps follow it. Contract: R-53, S-10, 7.3 (f)."""

from typing import Literal, TypeAlias

from msgspec.structs import replace

from treadle import store
from treadle.contract.events import MESSAGE_EVENTS, STEP_EVENTS
from treadle.contract.messages import Message, MessageIncompleteDetails, MessageStatus
from treadle.contract.run_steps import RunStep, StepError, StepStatus, StepUsage
from treadle.contract.runs import LastError, RunStatus, RunUsage
from treadle.contract.runs import RunStatus as S
from treadle.engine import lifecycle, usage
from treadle.engine.hold import Hold
from treadle.store import Batch
from treadle.store.messages import MessageRow
from treadle.store.run_steps import StepRow
from treadle.store.runs import RunRow
from treadle.store.turns import Turn

Reason: TypeAlias = Literal["run_cancelled", "run_expired", "run_failed"]

_STEP_STATUS = {S.CANCELLED: StepStatus.CANCELLED, S.EXPIRED: StepStatus.EXPIRED, S.FAILED: StepStatus.FAILED}
_REASON: dict[RunStatus, Reason] = {
    S.CANCELLED: "run_cancelled",
    S.EXPIRED: "run_expired",
    S.FAILED: "run_failed",
}


class ContentMoved(Exception):
    """Another request changed a message or a step of the run first, such as `modifyMessage`. Read them again."""


async def end(hold: Hold, to: RunStatus, *, now: int, last_error: LastError | None = None) -> None:
    """End the run as `to` (cancelled, expired or failed) with everything of it that is still open, in one batch.

    Raises what `Hold.write` raises.
    """
    while True:
        scope = hold.row.scope
        steps = await store.run_steps.of_run(hold.database, *scope)
        messages = await store.messages.of_run(hold.database, *scope)
        turns = {turn.turn: turn for turn in await store.turns.of_run(hold.database, *scope)}
        ending = _Ending(hold, to, now, last_error, steps, messages, turns)
        try:
            return await hold.write(ending.build)
        except ContentMoved:
            continue


class _Ending:
    """The rows of one run as they were read, and the batch that closes them."""

    def __init__(
        self,
        hold: Hold,
        to: RunStatus,
        now: int,
        last_error: LastError | None,
        steps: list[StepRow],
        messages: list[MessageRow],
        turns: dict[int, Turn],
    ) -> None:
        self._hold, self._to, self._now, self._error = hold, to, now, last_error
        self._steps, self._messages, self._turns = steps, messages, turns

    def build(self, batch: Batch, row: RunRow) -> RunRow:
        publish = self._hold.feed.publish
        for open_message in self._messages:
            if open_message.message.status is MessageStatus.IN_PROGRESS:
                message = self._incomplete(open_message.message)
                batch.write(store.messages.update_if(message, version=open_message.version), else_raise=ContentMoved)
                batch.then(publish, MESSAGE_EVENTS[message.status], message)
        steps = [self._closed(row) if row.step.status is StepStatus.IN_PROGRESS else row for row in self._steps]
        for before, after in zip(self._steps, steps, strict=True):
            if after is not before:
                batch.write(store.run_steps.update(after), else_raise=ContentMoved)
                batch.then(publish, STEP_EVENTS[after.step.status], after.step)
        # A worker that is still at it may have opened another step since we read them; from here on it cannot.
        store.run_steps.refuse_open(batch, *row.scope, error=ContentMoved)
        return lifecycle.move(
            batch,
            row,
            self._to,
            self._hold.feed,
            now=self._now,
            usage=self._usage(steps),
            last_error=self._error,
        )

    def _incomplete(self, message: Message) -> Message:
        return replace(
            message,
            status=MessageStatus.INCOMPLETE,
            incomplete_at=self._now,
            incomplete_details=MessageIncompleteDetails(reason=_REASON[self._to]),
        )

    def _closed(self, row: StepRow) -> StepRow:
        status = _STEP_STATUS[self._to]
        step: RunStep = replace(row.step, status=status, expires_at=None, usage=self._usage_of_turn(row.turn))
        step = replace(step, **{f"{status}_at": self._now})
        if self._error is not None:
            # A step knows no invalid_prompt (S-10).
            code: Literal["server_error", "rate_limit_exceeded"] = (
                "rate_limit_exceeded" if self._error.code == "rate_limit_exceeded" else "server_error"
            )
            step = replace(step, last_error=StepError(code=code, message=self._error.message))
        return StepRow(step, row.seq, row.turn)

    def _usage_of_turn(self, turn: int) -> StepUsage | None:
        record = self._turns.get(turn)
        return record.usage if record else None

    def _usage(self, steps: list[StepRow]) -> RunUsage:
        return usage.of_run([row.step for row in steps], self._turns.values())
