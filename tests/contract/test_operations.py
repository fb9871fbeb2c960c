"""The table of operations. Rules E-20, H-2, H-3, W-1."""

from collections import Counter

import msgspec
import pytest

from treadle.contract.fields import Body
from treadle.contract.operations import OPERATIONS, python_name

ROWS = list(OPERATIONS.values())


def test_the_table_has_all_53_operations_once():
    assert len(ROWS) == 53
    assert all(id == row.id for id, row in OPERATIONS.items())
    assert [key for key, count in Counter((row.method, row.path) for row in ROWS).items() if count > 1] == []
    assert all(row.tag and row.summary for row in ROWS)


def test_python_names_are_snake_case_and_correct_the_contracts_misspelling():
    names = {row.id: python_name(row) for row in ROWS}

    assert names["listRunSteps"] == "list_run_steps"
    assert names["createThreadAndRun"] == "create_thread_and_run"
    assert names["submitToolOuputsToRun"] == "submit_tool_outputs_to_run"
    assert len(set(names.values())) == 53
    assert all(name.isidentifier() and name == name.lower() for name in names.values())


def test_path_parameters_come_in_order_with_the_kind_they_name():
    row = OPERATIONS["getRunStep"]

    assert list(row.path_kinds.items()) == [("thread_id", "thread"), ("run_id", "run"), ("step_id", "run_step")]
    assert OPERATIONS["retrieveModel"].path_kinds == {"model": None}


def test_the_beta_header_is_needed_on_assistants_and_threads_only():
    assert {row.path.split("/")[1] for row in ROWS if row.needs_beta} == {"assistants", "threads"}
    assert {row.path.split("/")[1] for row in ROWS if not row.needs_beta} == {
        "vector_stores",
        "files",
        "uploads",
        "models",
        "chat",
        "embeddings",
    }


def test_three_operations_stream_events_and_one_streams_chunks():
    assert {row.id for row in ROWS if row.streams and not row.chunk} == {
        "createRun",
        "createThreadAndRun",
        "submitToolOuputsToRun",
    }
    assert {row.id for row in ROWS if row.chunk} == {"createChatCompletion"}


def test_bodies_belong_to_posts_and_queries_to_those_that_have_parameters():
    assert {row.method for row in ROWS if row.body} == {"POST"}
    assert {row.id for row in ROWS if row.method == "POST" and not row.body} == {
        "cancelRun",
        "cancelVectorStoreFileBatch",
        "cancelUpload",
    }
    assert {row.id for row in ROWS if row.query and row.method != "GET"} == {"createRun"}


@pytest.mark.parametrize("row", [row for row in ROWS if row.body_optional], ids=lambda row: row.id)
def test_an_optional_body_requires_nothing(row):
    assert issubclass(row.body, Body)
    assert msgspec.json.decode(b"{}", type=row.body) == row.body()


def test_exactly_createThread_createVectorStore_and_the_modifications_have_an_optional_body():
    assert {row.id for row in ROWS if row.body_optional} == {
        "createThread",
        "createVectorStore",
        "modifyAssistant",
        "modifyThread",
        "modifyMessage",
        "modifyRun",
        "modifyVectorStore",
    }


def test_only_the_operations_that_are_passed_through_have_a_body_we_do_not_check():
    assert {row.id for row in ROWS if row.body and not issubclass(row.body, Body)} == {
        "createChatCompletion",
        "createEmbedding",
    }
