"""Tool calls are read out of the model's JSON while it is written, however it is cut into chunks."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.upstream.chat import ChatChunk, ChatUsage, FinishReason, ToolCallFragment
from treadle.upstream.local.calls import CallReader

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
ARGUMENTS = st.dictionaries(st.text(max_size=5), JSON_VALUES, max_size=4)


def read(*texts: str, finish_reason: FinishReason = "stop") -> list[ChatChunk]:
    reader = CallReader()
    return [
        *(told for text in texts for told in reader.read([ChatChunk(content=text)])),
        *reader.read([ChatChunk(finish_reason=finish_reason)]),
    ]


def joined(chunks: list[ChatChunk]) -> tuple[str | None, str, str, FinishReason | None]:
    """(function, arguments, content, finish reason) of a whole answer."""
    fragments = [fragment for chunk in chunks for fragment in chunk.tool_calls]
    return (
        fragments[0].name if fragments else None,
        "".join(fragment.arguments for fragment in fragments),
        "".join(chunk.content for chunk in chunks),
        chunks[-1].finish_reason,
    )


def test_the_head_is_told_first_and_the_arguments_follow_as_they_come():
    chunks = read('{"function": "get_wea', 'ther", "arguments"', ': {"ci', 'ty": "Ky', 'iv"}', "}")

    assert [list(chunk.tool_calls) for chunk in chunks] == [
        [ToolCallFragment(index=0, name="get_weather", arguments='{"ci')],
        [ToolCallFragment(index=0, arguments='ty":"Ky')],
        [ToolCallFragment(index=0, arguments='iv"}')],
        [],
    ]
    assert chunks[-1].finish_reason == "tool_calls"


@pytest.mark.parametrize(
    ("written", "arguments"),
    [
        ('{"function": "f", "arguments": {}}', "{}"),
        ('{\n  "function"\n:\n"f",\n\t"arguments" : { "a" : [ 1, 2 ] , "b" : true }\n}\n', '{"a":[1,2],"b":true}'),
        (r'{"function":"f","arguments":{"a":"} \" { \\"}}', r'{"a":"} \" { \\"}'),
        (r'{"function":"f","arguments":{"a":"😀 é\n"}}', r'{"a":"😀 é\n"}'),
        ('{"function":"f","arguments":{"a":{"b":{"c":" kept  spaces "}}}}', '{"a":{"b":{"c":" kept  spaces "}}}'),
    ],
)
def test_arguments_keep_their_text_but_for_whitespace_between_tokens(written: str, arguments: str):
    assert joined(read(written)) == ("f", arguments, "", "tool_calls")


@given(arguments=ARGUMENTS, indent=st.sampled_from([None, 2]), ascii_only=st.booleans(), data=st.data())
def test_any_call_cut_anywhere_gives_the_same_call(arguments, indent, ascii_only, data):
    written = json.dumps({"function": "f", "arguments": arguments}, indent=indent, ensure_ascii=ascii_only)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(written)), max_size=10)))
    pieces = [written[start:end] for start, end in zip([0, *cuts], [*cuts, len(written)], strict=True)]

    function, told, content, finish_reason = joined(read(*pieces))

    assert (function, content, finish_reason) == ("f", "", "tool_calls")
    assert told == json.dumps(arguments, ensure_ascii=ascii_only, separators=(",", ":"))


@pytest.mark.parametrize("written", ['{"function": "get_wea', '{"function": "f", "arguments": {"city": "Ky'])
def test_a_call_that_hits_the_token_limit_ends_with_length(written: str):
    assert read(written, finish_reason="length")[-1].finish_reason == "length"


def test_text_that_is_no_call_is_passed_on_as_content():
    assert joined(read("I cannot ", "do that.")) == (None, "", "I cannot do that.", "stop")


def test_usage_is_passed_on():
    usage = ChatUsage(prompt_tokens=285, completion_tokens=19)

    assert CallReader().read([ChatChunk(usage=usage)]) == [ChatChunk(usage=usage)]


def test_a_chunk_that_adds_nothing_is_not_told():
    assert CallReader().read([ChatChunk(content='{"function"')]) == []
