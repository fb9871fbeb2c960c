"""Threads: rows of a project, and the lock under which messages and runs are added."""

import msgspec

from treadle.contract.errors import NotFound
from treadle.contract.threads import Thread
from treadle.store.batch import Batch, Statement
from treadle.store.database import Database

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Thread).decode

# What is left of a deleted thread (table -> key within it), and how many rows of each one bulk batch removes.
_REMAINS = {"messages": "seq", "run_steps": "run_id, seq", "turns": "run_id, turn"}
REMOVED_AT_ONCE = 500


async def get(database: Database, project_id: str, thread_id: str) -> tuple[Thread, int]:
    """The thread and its row's version. Raises NotFound (E-61)."""
    row = await database.fetch_one(
        Statement("SELECT doc, version FROM threads WHERE id = $1 AND project_id = $2", (thread_id, project_id))
    )
    if row is None:
        raise NotFound.of("thread", thread_id)
    return _decode(row[0]), row[1]


async def get_document(database: Database, project_id: str, thread_id: str) -> bytes:
    """The thread as JSON. Raises NotFound (E-61)."""
    row = await database.fetch_one(
        Statement("SELECT doc FROM threads WHERE id = $1 AND project_id = $2", (thread_id, project_id))
    )
    if row is None:
        raise NotFound.of("thread", thread_id)
    return bytes(row[0])


async def require(database: Database, project_id: str, thread_id: str) -> None:
    """Raises NotFound unless the thread is this project's (E-61)."""
    row = await database.fetch_one(
        Statement("SELECT 1 FROM threads WHERE id = $1 AND project_id = $2", (thread_id, project_id))
    )
    if row is None:
        raise NotFound.of("thread", thread_id)


def lock(batch: Batch, project_id: str, thread_id: str) -> None:
    """Begin `batch` with the thread's lock, as message create, run create and thread delete do (R-8). Raises E-61."""
    batch.require(
        Statement("SELECT 1 FROM threads WHERE id = $1 AND project_id = $2 FOR UPDATE", (thread_id, project_id)),
        else_raise=lambda: NotFound.of("thread", thread_id),
    )


def insert(thread: Thread, project_id: str) -> Statement:
    return Statement(
        "INSERT INTO threads (id, project_id, created_at, version, doc) VALUES ($1, $2, $3, 1, $4)",
        (thread.id, project_id, thread.created_at, _encode(thread)),
    )


def update(thread: Thread, *, version: int) -> Statement:
    """Write over the row that still has `version`."""
    return Statement(
        "UPDATE threads SET doc = $1, version = version + 1 WHERE id = $2 AND version = $3",
        (_encode(thread), thread.id, version),
    )


def delete(batch: Batch, project_id: str, thread_id: str, *, now: int) -> None:
    """Delete the thread and its runs at once, so that nothing of it is found; the rest goes by `remove_remains`."""
    batch.write(
        Statement("DELETE FROM threads WHERE id = $1 AND project_id = $2", (thread_id, project_id)),
        else_raise=lambda: NotFound.of("thread", thread_id),
    )
    batch.write(Statement("DELETE FROM runs WHERE thread_id = $1", (thread_id,)), rows=None)
    batch.write(Statement("INSERT INTO deleted_threads (id, deleted_at) VALUES ($1, $2)", (thread_id, now)))


async def remove_remains(database: Database) -> bool:
    """Remove some rows of one deleted thread, in a bulk batch; False when there is nothing left to remove."""
    row = await database.fetch_one(Statement("SELECT id FROM deleted_threads ORDER BY deleted_at LIMIT 1", ()))
    if row is None:
        return False
    thread_id: str = row[0]
    batch = Batch(bulk=True)
    for table, key in _REMAINS.items():
        batch.write(
            Statement(
                f"DELETE FROM {table} WHERE thread_id = $1 AND ({key}) IN "  # noqa: S608 - our own words only
                f"(SELECT {key} FROM {table} WHERE thread_id = $1 LIMIT {REMOVED_AT_ONCE})",
                (thread_id,),
            ),
            rows=None,
        )
    # The scopes of a thread are its id and, for its runs, "<thread id>/<run id>"; "0" is the character after "/".
    batch.write(
        Statement("DELETE FROM tombstones WHERE scope >= $1 AND scope < $1 || '0'", (thread_id,)),
        rows=None,
    )
    gone = " AND ".join(f"NOT EXISTS (SELECT 1 FROM {table} WHERE thread_id = $1)" for table in _REMAINS)  # noqa: S608
    batch.write(Statement(f"DELETE FROM deleted_threads WHERE id = $1 AND {gone}", (thread_id,)), rows=None)  # noqa: S608
    await database.commit(batch)
    return True
