"""A run's tools as the model is shown them. Function tools are the client's; the built-in ones are ours.

The built-in tools are offered as functions, so that the model can decide to call them (CI-9).
"""

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

from msgspec import UNSET

from treadle.contract.runs import Run
from treadle.contract.tools import CodeInterpreterTool, FileSearchTool, FunctionTool, NamedToolChoice, Tool

ChatTool: TypeAlias = dict[str, Any]  # JSON of the Chat Completions API

CODE_INTERPRETER: Final = "code_interpreter"
FILE_SEARCH: Final = "file_search"

_BUILT_IN: Final[dict[str, ChatTool]] = {
    CODE_INTERPRETER: {
        "description": "Run Python code in a sandbox and see what it prints.",
        "parameters": {
            "type": "object",
            "properties": {"input": {"type": "string", "description": "The Python code to run."}},
            "required": ["input"],
        },
    },
    FILE_SEARCH: {
        "description": "Search the files that belong to this conversation.",
        "parameters": {
            "type": "object",
            "properties": {"query": {"type": "string", "description": "What to look for, in words."}},
            "required": ["query"],
        },
    },
}


class BuiltInToolMissing(Exception):
    """The model called a built-in tool that this server does not have (CI-9)."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.message = f"{name} is not available on this server."


def offered(run: Run) -> list[ChatTool]:
    """The `tools` of the model request; empty when the run may call none (R-27)."""
    if run.tool_choice == "none":
        return []
    return [_chat_tool(tool, run.tools) for tool in run.tools]


def choice(run: Run, *, turn: int) -> str | ChatTool | None:
    """The `tool_choice` of the model request; None leaves it out. A forced call is forced in the first turn only."""
    if turn > 0 or run.tool_choice in ("auto", "none", None) or not run.tools:
        return None
    if isinstance(run.tool_choice, NamedToolChoice):
        named = run.tool_choice
        name = named.function.name if named.function is not UNSET else _offered_name(named.type, run.tools)
        return {"type": "function", "function": {"name": name}}
    return "required"


def built_in_kinds(tools: Sequence[Tool]) -> tuple[str, ...]:
    """What these tools need of the worker that executes the run."""
    return tuple(sorted({kind for tool in tools if (kind := _kind(tool)) is not None}))


def refuse_built_in(name: str, tools: Sequence[Tool]) -> None:
    """Raise BuiltInToolMissing when a call by `name` means one of ours."""
    for tool in tools:
        kind = _kind(tool)
        if kind is not None and name == _offered_name(kind, tools):
            raise BuiltInToolMissing(kind)


def _chat_tool(tool: Tool, tools: Sequence[Tool]) -> ChatTool:
    if isinstance(tool, FunctionTool):
        function: ChatTool = {"name": tool.function.name}
        if tool.function.description is not UNSET:
            function["description"] = tool.function.description
        # Some servers insist on parameters; a function without any takes none.
        given = tool.function.parameters
        function["parameters"] = {"type": "object", "properties": {}} if given is UNSET else given
        if tool.function.strict:
            function["strict"] = True
        return {"type": "function", "function": function}
    kind = CODE_INTERPRETER if isinstance(tool, CodeInterpreterTool) else FILE_SEARCH
    return {"type": "function", "function": {"name": _offered_name(kind, tools), **_BUILT_IN[kind]}}


def _kind(tool: Tool) -> str | None:
    if isinstance(tool, CodeInterpreterTool):
        return CODE_INTERPRETER
    return FILE_SEARCH if isinstance(tool, FileSearchTool) else None


def _offered_name(kind: str, tools: Sequence[Tool]) -> str:
    """The built-in tool's own name, unless a function of the user has it."""
    taken = any(isinstance(tool, FunctionTool) and tool.function.name == kind for tool in tools)
    return f"{kind}_tool" if taken else kind
