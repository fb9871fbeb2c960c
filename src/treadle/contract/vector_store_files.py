"""Files in a vector store. Contract: docs/behaviour.md, section 8.2."""

from enum import StrEnum
from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from treadle.contract.chunking import ChunkingStrategy, ChunkingStrategyParam, check_chunking
from treadle.contract.fields import Attributes, Body, FileId, UnixSeconds
from treadle.contract.pages import Page


class VectorStoreFileStatus(StrEnum):
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"


class VectorStoreFileError(Struct, kw_only=True):
    """Why the file could not be indexed (VS-12, VS-13)."""

    code: Literal["server_error", "unsupported_file", "invalid_file"]
    message: str


class VectorStoreFile(Struct, kw_only=True):
    """A file in a vector store, under the file's own id (VS-10)."""

    id: str
    object: Literal["vector_store.file"] = "vector_store.file"
    usage_bytes: int = 0
    created_at: UnixSeconds
    vector_store_id: str
    status: VectorStoreFileStatus
    last_error: VectorStoreFileError | None = None
    chunking_strategy: ChunkingStrategy | UnsetType = UNSET
    attributes: dict[str, str | int | float | bool] | None = {}


class VectorStoreFileDeleted(Struct, kw_only=True):
    """Detached: the file itself stays (VS-18)."""

    id: str
    object: Literal["vector_store.file.deleted"] = "vector_store.file.deleted"
    deleted: bool = True


class VectorStoreFileList(Page[VectorStoreFile], kw_only=True):
    """A page of files in a vector store."""


class ParsedText(Struct, kw_only=True):
    """A stretch of the text that was read from the file."""

    type: str = "text"
    text: str | UnsetType = UNSET


class VectorStoreFileContent(Struct, kw_only=True):
    """The parsed text in order, always on one page (VS-19)."""

    object: Literal["vector_store.file_content.page"] = "vector_store.file_content.page"
    data: list[ParsedText]
    has_more: bool = False
    next_page: str | None = None


class CreateVectorStoreFileRequest(Body, kw_only=True):
    """Attach a file, alone or as one of a batch."""

    file_id: FileId
    chunking_strategy: ChunkingStrategyParam | None = None
    attributes: Attributes | None = None

    def check(self, at: str = "") -> None:
        check_chunking(self.chunking_strategy, f"{at}chunking_strategy")


class UpdateVectorStoreFileAttributesRequest(Body, kw_only=True):
    """The attributes are replaced whole; null clears them (VS-17)."""

    attributes: Attributes | None
