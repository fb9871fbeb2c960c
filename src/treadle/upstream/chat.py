"""A streamed chat completion in types: the request, the chunks of the answer, and the attempts it took.

What real servers send differs in many small ways; `wire.py` irons that out, so a reader of `ChatChunk` need not care.
`stream.py` does the talking.
"""

from collections.abc import Sequence
from typing import Any, Literal

from msgspec import Raw, Struct

FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]


class ToolCallFragment(Struct, gc=False):
    """A piece of one tool call. `index` counts calls of this answer from 0 without gaps, in order of appearance.

    The first fragment of an index is its head: `name` is set, and `id` too unless the server gave none (then the reader
    makes one). Later ones have neither. `arguments` are to be joined; they are the model's own text, maybe no JSON.
    """

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""


class ChatUsage(Struct, frozen=True, gc=False):
    """Tokens of the whole answer. Servers may report it more than once: the last one counts."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


class ChatChunk(Struct):
    """What one event of the stream said; never empty. `finish_reason` comes once, in the last chunk but for usage.

    "tool_calls" is told exactly when there were calls and the answer was not cut short, whatever the server called it.
    """

    content: str = ""
    refusal: str = ""
    tool_calls: Sequence[ToolCallFragment] = ()
    finish_reason: FinishReason | None = None
    usage: ChatUsage | None = None


class ChatRequest(Struct, frozen=True, kw_only=True):
    """A streamed completion in the API's own terms. A field that is None is not sent; Any is JSON we pass on."""

    messages: Sequence[dict[str, Any] | Raw]
    tools: Sequence[dict[str, Any] | Raw] | None = None
    tool_choice: str | dict[str, Any] | Raw | None = None
    parallel_tool_calls: bool | None = None
    response_format: dict[str, Any] | Raw | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    reasoning_effort: str | None = None


class Attempt(Struct, frozen=True, kw_only=True):
    """One try: when it began, how long until its first token or its failure, and what came of it."""

    started_at_ms: int
    took_ms: int
    status: int | None
    error: str | None
