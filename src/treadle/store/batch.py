"""A batch: the statements of one transaction, each with what must be true of it, and what to do once it is durable."""

from collections.abc import Callable
from enum import Enum, auto
from typing import Any, NamedTuple

Value = bytes | str | int | float | None
ErrorMaker = Callable[..., Exception]


class Statement(NamedTuple):
    """SQL in PostgreSQL's spelling with its arguments.

    Both dialects read `$1, $2, ...`; SQLite numbers them by first appearance, so they must appear in ascending order,
    and PostgreSQL infers their types, so each must stand beside a column or in a call. `FOR UPDATE`, also with
    `SKIP LOCKED`, is left out on SQLite, whose write transaction already is the lock.
    """

    sql: str
    args: tuple[Value, ...]


class Kind(Enum):
    """What must be true of an entry's statement."""

    WRITE = auto()
    REQUIRE = auto()
    REFUSE = auto()


class Entry(NamedTuple):
    """One statement of a batch. `rows` is the expected count of changed rows; None expects nothing."""

    kind: Kind
    statement: Statement
    rows: int | None
    error: ErrorMaker | None


class MissedRows(Exception):
    """A write without an error of its own changed another number of rows than it had to: a bug in the caller."""


class Batch:
    """All or nothing: the first entry that misses raises its error at commit and leaves nothing of the batch behind."""

    __slots__ = ("afterwards", "bulk", "entries")

    def __init__(self, *, bulk: bool = False) -> None:
        """`bulk` batches (clean-up, copies) wait behind all others."""
        self.entries: list[Entry] = []
        self.afterwards: list[tuple[Callable[..., object], tuple[Any, ...]]] = []
        self.bulk = bulk

    def write(self, statement: Statement, *, rows: int | None = 1, else_raise: ErrorMaker | None = None) -> None:
        """Run an INSERT, UPDATE or DELETE that must change `rows` rows; `else_raise()` makes the error of a miss."""
        self.entries.append(Entry(Kind.WRITE, statement, rows, else_raise))

    def require(self, statement: Statement, *, else_raise: ErrorMaker) -> None:
        """Go on only if the SELECT finds a row; otherwise raise `else_raise()`."""
        self.entries.append(Entry(Kind.REQUIRE, statement, None, else_raise))

    def refuse(self, statement: Statement, *, else_raise: ErrorMaker) -> None:
        """Go on only if the SELECT finds nothing; otherwise raise `else_raise(*row)`, so that the error may name it.

        The row must be of text and numbers: from PostgreSQL it comes as JSON.
        """
        self.entries.append(Entry(Kind.REFUSE, statement, None, else_raise))

    def then(self, function: Callable[..., object], *args: Any) -> None:
        """Call `function(*args)` on the event loop once the batch is durable, in the order of these calls."""
        self.afterwards.append((function, args))
