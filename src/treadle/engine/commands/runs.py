"""Runs: create, submit tool outputs, modify. Contract: docs/behaviour.md, section 5."""

import secrets
from collections.abc import Collection
from typing import NamedTuple, TypeVar

from msgspec import UNSET
from msgspec.structs import replace

from treadle import store
from treadle.contract.assistants import Assistant
from treadle.contract.errors import InvalidRequest
from treadle.contract.events import STEP_EVENTS, EventName
from treadle.contract.run_steps import FunctionToolCall, StepStatus, ToolCallsDetails
from treadle.contract.runs import (
    CreateRunRequest,
    CreateThreadAndRunRequest,
    ModifyRunRequest,
    Run,
    RunOverrides,
    SubmitToolOutputsRequest,
    TruncationStrategy,
)
from treadle.contract.runs import RunStatus as S
from treadle.contract.threads import CreateThreadRequest
from treadle.contract.tools import FunctionTool, NamedToolChoice, Tool, ToolResources, normalised
from treadle.engine import expiry, following, lifecycle, relay
from treadle.engine.commands import messages, references, threads
from treadle.engine.engine import Engine
from treadle.engine.feed import Stream
from treadle.engine.hold import Hold
from treadle.engine.tools import built_in_kinds
from treadle.store import Batch
from treadle.store.database import together
from treadle.store.run_steps import StepRow
from treadle.store.runs import RunRow

_T = TypeVar("_T")


class Started(NamedTuple):
    """A run as its request answers it (R-2: queued), and the reader of its leg when the client streams."""

    run: Run
    reader: Stream | None


async def create(
    engine: Engine,
    project_id: str,
    thread_id: str,
    request: CreateRunRequest,
    *,
    include: tuple[str, ...] = (),
    with_ids: bool = False,
) -> Started:
    """Lock the thread, add the additional messages and the run, and claim it, in one transaction (R-8, R-24).

    Raises NotFound (E-60, E-61), InvalidRequest (E-44, E-70, R-27, E-72).
    """
    _, (assistant, _version), active = await together(
        engine.database,
        store.threads.require(engine.database, project_id, thread_id),
        store.assistants.get(engine.database, project_id, request.assistant_id),
        store.runs.find_active(engine.database, thread_id),
    )
    additional = request.additional_messages or []
    for index, message in enumerate(additional):
        references.require_message_files(message, f"additional_messages[{index}].")
    run = _run(engine, thread_id, assistant, request, request.additional_instructions)
    if active is not None:
        await expiry.settle(engine, active)

    batch = Batch()
    store.threads.lock(batch, project_id, thread_id)
    store.runs.refuse_active(batch, thread_id, lambda run_id: InvalidRequest.run_already_active(thread_id, run_id))
    for message in additional:
        batch.write(store.messages.insert(messages.build(engine, thread_id, message)))
    return await _start(engine, batch, project_id, run, include=include, stream=request.stream, with_ids=with_ids)


async def create_with_thread(
    engine: Engine,
    project_id: str,
    request: CreateThreadAndRunRequest,
    *,
    with_ids: bool = False,
) -> Started:
    """A thread and a run on it, both or neither (R-32). Raises as `create`."""
    assistant, _version = await store.assistants.get(engine.database, project_id, request.assistant_id)
    thread_request = CreateThreadRequest() if request.thread is UNSET else request.thread
    batch = Batch()
    thread = threads.add(engine, batch, project_id, thread_request, "thread.")
    if request.tool_resources is not None:
        resources = references.resources(request.tool_resources, "tool_resources", before=thread.tool_resources)
        thread = replace(thread, tool_resources=resources)
        batch.write(store.threads.update(thread, version=1))
    run = _run(engine, thread.id, assistant, request, None)
    return await _start(
        engine, batch, project_id, run, include=(), stream=request.stream, with_ids=with_ids, thread=thread
    )


