"""A turn: one model call and its consequences. Rows first, then events. Contract: docs/behaviour.md, 6 and 7.3.

What the model says goes through `writing` into rows and events; here is what is asked, and how the answer ends the leg.
"""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing, suppress
from typing import Final, Literal

import structlog
from msgspec import UNSET, convert
from msgspec.structs import replace

from treadle import store
from treadle.contract.errors import ApiError
from treadle.contract.run_steps import FunctionToolCall, RunStep, StepUsage, ToolCall
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
from treadle.engine.hold import Hold
from treadle.engine.parts import Parts
from treadle.engine.prompt import Past
from treadle.engine.writing import Cut, Writing, to_its_end
from treadle.store import Batch
from treadle.store.runs import RunRow
from treadle.store.turns import Attempt as RecordedAttempt
from treadle.store.turns import Turn
from treadle.upstream.chat import Attempt, ChatChunk, ChatUsage, FinishReason
from treadle.upstream.errors import UpstreamError, UpstreamRateLimited, UpstreamRefusedPrompt

log = structlog.get_logger(__name__)

MAX_TURNS: Final = 64

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
    live = LiveTurn(parts, hold, Past() if hold.is_new else await prompt.read_past(hold.database, hold.row))
    hold.is_new = False
    hold.feed.live = live.writing.snapshot
    try:
        await live.take()
    finally:
        hold.feed.live = None


class LiveTurn:
    """The turn being taken."""

    def __init__(self, parts: Parts, hold: Hold, past: Past) -> None:
        self.writing = Writing(parts, hold, past.steps, past.messages, self._put_record)
        self._parts, self._hold, self._past = parts, hold, past
        self._attempts: list[Attempt] = []
        self._finish_reason: FinishReason = "stop"
        self._usage: ChatUsage | None = None
        self._record = Turn(
            turn=hold.row.turn,
            model=hold.row.run.model,
            queued_at_ms=parts.queued_at_ms(hold.row),
            started_at_ms=parts.now_ms(),
            redone=hold.row.takeovers,
        )

    async def take(self) -> None:
        try:
            if await self._ask():
                await to_its_end(self._finish())
        except (Exception, asyncio.CancelledError) as error:
            await to_its_end(self._keep_partial(error))
            raise

    # The call.

    async def _ask(self) -> bool:
        """Ask the model and show what it says as it comes. False when a budget forbade to ask (R-30)."""
        run = self._hold.row.run
        context = self._parts.context_tokens(run.model)
        try:
            asked = await prompt.build(self._hold.database, self._hold.row, self._past, context_tokens=context)
        except prompt.OverBudget as over:
            limit = over.limit
            await self.writing.write(lambda batch, row: self._stop_over_budget(batch, row, limit))
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
                await self.writing.show()
        return True

    def _take_in(self, chunk: ChatChunk) -> None:
        if self._record.first_token_at_ms is None and (chunk.content or chunk.refusal or chunk.tool_calls):
            self._record = replace(self._record, first_token_at_ms=self._parts.now_ms())
        if chunk.content or chunk.refusal:
            self.writing.add_text(chunk.content, chunk.refusal)
        run = self._hold.row.run
        for fragment in chunk.tool_calls:
            if fragment.name is not None:
                tools.refuse_built_in(fragment.name, run.tools)
            # one call per turn, whatever the model server made of our word.
            if fragment.index == 0 or run.parallel_tool_calls:
                self.writing.calls.add(fragment)
        if chunk.finish_reason is not None:
            self._finish_reason = chunk.finish_reason
        if chunk.usage is not None:
            self._usage = chunk.usage

    # The end of the leg: what is open is completed, and the run moves, in one batch.

    async def _finish(self) -> None:
        await self.writing.show_silence()
        await self.writing.settle()
        self._end_record()
        if self._finish_reason in ("length", "content_filter"):
            await self.writing.write(self._stop_cut_short)
        elif len(self.writing.calls):
            await self.writing.write(self._wait_for_outputs)
        else:
            run = self._hold.row.run
            if run.tool_choice not in ("auto", "none", None) and self._hold.row.turn == 0:
                log.warning("tool choice not honoured", run_id=run.id, model=run.model)
            await self.writing.write(self._complete)
        self.writing.close()

    def _complete(self, batch: Batch, row: RunRow) -> RunRow:
        closed = self.writing.complete(batch, self._step_usage())
        return self._move(batch, row, S.COMPLETED, closed)

    def _wait_for_outputs(self, batch: Batch, row: RunRow) -> RunRow:
        calls = _required(self.writing.keep_waiting(batch))
        self._put_record(batch)
        required = RequiredAction(submit_tool_outputs=RequiredToolOutputs(tool_calls=calls))
        return lifecycle.move(
            batch, row, S.REQUIRES_ACTION, self._hold.feed, now=self._parts.now(), required_action=required
        )

    def _stop_cut_short(self, batch: Batch, row: RunRow) -> RunRow:
        """R-30 and 7.3 (f): the token budget, the model's own limit or a content filter cut the answer."""
        cut: Cut = "max_tokens" if self._finish_reason == "length" else "content_filter"
        closed = self.writing.complete(batch, self._step_usage(), cut=cut)
        # The run has no word for a content filter; its message does.
        details = IncompleteDetails(reason="max_completion_tokens" if cut == "max_tokens" else UNSET)
        return self._move(batch, row, S.INCOMPLETE, closed, details)

    def _stop_over_budget(self, batch: Batch, row: RunRow, limit: prompt.Limit) -> RunRow:
        """R-30: the budget is used up before the turn begins."""
        closed = self.writing.complete(batch, None)
        self._record = replace(self._record, error=limit, ended_at_ms=self._parts.now_ms())
        return self._move(batch, row, S.INCOMPLETE, closed, IncompleteDetails(reason=limit))

    def _move(
        self, batch: Batch, row: RunRow, to: S, closed: list[RunStep], details: IncompleteDetails | None = None
    ) -> RunRow:
        self._put_record(batch)
        used = usage.of_run([*self.writing.closed, *closed], [*self._past.turns, self._record])
        return lifecycle.move(
            batch, row, to, self._hold.feed, now=self._parts.now(), usage=used, incomplete_details=details
        )

    async def _keep_partial(self, error: BaseException) -> None:
        """The turn ends here: what the model said so far stays in the rows (R-53), and why is in the record."""
        self._record = replace(self._record, error=None if isinstance(error, asyncio.CancelledError) else str(error))
        self._end_record()
        await self.writing.settle()

        def build(batch: Batch, row: RunRow) -> None:
            self.writing.put_partial(batch)
            self._put_record(batch)

        with suppress(lifecycle.LeaseLost, lifecycle.RunMoved, store.DatabaseUnavailable):
            await self.writing.write(build)
        self.writing.close()

    # The record of the turn.

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


def _required(calls: Sequence[ToolCall]) -> list[RunToolCall]:
    """R-40: the functions only; `arguments` is the model's own string."""
    return [
        RunToolCall(
            id=call.id, function=RunToolCallFunction(name=call.function.name, arguments=call.function.arguments)
        )
        for call in calls
        if isinstance(call, FunctionToolCall)
    ]
