"""Files. Contract: docs/behaviour.md, section 10.1."""

from typing import Annotated, Any, Final, Literal, TypeAlias, get_args

from msgspec import UNSET, Meta, Struct, UnsetType

from treadle.contract.fields import Body, UnixSeconds
from treadle.contract.pages import Page

MAX_FILE_BYTES: Final = 512 * 1024 * 1024  # F-4

RequestPurpose: TypeAlias = Literal["assistants", "batch", "fine-tune", "vision", "user_data", "evals"]
Purpose: TypeAlias = Literal[
    "assistants",
    "assistants_output",
    "batch",
    "batch_output",
    "fine-tune",
    "fine-tune-results",
    "vision",
    "user_data",
    "evals",
]
DOWNLOADABLE: Final = frozenset[Purpose](
    {"assistants_output", "vision", "batch", "batch_output", "fine-tune", "fine-tune-results"}  # F-7
)

# A part of a multipart form: whatever object the form parser made of it.
FormFile: TypeAlias = Annotated[Any, Meta(extra_json_schema={"type": "string", "format": "binary"})]


class File(Struct, kw_only=True):
    """A stored file. `expires_at` and `status_details` are left out when unset (F-3)."""

    id: str
    bytes: int
    created_at: UnixSeconds
    expires_at: UnixSeconds | UnsetType = UNSET
    filename: str
    object: Literal["file"] = "file"
    # "evals" may be given, but the published schema knows no answer with it.
    purpose: Annotated[Purpose, Meta(extra_json_schema={"enum": list(get_args(Purpose)[:-1])})]
    status: Literal["uploaded", "processed", "error"] = "processed"
    status_details: str | UnsetType = UNSET


class FileDeleted(Struct, kw_only=True):
    """The file is gone, from vector stores and tool resources too (F-9)."""

    id: str
    object: Literal["file"] = "file"
    deleted: bool = True


class FileList(Page[File], kw_only=True):
    """A page of files."""


class FileExpiresAfter(Struct, kw_only=True):
    """The file is deleted this many seconds after its creation."""

    anchor: Literal["created_at"]
    seconds: Annotated[int, Meta(ge=3600, le=2_592_000)]


class CreateFileRequest(Body, kw_only=True):
    """A file and what it is for, as a form (F-1)."""

    file: FormFile
    purpose: RequestPurpose
    expires_after: FileExpiresAfter | None = None
