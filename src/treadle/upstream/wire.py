"""The bytes of a chat completion, as OpenAI-compatible servers really send them, turned into `ChatChunk`s.

Null, missing and extra fields are all accepted. `Translator` remembers what a single chunk cannot tell: which calls
have begun, and whether the answer has ended.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from treadle.upstream import failures
from treadle.upstream.chat import ChatChunk, ChatUsage, FinishReason, ToolCallFragment
from treadle.upstream.errors import UpstreamBadAnswer
from treadle.upstream.models import UpstreamSettings

_DONE = b"[DONE]"
_CUT_SHORT: dict[str, FinishReason] = {
    "length": "length",
    "max_tokens": "length",
    "content_filter": "content_filter",
}


class _Function(Struct):
    name: str | None = None
    arguments: str | dict[str, Any] | None = None  # a few servers send the parsed object


class _ToolCall(Struct):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Part(Struct):
    type: str | None = None
    text: str | None = None


class _Delta(Struct):
    content: str | list[_Part] | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None
    function_call: _Function | None = None


class _Choice(Struct):
    delta: _Delta | None = None
    message: _Delta | None = None  # instead of `delta` in an answer that is not streamed
    finish_reason: str | None = None


class _TokenDetails(Struct):
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


class _Usage(Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _TokenDetails | None = None
    completion_tokens_details: _TokenDetails | None = None


class _Chunk(Struct):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: Any = None  # Any: text or object; `failures` looks into it
    object: str | None = None


_decode = msgspec.json.Decoder(_Chunk).decode


class _Call(Struct):
    """A tool call of this answer. Until its name comes it has no `index`, and `held` collects its arguments."""

    id: str | None
    index: int | None = None
    held: str = ""


class Translator:
    """One per answer. Feed it each event's data, or the whole body of an answer that is not streamed; then `finish`."""

    def __init__(self, upstream: UpstreamSettings) -> None:
        self.finished = False  # a finish reason was told
        self.done = False  # the server said [DONE]
        self._upstream = upstream
        self._had_choice = False
        self._calls: list[_Call] = []
        self._heads = 0
        self._at: dict[int, _Call] = {}

    def event(self, data: bytes) -> ChatChunk | None:
        """The chunk in one event's data, or None when it says nothing: a role, reasoning, a filter's report.

        Raises UpstreamBadAnswer when it is no chunk, and what `failures.in_stream` says when it is an error.
        """
        if data.strip() == _DONE:
            self.done = True
            return None
        try:
            chunk = _decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise self._bad(f"sent a chunk that we cannot read ({error}): {_excerpt(data)}") from error
        if chunk.error is not None or chunk.object == "error":
            raise failures.in_stream(self._upstream, data)
        usage = None if chunk.usage is None else _usage(chunk.usage)
        if chunk.choices:
            return self._choice(chunk.choices[0], usage)
        return None if usage is None else ChatChunk(usage=usage)

    def finish(self) -> ChatChunk | None:
        """Called when the body has ended. A server that says [DONE] without a finish reason has ended all the same.

        Raises UpstreamBadAnswer for an answer without a choice, one cut short, and a call that never got its name.
        """
        if not self._had_choice:
            raise self._bad("answered without any choice.")
        if not self.finished and not self.done:
            raise self._bad("stopped in the middle of its answer, before a finish_reason.")
        if self._heads < len(self._calls):
            raise self._bad("called a tool without naming it.")
        return None if self.finished else ChatChunk(finish_reason=self._finish_reason("stop"))

    def _choice(self, choice: _Choice, usage: ChatUsage | None) -> ChatChunk | None:
        self._had_choice = True
        chunk = ChatChunk(usage=usage)
        if (delta := choice.delta or choice.message) is not None:
            if delta.content:
                chunk.content = delta.content if isinstance(delta.content, str) else _joined(delta.content)
            if delta.refusal:
                chunk.refusal = delta.refusal
            if calls := delta.tool_calls or (delta.function_call and [_ToolCall(function=delta.function_call)]):
                chunk.tool_calls = [piece for call in calls if (piece := self._fragment(call)) is not None]
        if choice.finish_reason and not self.finished:
            self.finished = True
            chunk.finish_reason = self._finish_reason(choice.finish_reason)
        elif not (chunk.content or chunk.tool_calls or chunk.refusal or usage):
            return None
        return chunk

    def _fragment(self, wire: _ToolCall) -> ToolCallFragment | None:
        """The fragment to pass on: a head as soon as the name is known, afterwards only arguments."""
        function = wire.function or _Function()
        name, arguments = function.name or None, _arguments(function.arguments)
        call = self._call(wire, name)
        if call.index is not None:
            return ToolCallFragment(index=call.index, arguments=arguments) if arguments else None
        call.id = call.id or wire.id or None
        call.held += arguments
        if name is None:
            return None
        call.index, self._heads = self._heads, self._heads + 1
        return ToolCallFragment(index=call.index, id=call.id, name=name, arguments=call.held)

    def _call(self, wire: _ToolCall, name: str | None) -> _Call:
        """The call this fragment belongs to. Some servers leave out the index, some give 0 to each parallel call."""
        if wire.index is not None:
            known = self._at.get(wire.index)
        else:
            known = next((call for call in self._calls if call.id == wire.id and wire.id), None)
            if known is None and name is None and self._calls:
                known = self._calls[-1]
        another = known is not None and name and wire.id and known.id and wire.id != known.id
        if known is not None and not another:
            return known
        call = _Call(id=wire.id or None)
        self._calls.append(call)
        if wire.index is not None:
            self._at[wire.index] = call
        return call

    def _finish_reason(self, told: str) -> FinishReason:
        """OpenAI itself says "stop" after a forced call, and some servers after any; others use words of their own."""
        return _CUT_SHORT.get(told) or ("tool_calls" if self._calls else "stop")

    def _bad(self, what: str) -> UpstreamBadAnswer:
        return UpstreamBadAnswer(f"{failures.name(self._upstream)} {what}")


def _joined(parts: Sequence[_Part]) -> str:
    return "".join(part.text for part in parts if part.text and part.type == "text")


def _arguments(value: str | dict[str, Any] | None) -> str:
    return msgspec.json.encode(value).decode() if isinstance(value, dict) else value or ""


def _usage(wire: _Usage) -> ChatUsage | None:
    if wire.prompt_tokens is None or wire.completion_tokens is None:
        return None
    cached, reasoning = wire.prompt_tokens_details, wire.completion_tokens_details
    return ChatUsage(
        prompt_tokens=wire.prompt_tokens,
        completion_tokens=wire.completion_tokens,
        cached_tokens=(cached and cached.cached_tokens) or 0,
        reasoning_tokens=(reasoning and reasoning.reasoning_tokens) or 0,
    )


def _excerpt(data: bytes) -> str:
    text = data[:200].decode(errors="replace").strip()
    return f"{text}..." if len(data) > 200 else text
