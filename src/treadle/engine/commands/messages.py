"""Messages that clients add, change and delete. Contract: docs/behaviour.md, section 4.3."""

from msgspec import UNSET
from msgspec.structs import replace

from treadle import store
from treadle.contract.errors import InvalidRequest
from treadle.contract.messages import (
    AnnotatedText,
    Attachment,
    CreateMessageRequest,
    ImageFile,
    ImageFileContent,
    ImageFileContentParam,
    ImageUrl,
    ImageUrlContent,
    ImageUrlContentParam,
    Message,
    MessageContent,
    MessageContentParam,
    MessageDeleted,
    MessageStatus,
    ModifyMessageRequest,
    TextContent,
)
from treadle.contract.runs import ACTIVE
from treadle.engine import expiry
from treadle.engine.commands import references
from treadle.engine.endings import ContentMoved
from treadle.engine.engine import Engine
from treadle.store import Batch
from treadle.store.database import together


async def create(engine: Engine, project_id: str, thread_id: str, request: CreateMessageRequest) -> Message:
    """Raises NotFound (E-61), InvalidRequest for missing files (E-70) and while a run is active (E-71)."""
    await settle_active(engine, project_id, thread_id)
    references.require_message_files(request)
    message = build(engine, thread_id, request)
    batch = Batch()
    store.threads.lock(batch, project_id, thread_id)
    store.runs.refuse_active(batch, thread_id, lambda run_id: InvalidRequest.thread_locked(thread_id, run_id))
    batch.write(store.messages.insert(message))
    await engine.database.commit(batch)
    return message


def build(engine: Engine, thread_id: str, request: CreateMessageRequest) -> Message:
    """The stored form of a message in a request (M-2, M-5)."""
    now = engine.now()
    return Message(
        id=engine.new_id("message"),
        created_at=now,
        thread_id=thread_id,
        status=MessageStatus.COMPLETED,
        completed_at=now,
        role=request.role,
        content=_content(request.content),
        attachments=[Attachment(file_id=item.file_id, tools=item.tools) for item in request.attachments or ()],
        metadata=request.metadata or {},
    )


async def modify(
    engine: Engine, project_id: str, thread_id: str, message_id: str, request: ModifyMessageRequest
) -> Message:
    """M-14: metadata only, also while a run is active. Raises NotFound (E-61, E-62)."""
    while True:
        row = await store.messages.get(engine.database, project_id, thread_id, message_id)
        if request.metadata is UNSET:
            return row.message
        message = replace(row.message, metadata=request.metadata or {})
        batch = Batch()
        batch.write(store.messages.update_if(message, version=row.version), else_raise=ContentMoved)
        try:
            await engine.database.commit(batch)
        except ContentMoved:
            continue
        return message


async def delete(engine: Engine, project_id: str, thread_id: str, message_id: str) -> MessageDeleted:
    """M-15: not the message that an active run is writing. Raises NotFound (E-61, E-62) and InvalidRequest."""
    row = await store.messages.get(engine.database, project_id, thread_id, message_id)
    message = row.message
    if message.status is MessageStatus.IN_PROGRESS and message.run_id is not None:
        run = await store.runs.find(engine.database, thread_id, message.run_id)
        if run is not None and run.run.status in ACTIVE:
            raise InvalidRequest(f"Message {message_id} is being written by run {run.run.id} and cannot be deleted.")
    batch = Batch()
    store.messages.delete(batch, thread_id, message_id)
    await engine.database.commit(batch)
    return MessageDeleted(id=message_id)


async def settle_active(engine: Engine, project_id: str, thread_id: str) -> None:
    """An overdue run no longer locks its thread: it is expired there and then (R-6). Raises NotFound (E-61)."""
    _, active = await together(
        engine.database,
        store.threads.require(engine.database, project_id, thread_id),
        store.runs.find_active(engine.database, thread_id),
    )
    if active is not None:
        await expiry.settle(engine, active)


def _content(content: str | list[MessageContentParam]) -> list[MessageContent]:
    if isinstance(content, str):
        return [TextContent(text=AnnotatedText(value=content, annotations=[]))]
    return [_part(part) for part in content]


def _part(part: MessageContentParam) -> MessageContent:
    match part:
        case ImageFileContentParam(image_file=file):
            return ImageFileContent(image_file=ImageFile(file_id=file.file_id, detail=file.detail))
        case ImageUrlContentParam(image_url=image):
            return ImageUrlContent(image_url=ImageUrl(url=image.url, detail=image.detail))
        case _:
            return TextContent(text=AnnotatedText(value=part.text, annotations=[]))
