"""Calls against the live server: results are typed, refusals are the contract's errors."""

import subprocess
import sys

import pytest

from treadle import AsyncClient, Client
from treadle.contract.errors import AuthenticationFailed, InvalidRequest, NotFound
from treadle.contract.messages import CreateMessageRequest, Message
from treadle.contract.run_steps import FunctionToolCall, RunStep
from treadle.contract.runs import RunStatus
from treadle.contract.threads import Thread
from treadle.upstream.scripted import function_call, say


def test_objects_come_back_as_the_contracts_structs(ours):
    thread = ours.createThread(metadata={"colour": "blue"})

    assert isinstance(thread, Thread)
    assert ours.get_thread(thread_id=thread.id) == thread
    assert thread.metadata == {"colour": "blue"}


def test_structs_and_plain_mappings_may_be_mixed_in_a_request(ours):
    struct = CreateMessageRequest(role="user", content="one")

    thread = ours.create_thread(messages=[struct, {"role": "assistant", "content": "two"}])

    texts = [message.content[0].text.value for message in ours.listMessages(thread_id=thread.id, order="asc").data]
    assert texts == ["one", "two"]


def test_a_6_what_is_left_out_stays_and_none_is_sent_as_null(ours):
    made = ours.create_assistant(model="gpt-4o", name="Ada", description="counts")

    changed = ours.modify_assistant(assistant_id=made.id, name=None)

    assert (changed.name, changed.description) == (None, "counts")


def test_e_61_a_refusal_is_raised_as_the_contracts_error_with_all_it_says(ours):
    with pytest.raises(NotFound) as caught:
        ours.get_thread(thread_id="thread_unknown")

    error = caught.value
    assert error.message == "No thread found with id 'thread_unknown'."
    assert (error.http_status, error.type, error.param, error.code) == (404, "invalid_request_error", None, None)
    assert error.request_id.startswith("req_")


def test_e_34_an_invalid_argument_names_its_parameter(ours):
    with pytest.raises(InvalidRequest) as caught:
        ours.list_assistants(limit=101)

    assert (caught.value.param, caught.value.code) == ("limit", "integer_above_max_value")


def test_e_10_without_a_key_the_server_says_how_to_get_one(server, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("TREADLE_API_KEY", raising=False)

    with Client(server.url) as client, pytest.raises(AuthenticationFailed, match="treadle keys create"):
        client.list_assistants()


def test_p_10_each_follows_the_pages_to_the_end(ours):
    thread = ours.create_thread(messages=[{"role": "user", "content": str(number)} for number in range(5)])

    messages = list(ours.each(ours.list_messages, thread_id=thread.id, limit=2, order="asc"))

    assert [message.content[0].text.value for message in messages] == ["0", "1", "2", "3", "4"]
    assert {type(message) for message in messages} == {Message}


def test_call_takes_a_whole_body_and_lets_arguments_win_over_it(ours):
    thread = ours.call("create_thread", body={"metadata": {"a": "1"}})
    message = ours.call(
        "createMessage", thread_id=thread.id, body={"role": "user", "content": "from the body"}, content="said apart"
    )

    assert thread.metadata == {"a": "1"}
    assert message.content[0].text.value == "said apart"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({}, "getThread needs the argument 'thread_id'"),
        ({"thread_id": "thread_a", "limit": 1}, "getThread takes no argument 'limit'. It takes: thread_id"),
    ],
)
def test_a_call_with_wrong_arguments_is_refused_before_anything_is_sent(ours, arguments, complaint):
    with pytest.raises(TypeError, match=complaint):
        ours.call("getThread", **arguments)


@pytest.mark.parametrize("id", ["", ".", "..", None])
def test_e_81_an_id_that_would_change_the_path_never_reaches_the_server(ours, id):
    with pytest.raises(ValueError, match="thread_id"):
        ours.get_thread(thread_id=id)


async def test_steps_of_a_run_are_listed_by_the_asynchronous_client(ours_async, assistant, thread, upstream, until):
    upstream.will_say(function_call("get_weather", {"city": "Kyiv"}))
    upstream.will_say(say("Sunny."))
    run = await ours_async.createRun(thread_id=thread["id"], assistant_id=assistant["id"])

    async def run_is(status: RunStatus) -> bool:
        return (await ours_async.get_run(thread_id=thread["id"], run_id=run.id)).status == status

    await until(lambda: run_is(RunStatus.REQUIRES_ACTION))
    waiting = await ours_async.getRun(thread_id=thread["id"], run_id=run.id)
    calls = waiting.required_action.submit_tool_outputs.tool_calls
    await ours_async.submit_tool_outputs_to_run(
        thread_id=thread["id"],
        run_id=run.id,
        tool_outputs=[{"tool_call_id": call.id, "output": "sunny"} for call in calls],
    )
    await until(lambda: run_is(RunStatus.COMPLETED))
    steps = [
        step
        async for step in ours_async.each(ours_async.list_run_steps, thread_id=thread["id"], run_id=run.id, limit=1)
    ]

    assert [type(step) for step in steps] == [RunStep, RunStep]
    assert [step.type for step in steps] == ["message_creation", "tool_calls"]
    call = steps[1].step_details.tool_calls[0]
    assert isinstance(call, FunctionToolCall)
    assert call.function.output == "sunny"


async def test_the_asynchronous_client_raises_the_same_errors(ours_async):
    with pytest.raises(NotFound, match="No assistant found"):
        await ours_async.get_assistant(assistant_id="asst_unknown")


def test_the_key_is_not_shown(ours):
    assert repr(ours) == f"Client(base_url='{ours.base_url}')"
    assert "sk-" not in repr(ours)


@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_the_server_and_key_come_from_arguments_then_treadles_then_openais_variables(client, monkeypatch):
    def of(**variables):
        for name in ("TREADLE_BASE_URL", "TREADLE_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_KEY"):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        made = client(variables.pop("base_url", None))
        return made.base_url, made._api_key

    openai = {"OPENAI_BASE_URL": "http://o/v1/", "OPENAI_API_KEY": "sk-o"}
    treadle = {"TREADLE_BASE_URL": "http://t/v1", "TREADLE_API_KEY": "sk-t"}
    assert of() == ("http://127.0.0.1:8000/v1", None)
    assert of(**openai) == ("http://o/v1", "sk-o")
    assert of(**openai, **treadle) == ("http://t/v1", "sk-t")
    assert client("http://given/v1", "sk-given").base_url == "http://given/v1"


def test_importing_treadle_does_not_import_the_client():
    program = (
        "import sys, treadle; print(sorted(m for m in sys.modules if m.startswith(('treadle.', 'httpx2', 'msgspec'))))"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
