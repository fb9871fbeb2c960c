"""What the scripted model says: turns, built by the functions below or read from a JSON or TOML file.

- a text: `say("It is sunny.")`
- a tool call: `function_call("get_weather", {"city": "Kyiv"})`
- text, then two calls at once: `say("Let me look.") + function_call("a", {}) + function_call("b", {})`
- a fault in the middle: `cut(say("It is sunny."), after_chunks=1)`
"""

import pathlib
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct
from msgspec.structs import replace

Json: TypeAlias = dict[str, Any]  # Any: a chunk as another server would send it


class Call(Struct, frozen=True, kw_only=True):
    """A tool call. Arguments that are a string go out as they are, valid JSON or not."""

    name: str
    arguments: dict[str, Any] | str
    id: str | None = None

    @property
    def text(self) -> str:
        return self.arguments if isinstance(self.arguments, str) else msgspec.json.encode(self.arguments).decode()


class Fail(Struct, frozen=True, tag="fail", tag_field="type"):
    """Answer with this status and body instead."""

    status: int
    headers: dict[str, str] = {}
    body: str = ""


class Hang(Struct, frozen=True, tag="hang", tag_field="type"):
    """Fall silent after so many chunks; with none, before the response headers."""

    after_chunks: int = 0


class Cut(Struct, frozen=True, tag="cut", tag_field="type"):
    """Close the connection after so many chunks, or `inside` the one that follows."""

    after_chunks: int = 0
    inside: bool = False


class InvalidJson(Struct, frozen=True, tag="invalid_json", tag_field="type"):
    """Send half a JSON object as a whole event after so many chunks."""

    after_chunks: int = 0


class Turn(Struct, frozen=True, kw_only=True):
    """One answer. `chunk_size` is in code points; `delay_seconds` passes before each chunk but the first.

    `usage` None is counted by the server; `chunks`, when given, are sent instead of all the rest; `plain` answers with
    one JSON object even when a stream was asked for.
    """

    text: str = ""
    refusal: str = ""
    calls: tuple[Call, ...] = ()
    finish_reason: str | None = None
    usage: Json | None = None
    chunk_size: int = 8
    first_delay_seconds: float = 0.0
    delay_seconds: float = 0.0
    plain: bool = False
    chunks: tuple[Json, ...] = ()
    fault: Fail | Hang | Cut | InvalidJson | None = None

    def __add__(self, other: "Turn") -> "Turn":
        """Both in one answer; what is not text or calls is the left one's."""
        return replace(self, text=self.text + other.text, calls=self.calls + other.calls)

    @property
    def told_finish_reason(self) -> str:
        return self.finish_reason or ("tool_calls" if self.calls else "stop")


class Script(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`turns` are used up, one per request. With `rounds` the request decides instead.

    `rounds[n]` answers a prompt that has n rounds of tool calls after its last user message; its k-th entry the k-th
    time that very prompt comes. Past the end of either list its last entry stays. A model named in `rounds_of` has
    rounds of its own.
    """

    turns: tuple[Turn, ...] = ()
    rounds: tuple[tuple[Turn, ...], ...] = ()
    rounds_of: dict[str, tuple[tuple[Turn, ...], ...]] = {}


def say(
    text: str,
    *,
    usage: Json | None = None,
    chunk_size: int = 8,
    first_delay_seconds: float = 0.0,
    delay_seconds: float = 0.0,
    finish_reason: str | None = None,
    plain: bool = False,
) -> Turn:
    return Turn(
        text=text,
        usage=usage,
        chunk_size=chunk_size,
        first_delay_seconds=first_delay_seconds,
        delay_seconds=delay_seconds,
        finish_reason=finish_reason,
        plain=plain,
    )


def say_json(value: Any) -> Turn:
    """A JSON value as text, for response formats. Any: it is encoded."""
    return Turn(text=msgspec.json.encode(value).decode())


def function_call(name: str, arguments: Mapping[str, Any] | str, *, id: str | None = None) -> Turn:
    return Turn(calls=(Call(name=name, arguments=arguments if isinstance(arguments, str) else dict(arguments), id=id),))


def broken_arguments(name: str, *, id: str | None = None) -> Turn:
    """A call whose arguments stop in the middle of a string."""
    return function_call(name, '{"city": "Ky', id=id)


def refuse(text: str) -> Turn:
    return Turn(refusal=text)


def raw(*chunks: Json) -> Turn:
    """Chunks exactly as some server would send them."""
    return Turn(chunks=chunks)


def empty_choice() -> Turn:
    return raw({"object": "chat.completion.chunk", "choices": []})


def fail(status: int, headers: Mapping[str, str] | None = None, body: Json | str = "") -> Turn:
    text = body if isinstance(body, str) else msgspec.json.encode(body).decode()
    return Turn(fault=Fail(status=status, headers=dict(headers or {}), body=text))


def hang(turn: Turn | None = None, *, after_chunks: int = 0) -> Turn:
    return replace(turn or Turn(), fault=Hang(after_chunks=after_chunks))


def cut(turn: Turn | None = None, *, after_chunks: int = 0, inside: bool = False) -> Turn:
    return replace(turn or Turn(text="Half of this is lost."), fault=Cut(after_chunks=after_chunks, inside=inside))


def invalid_json(turn: Turn | None = None, *, after_chunks: int = 0) -> Turn:
    return replace(turn or Turn(), fault=InvalidJson(after_chunks=after_chunks))


def load(path: pathlib.Path) -> Script:
    """Read a script file. Raises OSError, and msgspec.MsgspecError when it is no script."""
    decode = msgspec.toml.decode if path.suffix == ".toml" else msgspec.json.decode
    return decode(path.read_bytes(), type=Script)


def chunks(turn: Turn, head: Json, usage: Json | None) -> Iterator[Json]:
    """The turn as chat completion chunks; `head` holds id, model and so on. `usage` None sends none."""

    def chunk(delta: Json, finish_reason: str | None = None) -> Json:
        return {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]}

    if turn.chunks:
        yield from turn.chunks
        return
    yield chunk({"role": "assistant", "content": ""})
    for field, text in (("content", turn.text), ("refusal", turn.refusal)):
        yield from (chunk({field: piece}) for piece in _pieces(text, turn.chunk_size))
    for index, call in enumerate(turn.calls):
        function = {"name": call.name, "arguments": ""}
        yield chunk({"tool_calls": [{"index": index, "id": call.id, "type": "function", "function": function}]})
        for piece in _pieces(call.text, turn.chunk_size):
            yield chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    yield chunk({}, turn.told_finish_reason)
    if usage is not None:
        yield {**head, "choices": [], "usage": usage}


def completion(turn: Turn, head: Json, usage: Json) -> Json:
    """The turn as one object, for a request without `stream`."""
    if turn.chunks:
        return turn.chunks[0]
    message: Json = {"role": "assistant", "content": turn.text or None, "refusal": turn.refusal or None}
    if turn.calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.text}}
            for call in turn.calls
        ]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": turn.told_finish_reason}
    return {**head, "choices": [choice], "usage": usage}


def _pieces(text: str, size: int) -> Iterator[str]:
    return (text[start : start + size] for start in range(0, len(text), size))
