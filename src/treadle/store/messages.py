"""Messages: rows of a thread. Those that a run writes are guarded by its fence (see `store.runs.require_fence`)."""

import msgspec

from treadle.contract.errors import NotFound
from treadle.contract.messages import Message
from treadle.contract.pages import MessageQuery
from treadle.store import pages, threads
from treadle.store.batch import Batch, Statement
from treadle.store.database import Database

_THREAD = "thread_id = $1 AND EXISTS (SELECT 1 FROM threads WHERE threads.id = $1 AND threads.project_id = $2)"
_COLLECTION = pages.Collection(
    table="messages",
    within=_THREAD,
    members="thread_id = $1",
    arguments=2,
    scope=1,
    key=("created_at", "seq"),
    tombstones="$1",
)
_OF_RUN = _COLLECTION._replace(within=f"{_THREAD} AND run_id = $3", arguments=3)
_ALL = 2**63 - 1  # as a LIMIT
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Message).decode


class MessageRow(msgspec.Struct, frozen=True):
    """A message with its place in the order of insertion and its row's version."""

    message: Message
    seq: int
    version: int


async def get(database: Database, project_id: str, thread_id: str, message_id: str) -> MessageRow:
    """Raises NotFound for the thread, then for the message (E-61, E-62, E-63)."""
    row = await database.fetch_one(
        Statement(
            "SELECT doc, seq, version FROM messages WHERE thread_id = $1 AND id = $2 AND EXISTS "
            "(SELECT 1 FROM threads WHERE threads.id = $1 AND threads.project_id = $3)",
            (thread_id, message_id, project_id),
        )
    )
    if row is None:
        await threads.require(database, project_id, thread_id)
        raise NotFound.of("message", message_id)
    return MessageRow(_decode(row[0]), row[1], row[2])


async def list_page(database: Database, project_id: str, thread_id: str, query: MessageQuery) -> bytes:
    """One page as JSON; `query.run_id` keeps the messages that run wrote (M-16). Raises NotFound (E-61, P-8)."""
    collection = _COLLECTION if query.run_id is None else _OF_RUN
    args = (thread_id, project_id) if query.run_id is None else (thread_id, project_id, query.run_id)
    try:
        rows = await pages.fetch(database, collection, args, query)
    except pages.UnknownCursor as cursor:
        await threads.require(database, project_id, thread_id)
        raise NotFound.of("message", cursor.id) from None
    if not rows:
        await threads.require(database, project_id, thread_id)
    return pages.encode(rows, query)


async def of_thread(database: Database, thread_id: str, *, last: int | None = None) -> list[MessageRow]:
    """The thread's messages, oldest first; only the `last` n of them when that is given."""
    rows = await database.fetch_all(
        Statement(
            "SELECT doc, seq, version FROM messages WHERE thread_id = $1 ORDER BY created_at DESC, seq DESC LIMIT $2",
            (thread_id, _ALL if last is None else last),
        )
    )
    return [MessageRow(_decode(doc), seq, version) for doc, seq, version in reversed(rows)]


async def of_run(database: Database, thread_id: str, run_id: str) -> list[MessageRow]:
    """The messages that a run wrote, oldest first."""
    rows = await database.fetch_all(
        Statement(
            "SELECT doc, seq, version FROM messages WHERE thread_id = $1 AND run_id = $2 ORDER BY created_at, seq",
            (thread_id, run_id),
        )
    )
    return [MessageRow(_decode(doc), seq, version) for doc, seq, version in rows]


def insert(message: Message) -> Statement:
    return Statement(
        "INSERT INTO messages (thread_id, id, run_id, created_at, status, version, doc) "
        "VALUES ($1, $2, $3, $4, $5, 1, $6)",
        (message.thread_id, message.id, message.run_id, message.created_at, message.status, _encode(message)),
    )


def update_if(message: Message, *, version: int) -> Statement:
    """Write over the row that still has `version`: a run and `modifyMessage` may write the same message (M-14)."""
    return Statement(
        "UPDATE messages SET doc = $1, status = $2, version = version + 1 "
        "WHERE thread_id = $3 AND id = $4 AND version = $5",
        (_encode(message), message.status, message.thread_id, message.id, version),
    )


def delete(batch: Batch, thread_id: str, message_id: str) -> None:
    """Delete the row if there is one; its place in the list stays known (P-8)."""
    batch.write(
        Statement(
            "INSERT INTO tombstones (scope, id, created_at, seq) "
            "SELECT thread_id, id, created_at, seq FROM messages WHERE thread_id = $1 AND id = $2",
            (thread_id, message_id),
        ),
        rows=None,
    )
    batch.write(
        Statement("DELETE FROM messages WHERE thread_id = $1 AND id = $2", (thread_id, message_id)),
        else_raise=lambda: NotFound.of("message", message_id),
    )
