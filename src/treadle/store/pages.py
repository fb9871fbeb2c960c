"""Keyset pages: one SQL text per shape of request, documents stitched into the envelope unread. Rules P-1 to P-9."""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from msgspec import Raw, json

from treadle.contract.pages import Page, PageQuery
from treadle.store.batch import Statement, Value
from treadle.store.database import Database, Row


class Collection(NamedTuple):
    """What a list is made of.

    `within` is the condition that selects the collection's rows for whoever asks, written with $1 to $`arguments`;
    `members` is the part of it that a cursor must meet (P-8), written with $1 to $`scope`, and `tombstones` the scope
    of deleted cursors in terms of the same. `key` is the total order (P-3), the last column unique.
    """

    table: str
    within: str
    members: str
    arguments: int
    scope: int
    key: tuple[str, ...]
    tombstones: str


class UnknownCursor(Exception):
    """`after` or `before` names nothing in this collection, now or ever (P-8)."""

    def __init__(self, id: str) -> None:
        super().__init__(id)
        self.id = id


_encode = json.Encoder().encode


async def fetch(database: Database, collection: Collection, args: Sequence[Value], query: PageQuery) -> list[Row]:
    """(id, doc) of the page's rows in the requested order, and one more when there are more. Raises UnknownCursor."""
    sql = select(collection, query.order == "asc", query.after is not None, query.before is not None)
    cursors = [id for id in (query.after, query.before) if id is not None]
    rows = await database.fetch_all(Statement(sql, (*args, *cursors, query.limit + 1)))
    if not rows:
        for id in cursors:
            await _require_cursor(database, collection, args, id)
    return rows


def encode(rows: list[Row], query: PageQuery) -> bytes:
    """The list object of a page. `rows` as `fetch` returns them; `before` alone pages backwards (P-6)."""
    has_more = len(rows) > query.limit
    if has_more:
        rows.pop()
    page: Page[Raw] = Page(data=[], has_more=has_more)
    if rows:
        if query.before is not None and query.after is None:
            rows.reverse()
        page.data = [Raw(doc) for _id, doc in rows]
        page.first_id, page.last_id = rows[0][0], rows[-1][0]
    return _encode(page)


@cache
def select(collection: Collection, ascending: bool, after: bool, before: bool) -> str:
    """The SELECT of one shape of page; its arguments are the collection's, then the cursors', then the row limit."""
    key, argument = ", ".join(collection.key), collection.arguments
    conditions = [collection.within]
    for given, greater in ((after, ascending), (before, not ascending)):
        if given:
            argument += 1
            sign = ">" if greater else "<"
            # A column at a time: from a row of values PostgreSQL walks an index, from a subquery's row it does not.
            position = ", ".join(f"({_position(collection, argument, column)})" for column in collection.key)
            conditions.append(f"({key}) {sign} ({position})")
    # With `before` alone the page ends at the cursor, so the walk starts there, against the requested order (P-6).
    walk_up = ascending if after or not before else not ascending
    order = ", ".join(f"{column} {'ASC' if walk_up else 'DESC'}" for column in collection.key)
    return (
        f"SELECT id, doc FROM {collection.table} WHERE {' AND '.join(conditions)} "  # noqa: S608 - our own words only
        f"ORDER BY {order} LIMIT ${argument + 1}"
    )


def _position(collection: Collection, argument: int, column: str) -> str:
    """Where the cursor stands, or stood before it was deleted (P-8), in one column of the key."""
    return (
        f"SELECT {column} FROM ("  # noqa: S608 - our own words only
        f"SELECT {column} FROM {collection.table} WHERE {collection.members} AND id = ${argument} "
        f"UNION ALL SELECT {column} FROM tombstones WHERE scope = {collection.tombstones} AND id = ${argument}"
        ") AS position LIMIT 1"
    )


async def _require_cursor(database: Database, collection: Collection, args: Sequence[Value], id: str) -> None:
    position = _position(collection, collection.scope + 1, collection.key[-1])
    if await database.fetch_one(Statement(position, (*args[: collection.scope], id))) is None:
        raise UnknownCursor(id)
