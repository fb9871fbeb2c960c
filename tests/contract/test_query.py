"""Query strings. Rules P-4, P-12 to P-15, E-42, E-46."""

import pytest

from treadle.contract.errors import InvalidRequest
from treadle.contract.pages import (
    AssistantQuery,
    FileQuery,
    IncludeQuery,
    MessageQuery,
    RunQuery,
    RunStepQuery,
    VectorStoreFileQuery,
    VectorStoreQuery,
)
from treadle.contract.validation import decode_query

CONTENT = "step_details.tool_calls[*].file_search.results[*].content"
ENCODED = "step_details.tool_calls%5B%2A%5D.file_search.results%5B%2A%5D.content"


def test_no_query_gives_the_defaults():
    query = decode_query(RunStepQuery, b"")

    assert (query.limit, query.order, query.after, query.before, query.include) == (20, "desc", None, None, ())


def test_files_have_a_larger_page_and_no_way_back():
    assert decode_query(FileQuery, b"").limit == 10_000
    assert decode_query(FileQuery, b"limit=10000&before=anything&purpose=vision") == FileQuery(purpose="vision")


def test_all_parameters_are_read():
    query = decode_query(MessageQuery, b"limit=1&order=asc&after=msg_a&before=msg_b&run_id=run_c")

    assert query == MessageQuery(limit=1, order="asc", after="msg_a", before="msg_b", run_id="run_c")


@pytest.mark.parametrize(
    "raw",
    [
        f"include[]={CONTENT}",
        f"include%5B%5D={ENCODED}",
        f"include={CONTENT}",
        f"include={ENCODED}",
        f"include[0]={CONTENT}",
        f"include%5B0%5D={ENCODED}",
        f"include=,{CONTENT},",
        f"limit=20&include[]={ENCODED}&order=desc",
    ],
)
def test_include_is_understood_in_every_spelling(raw):
    assert decode_query(RunStepQuery, raw.encode()).include == (CONTENT,)
    assert decode_query(IncludeQuery, raw.encode()).include == (CONTENT,)


@pytest.mark.parametrize(
    "raw",
    [
        f"include[]={CONTENT}&include[]={CONTENT}",
        f"include={CONTENT}&include={CONTENT}",
        f"include[0]={CONTENT}&include[1]={CONTENT}",
        f"include={CONTENT},{CONTENT}",
        f"include={ENCODED}%2C{ENCODED}",
    ],
)
def test_include_may_hold_several_values(raw):
    assert decode_query(RunStepQuery, raw.encode()).include == (CONTENT, CONTENT)


def test_an_empty_include_is_none():
    assert decode_query(RunStepQuery, b"include=&include[]").include == ()


def test_unknown_names_are_ignored_and_the_last_of_a_repeated_scalar_wins():
    query = decode_query(RunStepQuery, b"utm_source=x&limit=5&&limit[]=9&=&limit=7")

    assert query == RunStepQuery(limit=7)


# query type, query, message, param, code
REFUSED = [
    (
        RunStepQuery,
        "limit=0",
        "Invalid 'limit': integer below minimum value. Expected a value >= 1, but got 0 instead.",
        "limit",
        "integer_below_min_value",
    ),
    (
        RunStepQuery,
        "limit=-1",
        "Invalid 'limit': integer below minimum value. Expected a value >= 1, but got -1 instead.",
        "limit",
        "integer_below_min_value",
    ),
    (
        RunStepQuery,
        "limit=101",
        "Invalid 'limit': integer above maximum value. Expected a value <= 100, but got 101 instead.",
        "limit",
        "integer_above_max_value",
    ),
    (
        FileQuery,
        "limit=10001",
        "Invalid 'limit': integer above maximum value. Expected a value <= 10000, but got 10001 instead.",
        "limit",
        "integer_above_max_value",
    ),
    (
        RunStepQuery,
        "limit=abc",
        "Invalid type for 'limit': expected an integer, but got a string instead.",
        "limit",
        "invalid_type",
    ),
    (
        RunStepQuery,
        "limit=",
        "Invalid type for 'limit': expected an integer, but got a string instead.",
        "limit",
        "invalid_type",
    ),
    (
        RunStepQuery,
        "limit=2.0",
        "Invalid type for 'limit': expected an integer, but got a string instead.",
        "limit",
        "invalid_type",
    ),
    (
        RunStepQuery,
        "order=up",
        "Invalid value: 'up'. Supported values are: 'asc' and 'desc'.",
        "order",
        "invalid_value",
    ),
    (
        RunStepQuery,
        "order=ASC",
        "Invalid value: 'ASC'. Supported values are: 'asc' and 'desc'.",
        "order",
        "invalid_value",
    ),
    (
        RunStepQuery,
        "include[]=foo",
        f"Invalid value: 'foo'. Supported values are: '{CONTENT}'.",
        "include[0]",
        "invalid_value",
    ),
    (
        RunStepQuery,
        f"include={CONTENT},foo",
        f"Invalid value: 'foo'. Supported values are: '{CONTENT}'.",
        "include[1]",
        "invalid_value",
    ),
    (
        RunStepQuery,
        "after=run_1",
        "Invalid 'after': 'run_1'. Expected an ID that begins with 'step'.",
        "after",
        "invalid_value",
    ),
    (
        RunQuery,
        "before=step_1",
        "Invalid 'before': 'step_1'. Expected an ID that begins with 'run'.",
        "before",
        "invalid_value",
    ),
    (
        AssistantQuery,
        "after=x",
        "Invalid 'after': 'x'. Expected an ID that begins with 'asst'.",
        "after",
        "invalid_value",
    ),
    (
        MessageQuery,
        "run_id=x",
        "Invalid 'run_id': 'x'. Expected an ID that begins with 'run'.",
        "run_id",
        "invalid_value",
    ),
    (
        VectorStoreQuery,
        "after=vsfb_1",
        "Invalid 'after': 'vsfb_1'. Expected an ID that begins with 'vs'.",
        "after",
        "invalid_value",
    ),
    (
        FileQuery,
        "after=file_1",
        "Invalid 'after': 'file_1'. Expected an ID that begins with 'file'.",
        "after",
        "invalid_value",
    ),
    (
        VectorStoreFileQuery,
        "filter=done",
        "Invalid value: 'done'. Supported values are: 'in_progress', 'completed', 'failed', and 'cancelled'.",
        "filter",
        "invalid_value",
    ),
]


@pytest.mark.parametrize(("type_", "raw", "message", "param", "code"), REFUSED, ids=[row[1][:40] for row in REFUSED])
def test_a_query_is_refused_with_the_contracts_words(type_, raw, message, param, code):
    with pytest.raises(InvalidRequest) as refused:
        decode_query(type_, raw.encode())

    assert (refused.value.message, refused.value.param, refused.value.code) == (message, param, code)
