"""Runs over HTTP. Contract: docs/behaviour.md, sections 5 and 7."""

from typing import Final

from treadle import store
from treadle.contract.pages import IncludeQuery, RunQuery
from treadle.contract.runs import (
    ACTIVE,
    CreateRunRequest,
    CreateThreadAndRunRequest,
    ModifyRunRequest,
    Run,
    SubmitToolOutputsRequest,
)
from treadle.engine import attach, commands, expiry
from treadle.engine.commands.runs import Started
from treadle.http.context import Answer, Context, EventStream

# H-21: the Python client keeps the first value it sees for the whole wait (H-22).
YOUNG_SECONDS: Final = 5
POLL_YOUNG_MILLISECONDS: Final = 250
POLL_MILLISECONDS: Final = 1000


async def create_run(ctx: Context, thread_id: str, query: IncludeQuery, body: CreateRunRequest) -> Run | EventStream:
    """operationId createRun."""
    return _answer(
        await commands.runs.create(
            ctx.engine, ctx.project_id, thread_id, body, include=query.include, with_ids=_wants_ids(ctx)
        )
    )


async def create_thread_and_run(ctx: Context, body: CreateThreadAndRunRequest) -> Run | EventStream:
    """operationId createThreadAndRun."""
    return _answer(await commands.runs.create_with_thread(ctx.engine, ctx.project_id, body, with_ids=_wants_ids(ctx)))


async def list_runs(ctx: Context, thread_id: str, query: RunQuery) -> bytes:
    """operationId listRuns."""
    await commands.messages.settle_active(ctx.engine, ctx.project_id, thread_id)
    return await store.runs.list_page(ctx.engine.database, ctx.project_id, thread_id, query)


async def get_run(ctx: Context, thread_id: str, run_id: str) -> Run | Answer:
    """operationId getRun. An unfinished run says when to ask again (H-21)."""
    row = await store.runs.get(ctx.engine.database, ctx.project_id, thread_id, run_id)
    run = (await expiry.settle(ctx.engine, row)).run
    if run.status not in ACTIVE:
        return run
    is_young = ctx.engine.now() - run.created_at < YOUNG_SECONDS
    wait = POLL_YOUNG_MILLISECONDS if is_young else POLL_MILLISECONDS
    return Answer(run, {"openai-poll-after-ms": str(wait)})


async def modify_run(ctx: Context, thread_id: str, run_id: str, body: ModifyRunRequest) -> Run:
    """operationId modifyRun."""
    return await commands.runs.modify(ctx.engine, ctx.project_id, thread_id, run_id, body)


async def cancel_run(ctx: Context, thread_id: str, run_id: str) -> Run:
    """operationId cancelRun."""
    return await commands.cancelling.cancel(ctx.engine, ctx.project_id, thread_id, run_id)


async def submit_tool_outputs_to_run(
    ctx: Context, thread_id: str, run_id: str, body: SubmitToolOutputsRequest
) -> Run | EventStream:
    """operationId submitToolOuputsToRun (the contract's spelling)."""
    return _answer(
        await commands.runs.submit_tool_outputs(
            ctx.engine, ctx.project_id, thread_id, run_id, body, with_ids=_wants_ids(ctx)
        )
    )


async def stream_run(ctx: Context, thread_id: str, run_id: str) -> EventStream:
    """operationId streamRun, an addition of ours (W-9)."""
    return EventStream(await attach.attach(ctx.engine, ctx.project_id, thread_id, run_id, _last_event_id(ctx)))


def _answer(started: Started) -> Run | EventStream:
    return started.run if started.reader is None else EventStream(started.reader)


def _last_event_id(ctx: Context) -> int | None:
    """None for what cannot be an id of ours, as when nothing was sent."""
    last = ctx.header(b"last-event-id") or ""
    # Python refuses to read thousands of digits.
    return int(last) if last.isascii() and last.isdecimal() and len(last) <= 20 else None


def _wants_ids(ctx: Context) -> bool:
    """W-9: the original operations send `id:` lines only to those who ask for them."""
    return ctx.headers.get(b"x-treadle-event-ids") == b"1"
