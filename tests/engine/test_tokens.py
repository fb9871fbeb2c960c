"""The estimate of prompt tokens."""

import time

import pytest

from treadle.engine import tokens


@pytest.mark.parametrize(
    ("text", "count"), [("", 0), ("hello", 1), ("hello world", 2), ("rain " * 100, 101), ("<|endoftext|>", 7)]
)
def test_text_is_counted_as_cl100k_does_and_special_words_are_plain_text(text, count):
    assert tokens.of_text(text) == count


def test_a_message_costs_its_text_and_what_the_template_adds():
    assert tokens.of_message({"role": "user", "content": "hello world"}) == 2 + tokens.PER_MESSAGE


def test_the_parts_of_a_message_are_counted_and_an_image_has_a_price():
    parts = [{"type": "text", "text": "hello world"}, {"type": "image_url", "image_url": {"url": "http://x/y.png"}}]

    assert tokens.of_message({"role": "user", "content": parts}) == 2 + tokens.PER_IMAGE + tokens.PER_MESSAGE


def test_calls_are_counted_with_their_names_and_arguments():
    call = {"id": "call_1", "type": "function", "function": {"name": "hello", "arguments": "hello world"}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}

    assert tokens.of_message(message) == 1 + 2 + 2 * tokens.PER_MESSAGE


def test_tools_are_counted_as_their_json_and_none_cost_nothing():
    tool = {"type": "function", "function": {"name": "roll", "parameters": {}}}

    assert tokens.of_tools([]) == 0
    assert tokens.of_tools([tool, tool]) > tokens.of_tools([tool]) > 5


def test_a_long_text_without_white_space_is_counted_in_time():
    started = time.monotonic()

    assert tokens.of_text("x" * 256_000) > 10_000
    assert time.monotonic() - started < 10
