"""Tool calls for a model that has none: the runtime ignores `tools`, but it can hold the model to a JSON schema.

So we decide whether a function shall be called, have the model write the call as JSON, and `calls.CallReader` tells it
as any other upstream would. The decision is ours because the model's own is worth nothing: left to choose, it called
a function for 14 of 14 plain questions. Numbers: docs/decisions/0004-embedded-model.md.
"""

import re
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from treadle.upstream.chat import ChatRequest
from treadle.upstream.local import schema
from treadle.upstream.local.calls import CallReader
from treadle.upstream.local.prompt import Conversation, Function

T = TypeVar("T")

# The model runs on until something stops it.
_DEFAULT_MAX_TOKENS = 512
# At the API's default of 1.0 a model of this size rambles: 14 of 32 answers used a function's result, at 0.2 it was 22.
_TEMPERATURE_SCALE = 0.2
# Without it 7 of 24 answers ran into the limit on tokens, with it 2.
_FREE_TEXT = {"repeat_penalty": 1.05}
_WORD = re.compile(r"[^\W_]+")
# Words that say nothing about what a function is for.
_COMMON_WORDS = frozenset(
    _WORD.findall("""
    a about all an and any are as at be by call can current do does find for from function get give given has have help
    how i in info information into is it its latest let look lookup me my name need new of on one or our out please
    provide return returns run s set should show some specific tell that the their this to tool up use used user users
    using want was what when where which who why will with would you your
    """)
)
_CAMEL_CASE = re.compile(r"(?<=[a-z])(?=[A-Z])")


class Plan(Struct, frozen=True, kw_only=True):
    """What to ask the runtime (`extra_body` is its own dialect), and the reader of its chunks when it shall call."""

    request: ChatRequest
    extra_body: dict[str, Any]  # Any: JSON
    calls: CallReader | None


def plan(request: ChatRequest) -> Plan:
    """How to answer `request`: with a call of one of its tools, or in words."""
    conversation = Conversation.of(request)
    functions = _to_call(request, conversation)
    max_tokens = _DEFAULT_MAX_TOKENS if request.max_tokens is None else request.max_tokens
    if functions:
        asked = ChatRequest(
            messages=conversation.call_messages(functions),
            response_format=_schema_format(_call_schema(functions)),
            temperature=0.0,
            max_tokens=max_tokens,
        )
        return Plan(request=asked, extra_body={}, calls=CallReader())
    asked = ChatRequest(
        messages=conversation.reply_messages(),
        response_format=_reply_format(request.response_format),
        temperature=_TEMPERATURE_SCALE * (1.0 if request.temperature is None else request.temperature),
        top_p=request.top_p,
        max_tokens=max_tokens,
    )
    # Words that have to be repeated, from a result or in JSON, come out wrong under a penalty.
    may_repeat = conversation.has_results or asked.response_format is not None
    return Plan(request=asked, extra_body={} if may_repeat else _FREE_TEXT, calls=None)


def _to_call(request: ChatRequest, conversation: Conversation) -> list[Function]:
    """The functions of which the model has to call one now; none means that it answers in words.

    `tool_choice` decides when it can. With "auto" it is those that share most words with the question, and after
    the results of a call always none: this model would call for ever.
    """
    functions = [tool.function for tool in _json(request.tools or (), list[_Tool]) if tool.function is not None]
    match _json(request.tool_choice, Any):
        case "none":
            return []
        case "required":
            return functions
        case {"function": {"name": name}}:
            return [function for function in functions if function.name == name]
    return [] if conversation.has_results else _best_matches(functions, conversation.question)


def _best_matches(functions: Sequence[Function], question: str) -> list[Function]:
    words = _stems(question)
    scores = [len(words & _stems(f"{function.name} {function.description or ''}")) for function in functions]
    best = max(scores, default=0)
    if best > 0:
        return [function for function, score in zip(functions, scores, strict=True) if score == best]
    # What stands in files is not in the words of a tool, and a search too many does no harm.
    return [function for function in functions if function.name == "file_search" and "?" in question]


def _stems(text: str) -> set[str]:
    """The telling words of `text` by their first five letters, so that "orders" meets "order"."""
    words = _WORD.findall(_CAMEL_CASE.sub(" ", text).lower())
    return {word[:5] if len(word) > 4 else word.rstrip("s") for word in words if word not in _COMMON_WORDS}


def _call_schema(functions: Sequence[Function]) -> schema.Schema:
    calls = [
        schema.closed_object({"function": {"const": function.name}, "arguments": schema.arguments(function.parameters)})
        for function in functions
    ]
    return {"anyOf": calls}


def _reply_format(asked: Any) -> dict[str, Any] | None:
    """The request's `response_format` (Any: JSON, or Raw) as far as the runtime can keep it."""
    match _json(asked, Any):
        case {"type": "json_schema", "json_schema": {"schema": wanted}}:
            return _schema_format(schema.constrained(wanted))
        case {"type": "json_schema" | "json_object"}:
            return {"type": "json_object"}
    return None


def _schema_format(wanted: schema.Schema) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": wanted}}


class _Tool(Struct):
    function: Function | None = None


def _json(value: Any, kind: type[T]) -> T:
    """`value`, parts of which may be `Raw`, as plain data of `kind`."""
    return msgspec.json.decode(msgspec.json.encode(value), type=kind)
