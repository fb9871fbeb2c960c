"""Assistants. Contract: docs/behaviour.md, section 4.1."""

from typing import Annotated, Literal, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType, field

from treadle.contract.fields import Body, Metadata, ReasoningEffort, Temperature, TopP, UnixSeconds
from treadle.contract.formats import ResponseFormat
from treadle.contract.pages import Page
from treadle.contract.tools import NewToolResources, Tool, ToolResources, ToolResourcesParam, Tools, check_tools

Name: TypeAlias = Annotated[str, Meta(max_length=256)]
Description: TypeAlias = Annotated[str, Meta(max_length=512)]
Instructions: TypeAlias = Annotated[str, Meta(max_length=256_000)]


class Assistant(Struct, kw_only=True):
    """A model with instructions and tools, ready to run on threads. The defaults are those of A-1."""

    id: str
    object: Literal["assistant"] = "assistant"
    created_at: UnixSeconds
    name: str | None = None
    description: str | None = None
    model: str
    instructions: str | None = None
    tools: list[Tool] = []
    tool_resources: ToolResources = field(default_factory=ToolResources)
    metadata: dict[str, str] = {}
    temperature: float | None = 1.0
    top_p: float | None = 1.0
    response_format: ResponseFormat | None = "auto"
    reasoning_effort: ReasoningEffort | None = None


class AssistantDeleted(Struct, kw_only=True):
    """The assistant is gone; its runs stay (A-7)."""

    id: str
    object: Literal["assistant.deleted"] = "assistant.deleted"
    deleted: bool = True


class AssistantList(Page[Assistant], kw_only=True):
    """A page of assistants."""


class CreateAssistantRequest(Body, kw_only=True):
    """Null and omitted both mean the default of A-1."""

    model: str
    name: Name | None = None
    description: Description | None = None
    instructions: Instructions | None = None
    reasoning_effort: ReasoningEffort | None = None
    tools: Tools = field(default_factory=list)
    tool_resources: NewToolResources | None = None
    metadata: Metadata | None = None
    temperature: Temperature | None = None
    top_p: TopP | None = None
    response_format: ResponseFormat | None = None

    def check(self, at: str = "") -> None:
        check_tools(self.tools, "tools")
        if self.tool_resources is not None:
            self.tool_resources.check("tool_resources")


class ModifyAssistantRequest(Body, kw_only=True):
    """What is omitted (UNSET) stays as it is, null sets a field back to its default (A-6)."""

    model: str | UnsetType = UNSET
    reasoning_effort: ReasoningEffort | UnsetType | None = UNSET
    name: Name | UnsetType | None = UNSET
    description: Description | UnsetType | None = UNSET
    instructions: Instructions | UnsetType | None = UNSET
    tools: Tools | UnsetType = UNSET
    tool_resources: ToolResourcesParam | UnsetType | None = UNSET
    metadata: Metadata | UnsetType | None = UNSET
    temperature: Temperature | UnsetType | None = UNSET
    top_p: TopP | UnsetType | None = UNSET
    response_format: ResponseFormat | UnsetType | None = UNSET

    def check(self, at: str = "") -> None:
        if self.tools is not UNSET:
            check_tools(self.tools, "tools")