async def submit_tool_outputs(
    engine: Engine,
    project_id: str,
    thread_id: str,
    run_id: str,
    request: SubmitToolOutputsRequest,
    *,
    with_ids: bool = False,
) -> Started:
    """R-43: fill the outputs, complete the step, queue the run and claim it, in one transaction.

    Raises NotFound (E-61, E-62), InvalidRequest for a run that does not wait (E-73) and for other ids (E-74).
    """
    row = await store.runs.get(engine.database, project_id, thread_id, run_id)
    row = await expiry.settle(engine, row)
    if row.run.status is not S.REQUIRES_ACTION or row.run.required_action is None:
        raise InvalidRequest.no_outputs_expected(row.run.status)
    expected = [call.id for call in row.run.required_action.submit_tool_outputs.tool_calls]
    got = [None if output.tool_call_id is UNSET else output.tool_call_id for output in request.tool_outputs]
    if sorted(expected) != sorted(map(str, got)):
        raise InvalidRequest.wrong_tool_outputs(expected, got)
    outputs = {str(output.tool_call_id): output.output or "" for output in request.tool_outputs}

    hold = engine.hold(row)
    start = hold.feed.position
    session = _session(engine, request.stream)
    answer: list[Run] = []

    def build(batch: Batch, row: RunRow) -> RunRow:
        batch.write(store.run_steps.update(step), else_raise=lifecycle.RunMoved)
        batch.then(hold.feed.publish, STEP_EVENTS[step.step.status], step.step)
        changes = {"turn": row.turn + 1, "takeovers": 0, "reader": _reader(engine, session)}
        queued = lifecycle.move(batch, row, S.QUEUED, hold.feed, now=engine.now(), **changes)
        answer[:] = [queued.run]
        return engine.worker.claim(batch, queued, hold.feed)

    try:
        step, closed = await _answered_step(engine, row, outputs)
        await hold.write(build)
    except (lifecycle.LeaseLost, lifecycle.IllegalMove):
        # Of two submits, or a submit and a cancel, one wins; the loser hears the new status (R-44, RL-4).
        fresh = await store.runs.get(engine.database, project_id, thread_id, run_id)
        raise InvalidRequest.no_outputs_expected(fresh.run.status) from None
    engine.worker.start(hold)
    return Started(answer[0], _begun(engine, hold, start, request.stream, with_ids, session, closed))


async def modify(engine: Engine, project_id: str, thread_id: str, run_id: str, request: ModifyRunRequest) -> Run:
    """R-36: metadata only, in any status. Raises NotFound (E-61, E-62)."""
    while True:
        row = await store.runs.get(engine.database, project_id, thread_id, run_id)
        row = await expiry.settle(engine, row)
        if request.metadata is UNSET:
            return row.run
        batch = Batch()
        modified = lifecycle.modify(batch, row, request.metadata or {})
        try:
            await engine.database.commit(batch)
        except lifecycle.RunMoved:
            continue
        return modified.run


async def _start(
    engine: Engine,
    batch: Batch,
    project_id: str,
    run: Run,
    *,
    include: tuple[str, ...],
    stream: bool | None,
    with_ids: bool,
    thread: object | None = None,
) -> Started:
    """Commit a new run with what is in `batch` already, and hand it to the worker when that claimed it."""
    session = _session(engine, stream)
    row = RunRow(
        run=run,
        project_id=project_id,
        due_at=run.expires_at,
        needs=built_in_kinds(run.tools),
        include=include,
        reader=_reader(engine, session),
    )
    hold = engine.hold(row)
    start = hold.feed.position
    if thread is not None:
        batch.then(hold.feed.publish, EventName.THREAD_CREATED, thread)
    queued = lifecycle.begin(batch, row, hold.feed)
    hold.now_at(engine.worker.claim(batch, queued, hold.feed))
    hold.is_new = True
    # As soon as it is durable: the model is asked before this request goes on to be answered.
    batch.then(engine.worker.start, hold)
    try:
        await engine.database.commit(batch)
    except Exception:
        engine.feeds.discard(run.id)
        raise
    return Started(run, _begun(engine, hold, start, stream, with_ids, session))


def _session(engine: Engine, stream: bool | None) -> str | None:
    """For a client that streams what this process will not execute."""
    is_read_here = stream and engine.database.shared and not engine.worker.has_room
    return secrets.token_hex(8) if is_read_here else None


def _reader(engine: Engine, session: str | None) -> str | None:
    return None if session is None else relay.address(engine.process_id, session)


