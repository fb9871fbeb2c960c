"""Rows on disk: hand-written SQL, one module per resource, two dialects. Nothing above this package writes SQL."""

from treadle.store import (
    assistants,
    keys,
    messages,
    run_steps,
    runs,
    threads,
    turns,
    workers,
)
from treadle.store.batch import Batch, Statement
from treadle.store.database import Database, DatabaseUnavailable, DataFolderInUse
from treadle.store.opening import migrate, open_database

__all__ = [
    "Batch",
    "DataFolderInUse",
    "Database",
    "DatabaseUnavailable",
    "Statement",
    "assistants",
    "keys",
    "messages",
    "migrate",
    "open_database",
    "run_steps",
    "runs",
    "threads",
    "turns",
    "workers",
]
