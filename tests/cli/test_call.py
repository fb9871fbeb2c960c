"""`treadle call`: every operation from the command line."""

import json
import re

import click
import pytest

from tests.support.server import KEY
from treadle.cli import call
from treadle.client import parameters
from treadle.contract.operations import python_name
from treadle.upstream.scripted import function_call, say


@pytest.fixture
def environment(environment, server):
    """The user has told where the server is."""
    return {**environment, "TREADLE_BASE_URL": server.url, "TREADLE_API_KEY": KEY}


@pytest.mark.parametrize("operation", parameters.ALL.values(), ids=lambda operation: operation.id)
def test_each_operation_is_a_command_in_both_spellings_with_an_option_for_each_parameter(operation):
    context = click.Context(call.command)
    command = call.command.get_command(context, operation.id)

    known = parameters.of(operation)
    options = {option.name: option for option in command.params}
    assert set(known) <= set(options)
    for name, parameter in known.items():
        assert f"--{name.replace('_', '-')}" in options[name].opts
        assert not parameter.required or options[name].required or "[required]" in options[name].help
    assert call.command.get_command(context, python_name(operation)).name == operation.id
    assert command.help.startswith(operation.summary)


async def test_help_lists_the_operations(treadle):
    done = await treadle("call", "--help")

    assert done.code == 0
    assert re.search(r"^  listRunSteps +List the steps of a run\.$", done.out, re.MULTILINE)


async def test_in_a_pipe_the_answer_is_one_line_of_json(treadle, thread):
    done = await treadle("call", "getThread", "--thread-id", thread["id"])

    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out) == thread
    assert done.out.count("\n") == 1


async def test_on_a_terminal_the_answer_is_easy_to_read(on_terminal, thread):
    done = await on_terminal("call", "get_thread", "--thread_id", thread["id"])

    plain = re.sub(r"\x1b\[[0-9;]*m", "", done.out)
    assert plain.startswith('{\r\n  "id": "thread_')
    assert "\x1b[" in done.out
    assert json.loads(plain) == thread


async def test_objects_are_json_and_texts_are_as_they_are(treadle, api):
    done = await treadle(
        *("call", "createAssistant", "--model", "gpt-4o", "--name", "123", "--temperature", "0.5"),
        *("--tools", '[{"type":"code_interpreter"}]', "--metadata", '{"a":"b"}', "--response-format", "auto"),
    )

    made = json.loads(done.out)
    assert made == await api.found(f"/assistants/{made['id']}")
    assert (made["name"], made["temperature"], made["metadata"]) == ("123", 0.5, {"a": "b"})
    assert made["tools"] == [{"type": "code_interpreter"}]
    assert made["response_format"] == "auto"


async def test_json_can_come_from_a_file_and_a_text_may_be_json(treadle, thread, tmp_path):
    (tmp_path / "parts.json").write_text('[{"type":"text","text":"from a file"}]')
    about = ("call", "createMessage", "--thread-id", thread["id"], "--role", "user")

    from_file = json.loads((await treadle(*about, "--content", "@parts.json")).out)
    from_stdin = json.loads((await treadle(*about, "--content", "@-", stdin=b"from standard input")).out)
    as_json = json.loads((await treadle(*about, "--content", '"@quoted"')).out)

    texts = [message["content"][0]["text"]["value"] for message in (from_file, from_stdin, as_json)]
    assert texts == ["from a file", "from standard input", "@quoted"]


async def test_a_whole_body_may_be_given_and_options_win_over_it(treadle):
    body = '{"messages":[{"role":"user","content":"Hi"}],"metadata":{"a":"1"}}'

    done = await treadle("call", "createThread", "--body", body, "--metadata", '{"a":"2"}')

    assert json.loads(done.out)["metadata"] == {"a": "2"}


