"""Batches of files added to a vector store together. Contract: docs/behaviour.md, rules VS-20 to VS-24."""

from enum import StrEnum
from typing import Annotated, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from treadle.contract.chunking import ChunkingStrategyParam, check_chunking
from treadle.contract.errors import InvalidRequest
from treadle.contract.fields import Attributes, Body, FileId, UnixSeconds
from treadle.contract.vector_store_files import CreateVectorStoreFileRequest
from treadle.contract.vector_stores import FileCounts

MAX_BATCH_FILES: Final = 2000


class VectorStoreFileBatchStatus(StrEnum):
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"


class VectorStoreFileBatch(Struct, kw_only=True):
    """Progress of a batch. `object` is what clients really got, not what the schema says (VS-20)."""

    id: str
    object: Literal["vector_store.file_batch"] = "vector_store.file_batch"
    created_at: UnixSeconds
    vector_store_id: str
    status: VectorStoreFileBatchStatus
    file_counts: FileCounts = field(default_factory=FileCounts)


class CreateVectorStoreFileBatchRequest(Body, kw_only=True):
    """Either `file_ids`, to which the other fields apply, or `files` with settings of their own (VS-21)."""

    file_ids: Annotated[list[FileId], Meta(min_length=1, max_length=MAX_BATCH_FILES)] | UnsetType = UNSET
    files: Annotated[list[CreateVectorStoreFileRequest], Meta(min_length=1, max_length=MAX_BATCH_FILES)] | UnsetType = (
        UNSET
    )
    chunking_strategy: ChunkingStrategyParam | None = None
    attributes: Attributes | None = None

    def check(self, at: str = "") -> None:
        if self.files is UNSET:
            if self.file_ids is UNSET:
                raise InvalidRequest.missing_parameter("file_ids")
        elif self.file_ids is not UNSET:
            raise InvalidRequest.invalid_value("files", "'file_ids' and 'files' cannot be given together.")
        else:
            for index, file in enumerate(self.files):
                file.check(f"files[{index}].")
        check_chunking(self.chunking_strategy, "chunking_strategy")
