"""Whether the embedded model calls a function or answers in words, and what it is asked for either."""

from typing import Any

import msgspec
import pytest

from treadle.upstream.chat import ChatRequest
from treadle.upstream.local import tools


def function(name: str, description: str, **properties: str) -> dict[str, Any]:
    parameters = {
        "type": "object",
        "properties": {key: {"type": kind} for key, kind in properties.items()},
        "required": list(properties),
    }
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


WEATHER = function("get_weather", "Get the current weather for a city", city="string")
ORDER = function("lookupOrder", "Look up the status of an order by its number", number="integer")
FILES = function("file_search", "Search the user's files for passages", query="string")
PYTHON = function("code_interpreter", "Run Python code for calculations, data and plots", code="string")
TOOLS = [WEATHER, ORDER, FILES, PYTHON]


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def called(call_id: str, name: str) -> dict[str, Any]:
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": call_id, "type": "function", "function": {"name": name, "arguments": "{}"}}],
    }


def result(call_id: str, text: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": text}


def functions_to_call(plan: tools.Plan) -> list[str]:
    """The functions that the plan's schema allows; [] for an answer in words."""
    if plan.calls is None:
        return []
    schema = plan.request.response_format["json_schema"]["schema"]
    return [option["properties"]["function"]["const"] for option in schema["anyOf"]]


def plan(*messages: dict[str, Any], **fields: Any) -> tools.Plan:
    return tools.plan(ChatRequest(messages=messages, **fields))


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What is the weather in Paris?", ["get_weather"]),
        ("Has any of my orders been shipped?", ["lookupOrder"]),
        ("Write Python that prints the primes", ["code_interpreter"]),
        ("Search for the refund rules", ["file_search"]),
        ("Who signed the contract?", ["file_search"]),
        ("Is the weather good enough to ship my order?", ["get_weather", "lookupOrder"]),
        ("Hello!", []),
        ("Thank you, that was helpful.", []),
        ("Tell me a joke about the number of cats.", ["lookupOrder"]),
        ("", []),
    ],
)
def test_auto_calls_the_function_that_shares_most_words_with_the_question(question: str, expected: list[str]):
    assert functions_to_call(plan(user(question), tools=TOOLS, tool_choice="auto")) == expected


@pytest.mark.parametrize("question", ["What is the capital of France?", "Hello!", "Who are you?", "Good morning"])
def test_a_plain_question_is_answered_in_words_though_functions_are_there(question: str):
    assert functions_to_call(plan(user(question), tools=[WEATHER, ORDER, PYTHON])) == []


@pytest.mark.parametrize(
    ("tool_choice", "expected"),
    [
        ("none", []),
        ("required", ["get_weather", "lookupOrder", "file_search", "code_interpreter"]),
        ({"type": "function", "function": {"name": "lookupOrder"}}, ["lookupOrder"]),
        (msgspec.Raw(b'{"type": "function", "function": {"name": "lookupOrder"}}'), ["lookupOrder"]),
        (msgspec.Raw(b'"none"'), []),
        (None, ["get_weather"]),
    ],
)
def test_tool_choice_decides(tool_choice: Any, expected: list[str]):
    answer = plan(user("What is the weather in Paris?"), tools=TOOLS, tool_choice=tool_choice)

    assert functions_to_call(answer) == expected


def test_after_the_results_of_a_call_the_model_answers_in_words():
    answer = plan(
        user("What is the weather in Paris?"),
        called("call_1", "get_weather"),
        result("call_1", "21 degrees, sunny"),
        tools=TOOLS,
    )

    assert functions_to_call(answer) == []
    assert answer.request.messages[-1] == user(
        "Result of get_weather: 21 degrees, sunny\n\nWhat is the weather in Paris?"
    )


def test_a_new_question_after_an_answered_one_may_call_again():
    answer = plan(
        user("What is the weather in Paris?"),
        called("call_1", "get_weather"),
        result("call_1", "sunny"),
        {"role": "assistant", "content": "It is sunny."},
        user("And the weather in Kyiv?"),
        tools=TOOLS,
    )

    assert functions_to_call(answer) == ["get_weather"]
    assert answer.request.messages[-1]["content"].endswith("\n\nAnd the weather in Kyiv?")


