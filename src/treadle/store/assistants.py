"""Assistants: rows of a project."""

import msgspec

from treadle.contract.assistants import Assistant
from treadle.contract.errors import NotFound
from treadle.contract.pages import PageQuery
from treadle.store import pages
from treadle.store.batch import Batch, Statement
from treadle.store.database import Database

_COLLECTION = pages.Collection(
    table="assistants",
    within="project_id = $1",
    members="project_id = $1",
    arguments=1,
    scope=1,
    key=("created_at", "seq"),
    tombstones="$1",
)
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Assistant).decode


async def get(database: Database, project_id: str, assistant_id: str) -> tuple[Assistant, int]:
    """The assistant and its row's version. Raises NotFound (E-60)."""
    row = await database.fetch_one(
        Statement("SELECT doc, version FROM assistants WHERE id = $1 AND project_id = $2", (assistant_id, project_id))
    )
    if row is None:
        raise NotFound.of("assistant", assistant_id)
    return _decode(row[0]), row[1]


async def get_document(database: Database, project_id: str, assistant_id: str) -> bytes:
    """The assistant as JSON. Raises NotFound (E-60)."""
    row = await database.fetch_one(
        Statement("SELECT doc FROM assistants WHERE id = $1 AND project_id = $2", (assistant_id, project_id))
    )
    if row is None:
        raise NotFound.of("assistant", assistant_id)
    return bytes(row[0])


async def list_page(database: Database, project_id: str, query: PageQuery) -> bytes:
    """One page as JSON. Raises NotFound for an unknown cursor (P-8)."""
    try:
        rows = await pages.fetch(database, _COLLECTION, (project_id,), query)
    except pages.UnknownCursor as cursor:
        raise NotFound.of("assistant", cursor.id) from None
    return pages.encode(rows, query)


def insert(assistant: Assistant, project_id: str) -> Statement:
    return Statement(
        "INSERT INTO assistants (id, project_id, created_at, version, doc) VALUES ($1, $2, $3, 1, $4)",
        (assistant.id, project_id, assistant.created_at, _encode(assistant)),
    )


def update(assistant: Assistant, *, version: int) -> Statement:
    """Write over the row that still has `version`."""
    return Statement(
        "UPDATE assistants SET doc = $1, version = version + 1 WHERE id = $2 AND version = $3",
        (_encode(assistant), assistant.id, version),
    )


def delete(batch: Batch, project_id: str, assistant_id: str) -> None:
    """Delete the row; its place in the list stays known (P-8). Raises NotFound at commit (E-60)."""
    batch.write(
        Statement(
            "INSERT INTO tombstones (scope, id, created_at, seq) "
            "SELECT project_id, id, created_at, seq FROM assistants WHERE id = $1 AND project_id = $2",
            (assistant_id, project_id),
        ),
        else_raise=lambda: NotFound.of("assistant", assistant_id),
    )
    batch.write(Statement("DELETE FROM assistants WHERE id = $1 AND project_id = $2", (assistant_id, project_id)))
