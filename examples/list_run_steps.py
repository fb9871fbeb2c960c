"""What did a run do? Lists its steps with Treadle's own client, whose methods are named by operationId.

    python examples/list_run_steps.py THREAD_ID RUN_ID

Without arguments it makes a run first. TREADLE_BASE_URL and TREADLE_API_KEY say where the server is.
"""

import sys
import time

from treadle import Client
from treadle.contract.run_steps import FunctionToolCall, RunStep, ToolCallsDetails
from treadle.contract.runs import ACTIVE


def main() -> None:
    with Client() as client:
        thread_id, run_id = sys.argv[1:3] if len(sys.argv) > 2 else make_run(client)

        page = client.listRunSteps(thread_id=thread_id, run_id=run_id, limit=20, order="asc")
        for step in page.data:
            print(f"{step.id}  {step.status:<12} {described(step)}")

        # However many there are: page after page.
        tokens = [
            step.usage.total_tokens
            for step in client.each(client.list_run_steps, thread_id=thread_id, run_id=run_id)
            if step.usage is not None
        ]
        print(f"{len(tokens)} finished steps took {sum(tokens)} tokens.")


def described(step: RunStep) -> str:
    if not isinstance(step.step_details, ToolCallsDetails):
        return f"wrote the message {step.step_details.message_creation.message_id}"
    return ", ".join(
        f"{call.function.name}({call.function.arguments}) = {call.function.output}"
        if isinstance(call, FunctionToolCall)
        else type(call).__name__
        for call in step.step_details.tool_calls
    )


def make_run(client: Client) -> tuple[str, str]:
    assistant = client.createAssistant(model="gpt-4o", instructions="Answer in one sentence.")
    thread = client.createThread(messages=[{"role": "user", "content": "Why is the sky blue?"}])
    run = client.createRun(thread_id=thread.id, assistant_id=assistant.id)
    while run.status in ACTIVE:
        time.sleep(0.25)
        run = client.getRun(thread_id=thread.id, run_id=run.id)
    print(f"The run {run.id} is {run.status}.")
    return thread.id, run.id


if __name__ == "__main__":
    main()
