"""Runs, steps and messages as the engine's own tests need them."""

from typing import Any

from treadle.contract.messages import AnnotatedText, Message, MessageStatus, TextContent
from treadle.contract.run_steps import FunctionCall, FunctionToolCall, RunStep, StepStatus, ToolCallsDetails
from treadle.contract.runs import Run
from treadle.contract.runs import RunStatus as S
from treadle.store.runs import RunRow

THREAD, RUN = "thread_1", "run_1"


def a_run(status: S = S.QUEUED, **fields: Any) -> Run:
    return Run(
        id=RUN,
        created_at=1000,
        thread_id=THREAD,
        assistant_id="asst_1",
        status=status,
        **{"model": "gpt-4o", "instructions": "", "expires_at": 1600, **fields},
    )


def a_row(run: Run | None = None, **fields: Any) -> RunRow:
    run = run or a_run()
    return RunRow(run=run, project_id="proj_1", due_at=run.expires_at, **fields)


def a_message(id: str, text: str, *, role: str = "user", run_id: str | None = None) -> Message:
    return Message(
        id=id,
        created_at=1000,
        thread_id=THREAD,
        status=MessageStatus.COMPLETED,
        role=role,
        content=[TextContent(text=AnnotatedText(value=text))],
        run_id=run_id,
        attachments=[],
        metadata={},
    )


def a_tool_step(id: str, *calls: FunctionToolCall, status: StepStatus = StepStatus.COMPLETED) -> RunStep:
    return RunStep(
        id=id,
        created_at=1000,
        assistant_id="asst_1",
        thread_id=THREAD,
        run_id=RUN,
        type="tool_calls",
        status=status,
        step_details=ToolCallsDetails(tool_calls=list(calls)),
    )


def a_call(id: str, name: str = "get_weather", arguments: str = "{}", output: str | None = None) -> FunctionToolCall:
    return FunctionToolCall(id=id, function=FunctionCall(name=name, arguments=arguments, output=output))