async def test_events_are_lines_of_json(treadle, assistant, thread, upstream):
    upstream.will_say(function_call("get_weather", {"city": "Kyiv"}))
    about = ("--thread-id", thread["id"], "--assistant-id", assistant["id"])

    done = await treadle("call", "createRun", *about, "--stream")

    events = [json.loads(line) for line in done.out.splitlines()]
    assert [event["name"] for event in events][:2] == ["thread.run.created", "thread.run.queued"]
    assert events[-1]["name"] == "thread.run.requires_action"
    assert events[-1]["data"]["required_action"]["submit_tool_outputs"]["tool_calls"][0]["function"]["name"] == (
        "get_weather"
    )


async def test_a_list_of_texts_is_given_by_repeating_the_option(treadle, assistant, thread, upstream):
    upstream.will_say(say("Hello."))
    include = "step_details.tool_calls[*].file_search.results[*].content"
    about = ("--thread-id", thread["id"], "--assistant-id", assistant["id"])
    run = json.loads((await treadle("call", "createRun", *about)).out)

    done = await treadle(
        *("call", "listRunSteps", "--thread-id", thread["id"], "--run-id", run["id"]),
        *("--include", include, "--include", include, "--limit", "5", "--order", "asc"),
    )

    assert json.loads(done.out)["object"] == "list", done.err


async def test_a_refusal_is_one_line_on_standard_error(treadle):
    done = await treadle("call", "getThread", "--thread-id", "thread_unknown")

    assert (done.code, done.out) == (1, "")
    assert re.fullmatch(r"Error: No thread found with id 'thread_unknown'\. \(404, req_[0-9a-f]{32}\)\n", done.err)


async def test_a_refusal_names_the_parameter_and_the_code(treadle):
    done = await treadle("call", "listAssistants", "--limit", "0")

    assert done.code == 1
    assert "(400, integer_below_min_value, parameter limit, req_" in done.err


async def test_an_unreachable_server_is_named(treadle):
    done = await treadle("call", "listAssistants", "--base-url", "http://127.0.0.1:1/v1")

    assert done.code == 1
    assert done.err.startswith("Error: No answer from http://127.0.0.1:1/v1: ")
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["getThread"], "Missing option '--thread-id'"),
        (["createRun", "--thread-id", "thread_a"], "Missing option '--assistant-id'"),
        (["getThread", "--thread-id", ""], "cannot be part of a path"),
        (["listAssistants", "--limit", "many"], "Invalid value for '--limit'"),
        (["listAssistants", "--order", "up"], "'up' is not one of 'asc', 'desc'"),
        (
            ["createThread", "--metadata", "{"],
            "Invalid value for '--metadata': Input data was truncated. Expected JSON",
        ),
        (["createThread", "--metadata", "@nowhere"], "nowhere cannot be read"),
        (["createFile", "--file", "nowhere", "--purpose", "assistants"], "'nowhere' does not exist"),
        (["listThings"], "No such command 'listThings'"),
    ],
)
async def test_wrong_usage_is_told_with_exit_code_2(treadle, arguments, complaint):
    done = await treadle("call", *arguments)

    assert (done.code, done.out) == (2, "")
    assert complaint in done.err


async def test_a_local_server_is_called_with_the_key_that_it_left_in_its_data_folder(treadle, environment, tmp_path):
    del environment["TREADLE_API_KEY"]
    environment["OPENAI_API_KEY"] = "sk-of-somebody-else"
    (tmp_path / "data").mkdir(exist_ok=True)
    (tmp_path / "data" / "api-key").write_text(f"{KEY}\n")

    done = await treadle("call", "listAssistants", "--data-dir", tmp_path / "data")

    assert json.loads(done.out)["data"] == []


def test_the_key_in_the_data_folder_is_shown_to_no_other_machine(tmp_path, monkeypatch):
    monkeypatch.delenv("TREADLE_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    (tmp_path / "api-key").write_text(KEY)

    assert call._server("http://[::1]:8000/v1", None, tmp_path) == ("http://[::1]:8000/v1", KEY)
    assert call._server("https://api.example.com/v1", None, tmp_path) == ("https://api.example.com/v1", None)