def test_several_results_stand_before_the_question_in_the_order_of_the_calls():
    answer = plan(user("Both?"), called("a", "f"), called("b", "g"), result("a", "one"), result("b", "two"))

    assert answer.request.messages[-1]["content"] == "Result of f: one\nResult of g: two\n\nBoth?"


def test_long_results_are_cut_so_that_they_fit_the_context():
    answer = plan(user("What does it say?"), called("a", "file_search"), result("a", "word " * 10_000))

    content = answer.request.messages[-1]["content"]
    assert 5_900 < len(content) < 6_100
    assert content.endswith("\n\nWhat does it say?")


def test_the_conversation_becomes_text():
    answer = plan(
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": "Be kind."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}},
            ],
        },
        msgspec.Raw(b'{"role": "assistant", "content": "A cat."}'),
        user("Sure?"),
    )

    assert answer.request.messages == [
        {"role": "system", "content": "Be brief.\nBe kind."},
        user("What is this?\n[image]"),
        {"role": "assistant", "content": "A cat."},
        user("Sure?"),
    ]


def test_a_call_is_asked_for_with_the_functions_and_the_question_alone():
    answer = plan(
        {"role": "system", "content": "You are a pirate."},
        user("Hello!"),
        {"role": "assistant", "content": "Arr!"},
        user("What is the weather in Paris?"),
        tools=[WEATHER, ORDER],
    )

    assert "pirate" not in str(answer.request.messages)
    assert answer.request.messages[-1]["content"].startswith('Functions:\n{"name":"get_weather"')
    assert answer.request.messages[-1]["content"].endswith("\n\nWhat is the weather in Paris?")
    assert answer.request.temperature == 0.0


def test_the_arguments_are_held_to_the_parameters_of_the_function():
    answer = plan(user("What is the weather in Paris?"), tools=[WEATHER])

    (option,) = answer.request.response_format["json_schema"]["schema"]["anyOf"]
    assert list(option["properties"]) == ["function", "arguments"]
    assert option["properties"]["arguments"] == {
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 300}},
        "required": ["city"],
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    ("response_format", "expected"),
    [
        (None, None),
        ({"type": "text"}, None),
        ({"type": "json_object"}, {"type": "json_object"}),
        (msgspec.Raw(b'{"type": "json_object"}'), {"type": "json_object"}),
        (
            {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "integer", "multipleOf": 2}}},
            {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": {"type": "integer"}}},
        ),
        ({"type": "json_schema", "json_schema": {"name": "n"}}, {"type": "json_object"}),
    ],
)
def test_response_format_is_kept_as_far_as_the_runtime_can(response_format: Any, expected: Any):
    assert plan(user("Hello!"), response_format=response_format).request.response_format == expected


def test_an_answer_has_a_limit_on_tokens_also_when_the_request_has_none():
    assert plan(user("Hello!")).request.max_tokens == 512
    assert plan(user("Hello!"), max_tokens=2000).request.max_tokens == 2000
    assert plan(user("weather"), tools=[WEATHER]).request.max_tokens == 512
    assert plan(user("weather"), tools=[WEATHER], max_tokens=20).request.max_tokens == 20


@pytest.mark.parametrize(("asked", "used"), [(None, 0.2), (1.0, 0.2), (0.0, 0.0), (2.0, 0.4)])
def test_temperature_is_scaled_to_what_a_small_model_bears(asked: float | None, used: float):
    assert plan(user("Hello!"), temperature=asked).request.temperature == pytest.approx(used)


def test_only_free_text_is_kept_from_repeating_itself():
    assert plan(user("Hello!")).extra_body == {"repeat_penalty": 1.05}
    assert plan(user("Hello!"), response_format={"type": "json_object"}).extra_body == {}
    assert plan(user("Hello!"), called("a", "f"), result("a", "42")).extra_body == {}
    assert plan(user("weather"), tools=[WEATHER]).extra_body == {}
