"""API keys and the projects they open. Only a key's SHA-256 is stored; the key itself is shown once, at its making."""

import hashlib
import secrets

import msgspec

from treadle.contract.errors import masked
from treadle.store.batch import Batch, Statement
from treadle.store.database import Database, Row

DEFAULT_PROJECT = "default"
KEY_BITS = 256


class KeyExists(Exception):
    """A key of that name is there already."""


class KeyNotFound(Exception):
    """No key of that name is there."""


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a key: never the key itself."""

    name: str
    project: str
    masked: str
    created_at: int
    revoked_at: int | None


def digest(key: str) -> bytes:
    """SHA-256. A key has 256 random bits, so no salt and no slow hash is needed."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def new_key() -> str:
    """A fresh key, for instance "sk-treadle-...": the prefix keeps clients content that look at it."""
    return f"sk-treadle-{secrets.token_urlsafe(KEY_BITS // 8)}"


async def create(database: Database, key: str, *, name: str, project: str, now: int) -> Key:
    """Store the hash of `key` for `project`, making the project if need be. Raises KeyExists."""
    made = Key(name=name, project=project, masked=masked(key), created_at=now, revoked_at=None)
    batch = Batch()
    batch.write(
        Statement(
            "INSERT INTO projects (id, name, created_at) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING",
            (f"proj_{secrets.token_hex(12)}", project, now),
        ),
        rows=None,
    )
    batch.write(
        Statement(
            "INSERT INTO keys (hash, project_id, name, masked, created_at) "
            "SELECT $1, id, $2, $3, $4 FROM projects WHERE name = $5 ON CONFLICT DO NOTHING",
            (digest(key), name, made.masked, now, project),
        ),
        else_raise=lambda: KeyExists(f"There is already a key named '{name}'. Choose another name."),
    )
    await database.commit(batch)
    return made


async def revoke(database: Database, name: str, *, now: int) -> None:
    """The key stops working within a second. Raises KeyNotFound."""
    batch = Batch()
    batch.write(
        Statement("UPDATE keys SET revoked_at = $1 WHERE name = $2 AND revoked_at IS NULL", (now, name)),
        else_raise=lambda: KeyNotFound(f"There is no working key named '{name}'. See `treadle keys list`."),
    )
    await database.commit(batch)


async def list_all(database: Database) -> list[Key]:
    """Every key ever made, oldest first."""
    rows = await database.fetch_all(
        Statement(
            "SELECT keys.name, projects.name, masked, keys.created_at, revoked_at FROM keys "
            "JOIN projects ON projects.id = keys.project_id ORDER BY keys.created_at, keys.name",
            (),
        )
    )
    return [_key(row) for row in rows]


async def find_project(database: Database, key_digest: bytes) -> str | None:
    """The id of the project that a key opens, or None when it is unknown or revoked."""
    row = await database.fetch_one(
        Statement("SELECT project_id FROM keys WHERE hash = $1 AND revoked_at IS NULL", (key_digest,))
    )
    return row[0] if row else None


async def is_called(database: Database, project_id: str, name: str) -> bool:
    """Whether `name` is the project's name, which `treadle keys` shows, or its id."""
    row = await database.fetch_one(
        Statement("SELECT 1 FROM projects WHERE id = $1 AND $2 IN (id, name)", (project_id, name))
    )
    return row is not None


async def project_id(database: Database, name: str, *, now: int) -> str:
    """The id of the project called `name`, which is made if need be."""
    batch = Batch()
    batch.write(
        Statement(
            "INSERT INTO projects (id, name, created_at) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING",
            (f"proj_{secrets.token_hex(12)}", name, now),
        ),
        rows=None,
    )
    await database.commit(batch)
    row = await database.fetch_one(Statement("SELECT id FROM projects WHERE name = $1", (name,)))
    assert row is not None  # noqa: S101 - it was inserted above, and projects are never deleted
    found: str = row[0]
    return found


def _key(row: Row) -> Key:
    name, project, hidden, created_at, revoked_at = row
    return Key(name=name, project=project, masked=hidden, created_at=created_at, revoked_at=revoked_at)
