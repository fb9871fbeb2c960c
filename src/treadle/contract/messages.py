"""Messages and their content. Contract: docs/behaviour.md, section 4.3."""

from enum import StrEnum
from pathlib import PurePosixPath
from typing import Annotated, Final, Literal, TypeAlias
from urllib.parse import urlsplit

from msgspec import UNSET, Meta, Struct, UnsetType

from treadle.contract.errors import InvalidRequest
from treadle.contract.fields import Body, FileId, Metadata, UnixSeconds
from treadle.contract.pages import Page
from treadle.contract.tools import AttachmentTool

Role: TypeAlias = Literal["user", "assistant"]
ImageDetail: TypeAlias = Literal["auto", "low", "high"]

MAX_TEXT: Final = 256_000  # characters
MAX_ATTACHMENTS: Final = 20  # per message (E-51)
Text: TypeAlias = Annotated[str, Meta(max_length=MAX_TEXT)]

# Endings that rule out an image the vendor took. Anything else may be one: many image URLs have no ending at all.
_NOT_IMAGES: Final = frozenset(
    {".avif", ".bmp", ".heic", ".svg", ".tif", ".tiff", ".mov", ".mp3", ".mp4", ".tar", ".wav", ".zip"}
    | {".csv", ".doc", ".docx", ".htm", ".html", ".json", ".md", ".pdf", ".ppt", ".pptx", ".txt", ".xls", ".xlsx"}
)


class MessageStatus(StrEnum):
    IN_PROGRESS = "in_progress"
    INCOMPLETE = "incomplete"
    COMPLETED = "completed"


class FileReference(Struct, kw_only=True):
    """A file that an annotation points to."""

    file_id: str


class FileCitation(Struct, kw_only=True):
    """The cited file and the passage; `quote` is an addition to the published schema (FS-6)."""

    file_id: str
    quote: str | UnsetType = UNSET


class FileCitationAnnotation(Struct, kw_only=True, tag_field="type", tag="file_citation"):
    """`start_index` and `end_index` are a half-open range of code points in the text value (M-11)."""

    text: str
    file_citation: FileCitation
    start_index: Annotated[int, Meta(ge=0)]
    end_index: Annotated[int, Meta(ge=0)]


class FilePathAnnotation(Struct, kw_only=True, tag_field="type", tag="file_path"):
    """A `sandbox:` path in the text that stands for a file written by the code interpreter (CI-5)."""

    text: str
    file_path: FileReference
    start_index: Annotated[int, Meta(ge=0)]
    end_index: Annotated[int, Meta(ge=0)]


Annotation: TypeAlias = FileCitationAnnotation | FilePathAnnotation


class AnnotatedText(Struct, kw_only=True):
    """Text with its annotations."""

    value: str
    annotations: list[Annotation] = []


class TextContent(Struct, kw_only=True, tag_field="type", tag="text"):
    """A block of text in an answer. In a request it is TextContentParam (M-2)."""

    text: AnnotatedText


class RefusalContent(Struct, kw_only=True, tag_field="type", tag="refusal"):
    """The model declined."""

    refusal: str


class ImageFile(Struct, kw_only=True):
    """An uploaded image."""

    file_id: str
    detail: ImageDetail = "auto"


class ImageFileContent(Struct, kw_only=True, tag_field="type", tag="image_file"):
    """An uploaded image as a block of content."""

    image_file: ImageFile


class ImageUrl(Struct, kw_only=True):
    """An image elsewhere; Treadle never fetches it, the model server may."""

    url: Annotated[str, Meta(extra_json_schema={"format": "uri"})]
    detail: ImageDetail = "auto"


class ImageUrlContent(Struct, kw_only=True, tag_field="type", tag="image_url"):
    """An image elsewhere as a block of content."""

    image_url: ImageUrl


MessageContent: TypeAlias = ImageFileContent | ImageUrlContent | TextContent | RefusalContent


class Attachment(Struct, kw_only=True):
    """A file given to the thread's tools together with a message (M-6)."""

    file_id: str | UnsetType = UNSET
    tools: list[AttachmentTool] | UnsetType = UNSET


class MessageIncompleteDetails(Struct, kw_only=True):
    """Why the run did not finish this message (M-12)."""

    reason: Literal["content_filter", "max_tokens", "run_cancelled", "run_expired", "run_failed"]


