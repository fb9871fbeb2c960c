"""What `make demo` runs: the official SDK against Treadle and its embedded model, then the steps of the run as a table.

Everything stays in the folder demo-data: the model (fetched the first time, 94 MB), the database, the server's log.
"""

import json
import os
import secrets
import subprocess
import sys
import time
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from openai import OpenAI, OpenAIError
from openai.lib.streaming import AssistantEventHandler
from openai.types.beta.threads import Message, Run
from openai.types.beta.threads.runs import RunStep
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

# The SDK says of each of these calls that OpenAI has switched it off. Treadle has not.
warnings.filterwarnings("ignore", category=DeprecationWarning)

PROJECT = Path(__file__).parents[1]
DATA = Path("demo-data").absolute()
MAX_ROUNDS = 5
MAX_SECONDS = 120
START_SECONDS = 60

QUESTION = "How many files are in the folder examples?"
TOOL = {
    "type": "function",
    "function": {
        "name": "count_files",
        "description": "Count the files in a folder.",
        "parameters": {"type": "object", "properties": {"folder": {"type": "string"}}, "required": ["folder"]},
    },
}

console = Console()


class Failed(Exception):
    """The demo did not work; the message says why."""


def main() -> None:
    install_model()
    with serving() as (base_url, api_key):
        console.print(f"Treadle serves {base_url}\n")
        client = OpenAI(base_url=base_url, api_key=api_key, max_retries=0, timeout=MAX_SECONDS)
        run = converse(client)
        steps = list(client.beta.threads.runs.steps.list(run.id, thread_id=run.thread_id, order="asc"))
        messages = client.beta.threads.messages.list(run.thread_id, run_id=run.id)
        console.print(f"\n\nThe run is [bold]{run.status}[/]. What it did, as runs.steps.list says:\n")
        console.print(table_of(steps, texts_of(messages)))
        if run.status != "completed":
            raise Failed(f"The run is {run.status}: {run.last_error.message if run.last_error else 'no reason given'}")


def install_model() -> None:
    """Fetch the model, unless it is there. It shows its own progress, and its own errors."""
    done = subprocess.run([*TREADLE, "model", "install", "--data-dir", DATA], env=environment(), check=False)
    if done.returncode != 0:
        raise Failed("The model could not be installed; see above.")


@contextmanager
def serving() -> Iterator[tuple[str, str]]:
    """A server on a free port, from here to the end of the block: its base URL and a key."""
    key = f"sk-demo-{secrets.token_urlsafe(32)}"
    log = DATA / "server.log"
    with log.open("w") as output:
        command = [*TREADLE, "serve", "--port", "0", "--data-dir", DATA]
        server = subprocess.Popen(command, stderr=output, cwd=DATA, env=environment(TREADLE_API_KEY=key))
    try:
        yield url_in(log, server), key
    except BaseException:
        console.print(f"The last lines of {log}:", *log.read_text().splitlines()[-5:], sep="\n", markup=False)
        raise
    finally:
        server.terminate()
        server.wait()


def url_in(log: Path, server: "subprocess.Popen[bytes]") -> str:
    """Where the server says that it listens. It has a minute to start."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        for line in log.read_text().splitlines():
            if line.startswith("Treadle serves "):
                return line.removeprefix("Treadle serves ")
        time.sleep(0.05)
    raise Failed("The server did not start.")


def converse(client: OpenAI) -> Run:
    """Ask, answer the calls of our function, and show the answer while it is written. The run as it ended."""
    deadline = time.monotonic() + MAX_SECONDS
    assistant = client.beta.assistants.create(model="demo", instructions="Answer in one sentence.", tools=[TOOL])
    thread = client.beta.threads.create(messages=[{"role": "user", "content": QUESTION}])
    say("user", QUESTION)
    runs = client.beta.threads.runs
    # So small a model does not choose well: its first turn has to call the function.
    choice = {"type": "function", "function": {"name": "count_files"}}
    with runs.stream(thread_id=thread.id, assistant_id=assistant.id, tool_choice=choice) as events:
        run = shown(events)
    for _ in range(MAX_ROUNDS):
        if run.status != "requires_action" or time.monotonic() > deadline:
            return run
        outputs = answers(run)
        with runs.submit_tool_outputs_stream(run_id=run.id, thread_id=thread.id, tool_outputs=outputs) as events:
            run = shown(events)
    return run


def shown(events: AssistantEventHandler) -> Run:
    """The run at the end of its stream, whose text is printed as it comes."""
    for number, piece in enumerate(events.text_deltas):
        say("assistant" if number == 0 else "", piece, end="")
    events.until_done()
    return events.get_final_run()


def answers(run: Run) -> list[dict[str, str]]:
    """The outputs of all calls that the run waits for. A wrong call is told to the model."""
    outputs = []
    for call in run.required_action.submit_tool_outputs.tool_calls:
        try:
            output = count_files(**json.loads(call.function.arguments))
        except (ValueError, TypeError) as error:
            output = f"error: {error}"
        say("function", f"{call.function.name}({call.function.arguments}) = {output}")
        outputs.append({"tool_call_id": call.id, "output": output})
    return outputs


def count_files(folder: str) -> str:
    """What the assistant's function does: the folder is one of this project's."""
    place = PROJECT / Path(folder).name
    if not place.is_dir():
        return f"There is no folder {folder}."
    return f"There are {sum(path.is_file() for path in place.iterdir())} files in the folder {place.name}."


def table_of(steps: list[RunStep], texts: dict[str, str]) -> Table:
    """`texts` are those of the messages, by id."""
    step_type, status, tokens, seconds = (
        Column(name, no_wrap=True) for name in ("step", "status", "tokens", "seconds")
    )
    what, result = (Column(name, overflow="fold") for name in ("what", "result"))
    table = Table(step_type, status, what, result, tokens, seconds)
    for step in steps:
        details = step.step_details
        if details.type == "tool_calls":
            calls = [call.function for call in details.tool_calls if call.type == "function"]
            done = "\n".join(f"{call.name}({call.arguments})" for call in calls)
            outcome = "\n".join(call.output or "" for call in calls)
        else:
            done, outcome = "writes a message", texts.get(details.message_creation.message_id, "")
        used = str(step.usage.total_tokens) if step.usage else ""
        took = str(step.completed_at - step.created_at) if step.completed_at else ""
        table.add_row(step.type, step.status, Text(done), Text(outcome), used, took)
    return table


def texts_of(messages: Iterable[Message]) -> dict[str, str]:
    return {
        message.id: "".join(block.text.value for block in message.content if block.type == "text")
        for message in messages
    }


def say(who: str, text: str, end: str = "\n") -> None:
    console.print(Text.assemble((f"{who:<11}" if who else "", "bold"), text), end=end, soft_wrap=True)


TREADLE = [sys.executable, "-m", "treadle"]


def environment(**more: str) -> dict[str, str]:
    """Ours without the settings of another Treadle, which are not the demo's."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("TREADLE_")}
    return own | more


if __name__ == "__main__":
    # A proxy is for the model's download, not for the server on this machine.
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = f"127.0.0.1,{os.environ.get('NO_PROXY', '')}"
    try:
        main()
    except (Failed, OpenAIError) as failure:
        console.print(f"[bold red]The demo failed:[/] {failure}")
        sys.exit(1)
