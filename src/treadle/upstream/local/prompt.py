"""The prompts of the embedded model: a conversation in the words it understands, and the question for a tool call.

Its template knows text from the system, the user and the assistant, nothing else. The examples are there because
a model this small follows examples, not instructions (measured: docs/decisions/0004-embedded-model.md).
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from treadle.upstream.chat import ChatRequest

# About 1,500 tokens: two or three passages of a file. More than that and the model answers from none of them.
_RESULT_MAX_CHARS = 6000
_CALL_HINT = 'You are a helpful assistant. Answer with a call: {"function": ..., "arguments": ...}.'
# Without any the template makes the model introduce itself as a product of its authors.
_DEFAULT_INSTRUCTIONS = "You are a helpful assistant."
_RESULT_HINT = "You answer the user with the result of a function."


class Function(Struct, frozen=True):
    """A function the model may call. Any: its parameters are the user's JSON schema."""

    name: str
    description: str | None = None
    parameters: Any = None


class Conversation(Struct):
    """A request's messages as text. `turns` alternate between user and assistant only as far as the messages did."""

    instructions: list[str]
    turns: list[dict[str, str]]
    question: str  # of the user's last message
    has_results: bool  # of functions that were called for that question

    @classmethod
    def of(cls, request: ChatRequest) -> "Conversation":
        """Images become a word; calls are left out, and their results put before the question that led to them."""
        # Through JSON, because parts of the messages may be `Raw`.
        messages = msgspec.json.decode(msgspec.json.encode(request.messages), type=list[_Message])
        found = cls(instructions=[], turns=[], question="", has_results=False)
        names: dict[str, str] = {}
        results: list[str] = []
        asked: dict[str, str] | None = None  # the turn of the last user message
        for message in messages:
            text = _text(message.content)
            if message.role in ("system", "developer"):
                found.instructions.append(text)
            elif message.role == "tool":
                results.append(f"Result of {names.get(message.tool_call_id, 'the function')}: {text}")
                if asked is not None:
                    asked["content"] = "\n".join(results)[:_RESULT_MAX_CHARS] + f"\n\n{found.question}"
            elif message.role == "user":
                asked, results, found.question = {"role": "user", "content": text}, [], text
                found.turns.append(asked)
            elif text:
                found.turns.append({"role": "assistant", "content": text})
            names |= {call.id: call.function.name for call in message.tool_calls or ()}
        found.has_results = bool(results)
        return found

    def reply_messages(self) -> list[dict[str, str]]:
        """The prompt for an answer in words."""
        system = self.instructions or [_DEFAULT_INSTRUCTIONS]
        if self.has_results:
            return [_system([*system, _RESULT_HINT]), *_RESULT_EXAMPLES, *self.turns]
        return [_system(system), *self.turns]

    def call_messages(self, functions: Sequence[Function]) -> list[dict[str, str]]:
        """The prompt for a call of one of `functions`, from the question alone: more leads the model astray."""
        return [_system([_CALL_HINT]), *_CALL_EXAMPLES, {"role": "user", "content": _call(functions, self.question)}]


def _system(instructions: Sequence[str]) -> dict[str, str]:
    return {"role": "system", "content": "\n".join(instructions)}


def _call(functions: Sequence[Function], question: str) -> str:
    listing = "\n".join(msgspec.json.encode(function).decode() for function in functions)
    return f"Functions:\n{listing}\n\n{question}"


def _text(content: "str | list[_Part] | None") -> str:
    if isinstance(content, list):
        return "\n".join("[image]" if part.text is None else part.text for part in content)
    return content or ""


def _examples(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [
        {"role": role, "content": content}
        for pair in pairs
        for role, content in zip(("user", "assistant"), pair, strict=True)
    ]


def _strings(*names: str) -> dict[str, Any]:
    return {"type": "object", "properties": {name: {"type": "string"} for name in names}, "required": list(names)}


_CALL_EXAMPLES = _examples(
    (
        _call([Function("set_alarm", "Set an alarm", _strings("time", "label"))], "Wake me at 7:30 for the gym."),
        '{"function": "set_alarm", "arguments": {"time": "7:30", "label": "gym"}}',
    ),
    (
        _call(
            [Function("search_shop", "Search the shop for products", _strings("query"))],
            "Do you have running shoes in size 42?",
        ),
        '{"function": "search_shop", "arguments": {"query": "running shoes size 42"}}',
    ),
)
_RESULT_EXAMPLES = _examples(
    (
        'Result of get_time: {"time": "14:05", "zone": "CET"}\n\nWhat time is it in Berlin?',
        "It is 14:05 in Berlin (CET).",
    ),
    (
        "Result of search_shop: Trail runner, 89 euros, sizes 40 to 44. Free returns for 30 days.\n\n"
        "Do you have running shoes in size 42?",
        "Yes, the Trail runner comes in sizes 40 to 44 and costs 89 euros.",
    ),
)


class _Part(Struct):
    text: str | None = None


class _CalledFunction(Struct):
    name: str


class _Call(Struct):
    id: str
    function: _CalledFunction


class _Message(Struct):
    role: str
    content: str | list[_Part] | None = None
    tool_calls: list[_Call] | None = None
    tool_call_id: str = ""
