"""Batches on PostgreSQL in one round trip: each shape of batch is a temporary function on the connection.

A shape is what the statements of a batch are without their arguments. Its function is made when a connection first
needs it; from then on the batch is `SELECT pg_temp.batch_1($1, ...)`, which is a transaction of its own. Under READ
COMMITTED each statement of a volatile function sees what was committed before it, so a batch may lock and then look.
"""

import json
import re
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, Final, NamedTuple

import asyncpg

from treadle.store.batch import Entry, Kind, MissedRows, Value
from treadle.store.pg_connections import Call, Connection, Raw

MAX_ENTRIES: Final = 16
# PostgreSQL's own limit for the arguments of a function.
MAX_ARGUMENTS: Final = 100
# Shapes kept on a connection. There are some dozens; those with many messages or steps come and go.
MAX_FUNCTIONS: Final = 200
MISSED: Final = "TRD01"
# Two statements in one message are a transaction. Our functions go with the connection: for them no disk is waited for.
_NOT_DURABLE: Final = "SET LOCAL synchronous_commit = off;"


class Part(NamedTuple):
    """One statement of a shape: `rows` as in `Entry`."""

    kind: Kind
    sql: str
    rows: int | None


Shape = tuple[Part, ...]


class Miss(Exception):
    """An entry missed, and the transaction has to be undone."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


def split(entries: Sequence[Entry]) -> list[list[Entry]]:
    """`entries` in groups that fit into a function each: nearly always one."""
    groups: list[list[Entry]] = [[]]
    arguments = 0
    for entry in entries:
        arguments += len(entry.statement.args)
        if len(groups[-1]) == MAX_ENTRIES or arguments > MAX_ARGUMENTS:
            groups.append([])
            arguments = len(entry.statement.args)
        groups[-1].append(entry)
    return groups


def shape_of(entries: Sequence[Entry]) -> Shape:
    return tuple(Part(entry.kind, entry.statement.sql, entry.rows) for entry in entries)


def arguments_of(entries: Sequence[Entry]) -> list[Value]:
    return [value for entry in entries for value in entry.statement.args]


class Functions:
    """Makes the functions. The types of a statement's arguments are asked of the server once in a process."""

    def __init__(self, *, most: int = MAX_FUNCTIONS) -> None:
        """`most` are kept on a connection; then the oldest goes."""
        self._most = most
        self._types: dict[str, tuple[str, ...]] = {}

    async def call_of(self, connection: Connection, shape: Shape) -> Call:
        """The prepared call of the shape's function, which is made if need be."""
        found = connection.calls.get(shape)
        if found is not None:
            return found[1]
        types = [await self._types_of(connection.raw, part.sql) for part in shape]
        if len(connection.calls) >= self._most:
            oldest, _call = connection.calls.pop(next(iter(connection.calls)))
            await connection.raw.execute(f"{_NOT_DURABLE} DROP FUNCTION {oldest}")
        connection.made += 1
        name = f"pg_temp.batch_{connection.made}"
        await connection.raw.execute(f"{_NOT_DURABLE} {definition(name, shape, types)}")
        marks = ", ".join(f"${number}" for number in range(1, sum(map(len, types)) + 1))
        call = await connection.raw.prepare(f"SELECT {name}({marks})")
        connection.calls[shape] = name, call
        return call

    async def _types_of(self, raw: Raw, sql: str) -> tuple[str, ...]:
        types = self._types.get(sql)
        if types is None:
            prepared = await raw.prepare(sql)
            types = self._types[sql] = tuple(type.name for type in prepared.get_parameters())
        return types


async def run(call: Call, entries: Sequence[Entry]) -> Exception | None:
    """Run the function of `entries`. None, or the error of the entry that missed. Raises Miss if it had written."""
    try:
        ((answer,),) = await call.fetch(*arguments_of(entries))
    except asyncpg.PostgresError as error:
        if error.sqlstate != MISSED:
            raise
        raise Miss(_missed(entries, str(error))) from None
    return None if answer is None else _missed(entries, answer)


def definition(name: str, shape: Shape, types: Sequence[Sequence[str]]) -> str:
    """The CREATE FUNCTION of a shape. It returns null, or [index] or [index, row] of the entry that missed, as JSON."""
    body: list[str] = []
    has_written = False
    starts = accumulate(map(len, types), initial=0)
    for index, (part, start) in enumerate(zip(shape, starts, strict=False)):
        sql = _moved(part.sql, start)
        if part.kind is Kind.REQUIRE:
            body += [f"PERFORM FROM ({sql}) AS hit LIMIT 1;", _if("NOT FOUND", index, has_written)]
        elif part.kind is Kind.REFUSE:
            body += [
                f"SELECT row_to_json(hit) INTO found_row FROM ({sql}) AS hit LIMIT 1;",  # noqa: S608 - our own words
                _if("FOUND", index, has_written, row=True),
            ]
        else:
            body.append(f"{sql};")
            if part.rows is not None:
                body.append("GET DIAGNOSTICS changed_rows = ROW_COUNT;")
                if part.rows and not has_written:
                    # It wrote nothing, so there is nothing to undo, and no error in the server's log.
                    body.append(_if("changed_rows = 0", index, False))
                body.append(_if(f"changed_rows <> {part.rows}", index, True))
            has_written = True
    arguments = ", ".join(type for of_part in types for type in of_part)
    lines = "\n  ".join(body)
    return (
        f"CREATE FUNCTION {name}({arguments}) RETURNS text LANGUAGE plpgsql VOLATILE AS $batch$\n"
        "#variable_conflict use_column\n"
        "DECLARE changed_rows bigint; found_row json;\n"
        f"BEGIN\n  {lines}\n  RETURN NULL;\nEND $batch$"
    )


def _moved(sql: str, by: int) -> str:
    """`sql` with its arguments numbered behind `by` others."""
    return re.sub(r"\$(\d+)", lambda found: f"${int(found[1]) + by}", sql)


def _if(condition: str, index: int, has_written: bool, *, row: bool = False) -> str:
    missed = f"json_build_array({index}, found_row)::text" if row else f"'[{index}]'"
    how = f"RAISE EXCEPTION USING ERRCODE = '{MISSED}', MESSAGE = {missed}" if has_written else f"RETURN {missed}"
    return f"IF {condition} THEN {how}; END IF;"


def _missed(entries: Sequence[Entry], answer: str) -> Exception:
    # Lists, for a row's values in their order.
    index, *row = json.loads(answer, object_pairs_hook=lambda pairs: [value for _name, value in pairs])
    return error_of(entries[index], *row)


def error_of(entry: Entry, row: Sequence[Any] = ()) -> Exception:
    """The error of an entry that missed; `row` is what a refused SELECT found."""
    return entry.error(*row) if entry.error else MissedRows(entry.statement.sql)
