"""The clients' methods are those of the table of operations: names, arguments, results."""

import inspect
import typing

import pytest
from msgspec import UNSET, structs

from treadle import AsyncClient, Client
from treadle.client import generate, parameters
from treadle.client.events import AsyncStream, Event, Stream
from treadle.contract.additions import ADDITIONS
from treadle.contract.operations import OPERATIONS, python_name
from treadle.contract.run_steps import RunStepList
from treadle.contract.runs import Run

TABLE = [*OPERATIONS.values(), *ADDITIONS.values()]
# What belongs to the client as such.
OWN = {"call", "close", "each"}


@pytest.mark.parametrize("kind", generate.KINDS, ids=lambda kind: kind.client)
def test_the_module_is_what_the_generator_writes_from_the_table(kind):
    written = (generate.FOLDER / kind.file_name).read_text(encoding="utf-8")

    assert written == generate.source(kind), "run: python -m treadle.client.generate"


@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_each_operation_is_a_method_in_both_spellings_and_nothing_else_is(client):
    methods = {name for name, _ in inspect.getmembers(client, inspect.isfunction) if not name.startswith("_")} - OWN

    assert methods == {operation.id for operation in TABLE} | {python_name(operation) for operation in TABLE}
    for operation in TABLE:
        assert getattr(client, operation.id) is getattr(client, python_name(operation))
    assert not hasattr(client, "submit_tool_ouputs_to_run")


@pytest.mark.parametrize("operation", TABLE, ids=lambda operation: operation.id)
def test_a_method_takes_path_query_and_body_by_name_and_requires_what_the_contract_requires(operation):
    arguments = dict(inspect.signature(getattr(Client, operation.id)).parameters)
    del arguments["self"]

    fields = {
        field.name: field.required
        for type_ in (operation.query, operation.body)
        if type_ is not None
        for field in structs.fields(type_)
    }
    fields |= dict.fromkeys(operation.path_kinds, True)
    if operation.id == "listFiles":
        del fields["before"]  # F-6: files are not paged backwards
    if operation.id == "streamRun":
        fields["last_event_id"] = False
    assert {name: one.default is inspect.Parameter.empty for name, one in arguments.items()} == fields
    assert {one.kind for one in arguments.values()} <= {inspect.Parameter.KEYWORD_ONLY}
    assert all(one.default is UNSET for one in arguments.values() if one.default is not inspect.Parameter.empty)


@pytest.mark.parametrize("operation", TABLE, ids=lambda operation: operation.id)
def test_a_method_says_what_it_does_and_where_it_goes(operation):
    text = inspect.getdoc(getattr(AsyncClient, operation.id))

    assert text.startswith(f"{operation.summary}.\n")
    assert f"{operation.method} {operation.path}" in text
    assert all(f"{name}: " in text for name in operation.path_kinds)


def test_results_are_the_contracts_types_and_streams():
    def result(method):
        return typing.get_type_hints(method)["return"]

    assert result(Client.list_run_steps) is RunStepList
    assert result(Client.create_run) == Run | Stream[Event]
    assert result(AsyncClient.create_run) == Run | AsyncStream[Event]
    assert result(Client.stream_run) == Stream[Event]
    assert result(Client.download_file) is bytes


def test_a_type_checker_tells_a_stream_from_a_run(tmp_path):
    from mypy import api

    program = tmp_path / "program.py"
    program.write_text(
        "from treadle import Client\n"
        "client = Client()\n"
        "reveal_type(client.createRun(thread_id='t', assistant_id='a', stream=True))\n"
        "reveal_type(client.create_run(thread_id='t', assistant_id='a'))\n"
        "reveal_type(next(client.each(client.list_run_steps, thread_id='t', run_id='r')))\n"
        "client.create_run(assistant_id='a')\n"
        "client.create_thread(messages=[{'role': 'user', 'content': 'Hi'}], metadata={'a': 'b'})\n"
    )

    report, _, _ = api.run([str(program), "--no-error-summary", "--follow-imports=silent", "--no-incremental"])

    lines = [line.split(":", 2)[2].strip() for line in report.splitlines()]
    assert lines[:3] == [
        'note: Revealed type is "treadle.client.events.Stream[treadle.client.events.Event]"',
        'note: Revealed type is "treadle.contract.runs.Run"',
        'note: Revealed type is "treadle.contract.run_steps.RunStep"',
    ]
    assert lines[3].startswith('error: No overload variant of "create_run" of "Client" matches argument type')
    assert not [line for line in lines[4:] if line.startswith("error")]


def test_names_of_path_query_and_body_do_not_collide_so_that_the_flat_list_says_all():
    for operation in TABLE:
        types = [type_ for type_ in (operation.query, operation.body) if type_ is not None]
        names = [*operation.path_kinds, *(field.name for type_ in types for field in structs.fields(type_))]
        assert len(set(names)) == len(names), operation.id
        assert "body" not in names


def test_an_operation_is_found_by_either_spelling():
    assert parameters.operation_named("list_run_steps") is parameters.operation_named("listRunSteps")
    with pytest.raises(LookupError, match="no operation 'listRunStep'"):
        parameters.operation_named("listRunStep")
