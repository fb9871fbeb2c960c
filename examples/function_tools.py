"""An assistant that calls a function of this program: answer its calls until the run is over.

    python examples/function_tools.py "How is the weather in Kyiv?"

TREADLE_BASE_URL and TREADLE_API_KEY say where the server is.
"""

import json
import sys

from treadle import Client
from treadle.client import Event, Stream
from treadle.contract.messages import TextContent
from treadle.contract.runs import Run, RunStatus

WEATHER = {"Kyiv": "sunny, 21 degrees", "Lisbon": "windy, 17 degrees"}
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the current weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def get_weather(city: str) -> str:
    return WEATHER.get(city, f"There is no report for {city}.")


def main(question: str) -> None:
    with Client() as client:
        assistant = client.create_assistant(model="gpt-4o", tools=[TOOL])
        thread = client.create_thread(messages=[{"role": "user", "content": question}])
        run = last_run(client.create_run(thread_id=thread.id, assistant_id=assistant.id, stream=True))
        while run.status is RunStatus.REQUIRES_ACTION:
            outputs = answers(run)
            run = last_run(
                client.submit_tool_outputs_to_run(thread_id=thread.id, run_id=run.id, tool_outputs=outputs, stream=True)
            )
        print(f"The run is {run.status}.")
        for message in client.list_messages(thread_id=thread.id, run_id=run.id).data:
            print("".join(block.text.value for block in message.content if isinstance(block, TextContent)))


def answers(run: Run) -> list[dict[str, str]]:
    """The outputs of all calls that the run waits for. A wrong call is told to the model, which may try again."""
    assert run.required_action is not None
    outputs = []
    for call in run.required_action.submit_tool_outputs.tool_calls:
        try:
            output = get_weather(**json.loads(call.function.arguments))
        except (ValueError, TypeError) as error:
            output = f"error: {error}"
        print(f"{call.function.name}({call.function.arguments}) = {output}")
        outputs.append({"tool_call_id": call.id, "output": output})
    return outputs


def last_run(events: Stream[Event]) -> Run:
    """The run as the last event of its leg shows it: waiting for us, or over."""
    *_, last = (event.data for event in events if isinstance(event.data, Run))
    return last


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "How is the weather in Kyiv?")
