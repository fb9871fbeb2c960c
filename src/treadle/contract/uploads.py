"""Uploads of large files in parts. Contract: docs/behaviour.md, section 10.2."""

from enum import StrEnum
from typing import Annotated, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from treadle.contract.fields import Body, UnixSeconds
from treadle.contract.files import File, FileExpiresAfter, FormFile

MAX_UPLOAD_BYTES: Final = 8 * 1024**3  # U-1
MAX_PART_BYTES: Final = 64 * 1024**2  # U-2


class UploadStatus(StrEnum):
    PENDING = "pending"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class Upload(Struct, kw_only=True):
    """A file in the making; `file` is there once it is completed (U-3)."""

    id: str
    created_at: UnixSeconds
    filename: str
    bytes: int
    purpose: str
    status: UploadStatus
    expires_at: UnixSeconds
    object: Literal["upload"] = "upload"
    file: File | UnsetType = UNSET


class UploadPart(Struct, kw_only=True):
    """A part; the order is settled when the upload is completed."""

    id: str
    created_at: UnixSeconds
    upload_id: str
    object: Literal["upload.part"] = "upload.part"


class CreateUploadRequest(Body, kw_only=True):
    """Announces a file of exactly `bytes` bytes."""

    filename: str
    purpose: Literal["assistants", "batch", "fine-tune", "vision"]
    bytes: Annotated[int, Meta(ge=1, le=MAX_UPLOAD_BYTES)]
    mime_type: str
    expires_after: FileExpiresAfter | None = None


class AddUploadPartRequest(Body, kw_only=True):
    """A form with the one field `data` (U-2)."""

    data: FormFile


class CompleteUploadRequest(Body, kw_only=True):
    """The parts in their order, and the MD5 of the whole in hex, if it is to be checked (U-3)."""

    part_ids: list[str]
    md5: str | None = None