def _begun(
    engine: Engine,
    hold: Hold,
    start: int,
    stream: bool | None,
    with_ids: bool,
    session: str | None,
    closed: Collection[str] = (),
) -> Stream | None:
    """The stream of a leg that has begun, if the client wants it. A run that nobody claimed is offered to others."""
    reader = None
    if stream:
        reader = following.of_leg(engine, hold, start, with_ids=with_ids, session=session, closed=closed)
    if engine.database.shared and hold.row.lease_owner is None:
        engine.feeds.discard(hold.row.run.id)
        engine.peers.offer_work(*hold.row.scope)
    return reader


def _run(
    engine: Engine, thread_id: str, assistant: Assistant, request: RunOverrides, additional_instructions: str | None
) -> Run:
    """The run with its effective configuration, which nothing changes later (R-20 to R-25)."""
    now = engine.now()
    model = _chosen(request.model, assistant.model)
    references.require_model(engine, model)
    tools = assistant.tools if request.tools is None else normalised(request.tools)
    _require_choice(request.tool_choice, tools)
    instructions = _chosen(request.instructions, assistant.instructions or "")
    if additional_instructions:
        instructions = f"{instructions}\n{additional_instructions}" if instructions else additional_instructions
    return Run(
        id=engine.new_id("run"),
        created_at=now,
        thread_id=thread_id,
        assistant_id=assistant.id,
        status=S.QUEUED,
        expires_at=now + lifecycle.LIFETIME_SECONDS,
        model=model,
        instructions=instructions,
        tools=tools,
        tool_resources=ToolResources(),
        metadata=request.metadata or {},
        temperature=_chosen(request.temperature, assistant.temperature),
        top_p=_chosen(request.top_p, assistant.top_p),
        max_prompt_tokens=request.max_prompt_tokens,
        max_completion_tokens=request.max_completion_tokens,
        truncation_strategy=_chosen(request.truncation_strategy, TruncationStrategy(type="auto")),
        tool_choice=_chosen(request.tool_choice, "auto"),
        parallel_tool_calls=_chosen(request.parallel_tool_calls, True),
        response_format=_chosen(request.response_format, assistant.response_format),
        reasoning_effort=_chosen(request.reasoning_effort, assistant.reasoning_effort),
    )


def _chosen(override: _T | None, otherwise: _T) -> _T:
    """R-21: present and not null overrides; 0, "", [] and false are values."""
    return otherwise if override is None else override


def _require_choice(choice: object, tools: list[Tool]) -> None:
    """R-27: the tool that is named must be among the run's tools."""
    if not isinstance(choice, NamedToolChoice):
        return
    if choice.type == "function":
        name = "" if choice.function is UNSET else choice.function.name
        found = any(isinstance(tool, FunctionTool) and tool.function.name == name for tool in tools)
        missing = f"the function '{name}'"
    else:
        found = any(tool.__struct_config__.tag == choice.type for tool in tools)
        missing = f"the tool '{choice.type}'"
    if not found:
        raise InvalidRequest.invalid_value("tool_choice", f"{missing} is not among the tools of this run.")


async def _answered_step(engine: Engine, row: RunRow, outputs: dict[str, str]) -> tuple[StepRow, set[str]]:
    """The step that waits, completed with its outputs and the usage of its turn (S-5, S-9); and the ids of all steps.

    Raises LeaseLost when it no longer waits: another request moved the run since `row` was read.
    """
    steps = await store.run_steps.of_run(engine.database, *row.scope)
    waiting = next((step for step in reversed(steps) if step.step.status is StepStatus.IN_PROGRESS), None)
    if waiting is None:
        raise lifecycle.LeaseLost
    details = waiting.step.step_details
    assert isinstance(details, ToolCallsDetails)  # noqa: S101 - a run waits for the calls of such a step only
    calls = [
        replace(call, function=replace(call.function, output=outputs[call.id]))
        if isinstance(call, FunctionToolCall) and call.id in outputs
        else call
        for call in details.tool_calls
    ]
    turns = await store.turns.of_run(engine.database, *row.scope)
    used = next((turn.usage for turn in turns if turn.turn == waiting.turn), None)
    step = replace(
        waiting.step,
        status=StepStatus.COMPLETED,
        completed_at=engine.now(),
        expires_at=None,
        step_details=ToolCallsDetails(tool_calls=calls),
        usage=used,
    )
    return StepRow(step, waiting.seq, waiting.turn), {step.step.id for step in steps}
