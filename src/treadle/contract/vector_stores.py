"""Vector stores. Contract: docs/behaviour.md, section 8.1."""

from enum import StrEnum
from typing import Annotated, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from treadle.contract.chunking import ChunkingStrategyParam, check_chunking
from treadle.contract.fields import Body, FileId, Metadata, UnixSeconds
from treadle.contract.pages import Page

MAX_NEW_FILES: Final = 500  # in one createVectorStore


class VectorStoreStatus(StrEnum):
    EXPIRED = "expired"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"


class FileCounts(Struct, kw_only=True):
    """Files by status; they change together with the status of the store or batch (Q-4)."""

    in_progress: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    total: int = 0


class VectorStoreExpiresAfter(Struct, kw_only=True):
    """The store expires this many days after its last use (VS-4)."""

    anchor: Literal["last_active_at"]
    days: Annotated[int, Meta(ge=1, le=365)]


class VectorStore(Struct, kw_only=True):
    """Indexed files. `expires_after` is left out when unset, `name` is "" (VS-2)."""

    id: str
    object: Literal["vector_store"] = "vector_store"
    created_at: UnixSeconds
    name: str = ""
    usage_bytes: int = 0
    file_counts: FileCounts = field(default_factory=FileCounts)
    status: VectorStoreStatus
    expires_after: VectorStoreExpiresAfter | UnsetType = UNSET
    expires_at: UnixSeconds | None = None
    last_active_at: UnixSeconds | None = None
    metadata: dict[str, str] = {}


class VectorStoreDeleted(Struct, kw_only=True):
    """The index is gone, the files stay (VS-7)."""

    id: str
    object: Literal["vector_store.deleted"] = "vector_store.deleted"
    deleted: bool = True


class VectorStoreList(Page[VectorStore], kw_only=True):
    """A page of vector stores."""


class CreateVectorStoreRequest(Body, kw_only=True):
    """Everything may be left out (VS-1)."""

    file_ids: Annotated[list[FileId], Meta(max_length=MAX_NEW_FILES)] = field(default_factory=list)
    name: str | None = None
    description: str | None = None
    expires_after: VectorStoreExpiresAfter | None = None
    chunking_strategy: ChunkingStrategyParam | None = None
    metadata: Metadata | None = None

    def check(self, at: str = "") -> None:
        check_chunking(self.chunking_strategy, "chunking_strategy")


class ModifyVectorStoreRequest(Body, kw_only=True):
    """What is omitted (UNSET) stays as it is, null clears it (VS-6)."""

    name: str | UnsetType | None = UNSET
    expires_after: VectorStoreExpiresAfter | UnsetType | None = UNSET
    metadata: Metadata | UnsetType | None = UNSET
