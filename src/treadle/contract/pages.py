"""Lists: what a client may ask for, and the envelope it gets. Contract: docs/behaviour.md, section 3."""

from typing import Annotated, Generic, Literal, TypeAlias, TypeVar

from msgspec import Meta, Struct

from treadle.contract.fields import AssistantId, FileId, MessageId, RunId, RunStepId, VectorStoreId

Order: TypeAlias = Literal["asc", "desc"]
Include: TypeAlias = Literal["step_details.tool_calls[*].file_search.results[*].content"]
FileFilter: TypeAlias = Literal["in_progress", "completed", "failed", "cancelled"]

T = TypeVar("T")


class Page(Struct, Generic[T], kw_only=True):
    """One page in the requested order; `first_id` and `last_id` are those of this page, null when it is empty (P-2).

    `Page[msgspec.Raw]` carries documents as they are stored.
    """

    object: Literal["list"] = "list"
    data: list[T]
    first_id: str | None = None
    last_id: str | None = None
    has_more: bool = False


class PageQuery(Struct, kw_only=True, frozen=True):
    """`after` and `before` are ids of items, relative to the requested order (P-5 to P-7).

    Each subclass says of which kind (E-42); `decode_query` gives these.
    """

    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    order: Order = "desc"
    after: str | None = None
    before: str | None = None


class AssistantQuery(PageQuery, kw_only=True, frozen=True):
    after: AssistantId | None = None
    before: AssistantId | None = None


class MessageQuery(PageQuery, kw_only=True, frozen=True):
    """`run_id` keeps the messages that this run produced (M-16)."""

    after: MessageId | None = None
    before: MessageId | None = None
    run_id: RunId | None = None


class RunQuery(PageQuery, kw_only=True, frozen=True):
    after: RunId | None = None
    before: RunId | None = None


class RunStepQuery(PageQuery, kw_only=True, frozen=True):
    after: RunStepId | None = None
    before: RunStepId | None = None
    include: tuple[Include, ...] = ()


class VectorStoreQuery(PageQuery, kw_only=True, frozen=True):
    after: VectorStoreId | None = None
    before: VectorStoreId | None = None


class VectorStoreFileQuery(PageQuery, kw_only=True, frozen=True):
    """Files of a store or of a batch; `filter` is a status (VS-16)."""

    after: FileId | None = None
    before: FileId | None = None
    filter: FileFilter | None = None


class FileQuery(PageQuery, kw_only=True, frozen=True):
    limit: Annotated[int, Meta(ge=1, le=10_000)] = 10_000
    after: FileId | None = None
    before: None = None  # files are not paged backwards (F-6): the query parameter is ignored
    purpose: str | None = None


class IncludeQuery(Struct, kw_only=True, frozen=True):
    """What a single object may be asked to show in addition (P-13)."""

    include: tuple[Include, ...] = ()
