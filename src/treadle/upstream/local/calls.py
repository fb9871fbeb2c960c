"""Reading a tool call out of the JSON that the embedded model is held to, while it is being written."""

import re
from collections.abc import Iterable

from treadle.upstream.chat import ChatChunk, ToolCallFragment

# `schema.closed_object` fixes the order of the two keys, and function names need no escapes.
_HEAD = re.compile(r'\s*\{\s*"function"\s*:\s*"([^"\\]*)"\s*,\s*"arguments"\s*:\s*(?=\{)')
_WHITESPACE = " \t\r\n"


class CallReader:
    """Turns chunks of the text `{"function": NAME, "arguments": OBJECT}` into one tool call. One reader per answer.

    The call's head is told when its name is complete, the object's text as it comes, without the whitespace that small
    models love to put between tokens. Text that is no such call is passed on as content.
    """

    def __init__(self) -> None:
        self._head = ""  # what came before the arguments, until it is complete
        self._called = False
        self._depth = 0  # of braces and brackets; 0 again means that the arguments are complete
        self._in_string = self._escaped = self._complete = False

    def read(self, chunks: Iterable[ChatChunk]) -> list[ChatChunk]:
        """What `chunks` add to the call; [] when that is nothing yet."""
        return [told for chunk in chunks if (told := self._read(chunk)) != ChatChunk()]

    def _read(self, chunk: ChatChunk) -> ChatChunk:
        told = ChatChunk(refusal=chunk.refusal, usage=chunk.usage, finish_reason=chunk.finish_reason)
        if chunk.content and (fragments := self._fragments(chunk.content)):
            told.tool_calls = fragments
        if chunk.finish_reason == "stop":
            if self._called:
                told.finish_reason = "tool_calls"
            else:
                told.content = self._head
        return told

    def _fragments(self, text: str) -> list[ToolCallFragment]:
        if self._called:
            arguments = self._arguments(text)
            return [ToolCallFragment(index=0, arguments=arguments)] if arguments else []
        self._head += text
        if (head := _HEAD.match(self._head)) is None:
            return []
        self._called = True
        return [ToolCallFragment(index=0, name=head[1], arguments=self._arguments(self._head[head.end() :]))]

    def _arguments(self, text: str) -> str:
        """The part of `text` that belongs to the arguments; after their last brace only the wrapper's own follows."""
        return "".join(char for char in text if self._belongs(char))

    def _belongs(self, char: str) -> bool:
        if self._complete:
            return False
        if self._in_string:
            self._in_string = self._escaped or char != '"'
            self._escaped = char == "\\" and not self._escaped
        elif char in _WHITESPACE:
            return False
        elif char == '"':
            self._in_string = True
        elif char in "{[":
            self._depth += 1
        elif char in "}]":
            self._depth -= 1
            self._complete = self._depth == 0
        return True