class Message(Struct, kw_only=True):
    """One message of a thread, written by the user or by a run."""

    id: str
    object: Literal["thread.message"] = "thread.message"
    created_at: UnixSeconds
    thread_id: str
    status: MessageStatus = MessageStatus.COMPLETED
    incomplete_details: MessageIncompleteDetails | None = None
    completed_at: UnixSeconds | None = None
    incomplete_at: UnixSeconds | None = None
    role: Role
    content: list[MessageContent]
    assistant_id: str | None = None
    run_id: str | None = None
    attachments: list[Attachment] | None = []
    metadata: dict[str, str] = {}


class MessageDeleted(Struct, kw_only=True):
    """The message is gone."""

    id: str
    object: Literal["thread.message.deleted"] = "thread.message.deleted"
    deleted: bool = True


class MessageList(Page[Message], kw_only=True):
    """A page of messages."""


class TextContentParam(Struct, kw_only=True, tag_field="type", tag="text"):
    """A block of text in a request."""

    text: Text


class ImageFileParam(ImageFile, kw_only=True):
    """An uploaded image, named in a request."""

    file_id: FileId


class ImageFileContentParam(ImageFileContent, kw_only=True, tag_field="type", tag="image_file"):
    """An uploaded image in a request."""

    image_file: ImageFileParam


class ImageUrlParam(ImageUrl, kw_only=True):
    """An http, https or data URL of at most 256,000 characters (M-3)."""

    url: Annotated[str, Meta(max_length=MAX_TEXT, extra_json_schema={"format": "uri"})]

    def check(self, at: str) -> None:
        """M-3 and E-80."""
        if self.url.startswith("data:"):
            return
        if not self.url.startswith(("http://", "https://")):
            raise InvalidRequest.invalid_value(at, "expected a URL that begins with 'http://', 'https://' or 'data:'.")
        if _ending(self.url) in _NOT_IMAGES:
            raise InvalidRequest.unsupported_image_url(at)


class ImageUrlContentParam(ImageUrlContent, kw_only=True, tag_field="type", tag="image_url"):
    """An image elsewhere in a request."""

    image_url: ImageUrlParam


MessageContentParam: TypeAlias = ImageFileContentParam | ImageUrlContentParam | TextContentParam


class AttachmentParam(Attachment, kw_only=True):
    """An attachment in a request."""

    file_id: FileId | UnsetType = UNSET

    def check(self, at: str) -> None:
        """M-9: the published schema requires nothing here, and nothing could be done with less."""
        if self.file_id is UNSET:
            raise InvalidRequest.missing_parameter(f"{at}.file_id")
        if self.tools is UNSET:
            raise InvalidRequest.missing_parameter(f"{at}.tools")
        if not self.tools:
            raise InvalidRequest.empty_array(f"{at}.tools")


class CreateMessageRequest(Body, kw_only=True):
    """A message for a thread, alone or inside a request for a thread or run."""

    role: Role
    content: Text | Annotated[list[MessageContentParam], Meta(min_length=1)]
    attachments: Annotated[list[AttachmentParam], Meta(max_length=MAX_ATTACHMENTS)] | None = None
    metadata: Metadata | None = None

    def check(self, at: str = "") -> None:
        if isinstance(self.content, str):
            if _is_blank(self.content):
                raise InvalidRequest.empty_message(f"{at}content")
        else:
            _check_parts(self.content, f"{at}content")
        for index, attachment in enumerate(self.attachments or ()):
            attachment.check(f"{at}attachments[{index}]")


class ModifyMessageRequest(Body, kw_only=True):
    """Omitted (UNSET) metadata stay as they are, null clears them."""

    metadata: Metadata | UnsetType | None = UNSET


def _check_parts(parts: list[MessageContentParam], at: str) -> None:
    """M-3: some part has to say something, and images are where they can be had."""
    if all(isinstance(part, TextContentParam) and _is_blank(part.text) for part in parts):
        raise InvalidRequest.empty_message(at)
    for index, part in enumerate(parts):
        if isinstance(part, ImageUrlContentParam):
            part.image_url.check(f"{at}[{index}].image_url.url")


def _is_blank(text: str) -> bool:
    return not text or text.isspace()


def _ending(url: str) -> str:
    try:
        return PurePosixPath(urlsplit(url).path).suffix.lower()
    except ValueError:  # a malformed host: the model server will say so
        return ""
