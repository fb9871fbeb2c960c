"""Threads. Contract: docs/behaviour.md, section 4.2."""

from typing import Annotated, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from treadle.contract.fields import Body, Metadata, UnixSeconds
from treadle.contract.messages import CreateMessageRequest
from treadle.contract.tools import NewToolResources, ToolResources, ToolResourcesParam

MAX_MESSAGES: Final = 32  # that a request may bring along, for a new thread or a run (T-1, R-24)


class Thread(Struct, kw_only=True):
    """A conversation. Its messages are listed apart (T-2)."""

    id: str
    object: Literal["thread"] = "thread"
    created_at: UnixSeconds
    tool_resources: ToolResources | None = field(default_factory=ToolResources)
    metadata: dict[str, str] = {}


class ThreadDeleted(Struct, kw_only=True):
    """The thread is gone with its messages, runs and steps (T-7)."""

    id: str
    object: Literal["thread.deleted"] = "thread.deleted"
    deleted: bool = True


class CreateThreadRequest(Body, kw_only=True):
    """Everything may be left out, the body too (T-1)."""

    messages: Annotated[list[CreateMessageRequest], Meta(max_length=MAX_MESSAGES)] = field(default_factory=list)
    tool_resources: NewToolResources | None = None
    metadata: Metadata | None = None

    def check(self, at: str = "") -> None:
        for index, message in enumerate(self.messages):
            message.check(f"{at}messages[{index}].")
        if self.tool_resources is not None:
            self.tool_resources.check(f"{at}tool_resources")


class ModifyThreadRequest(Body, kw_only=True):
    """What is omitted (UNSET) stays as it is, null clears it (T-6)."""

    tool_resources: ToolResourcesParam | UnsetType | None = UNSET
    metadata: Metadata | UnsetType | None = UNSET
