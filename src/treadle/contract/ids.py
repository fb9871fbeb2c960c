"""Identifiers: a prefix that says the kind, then random characters. Contract: docs/behaviour.md, rules I-1 to I-3."""

import os
import secrets
from collections.abc import Callable, Mapping
from typing import Final, Literal, TypeAlias

Kind: TypeAlias = Literal[
    "assistant",
    "thread",
    "message",
    "run",
    "run_step",
    "tool_call",
    "file",
    "vector_store",
    "vector_store_file_batch",
    "upload",
    "upload_part",
    "request",
]
IdSource: TypeAlias = Callable[[Kind], str]

PREFIXES: Final[Mapping[Kind, str]] = {
    "assistant": "asst_",
    "thread": "thread_",
    "message": "msg_",
    "run": "run_",
    "run_step": "step_",
    "tool_call": "call_",
    "file": "file-",
    "vector_store": "vs_",
    "vector_store_file_batch": "vsfb_",
    "upload": "upload_",
    "upload_part": "part_",
    "request": "req_",
}
_HEX: Final = frozenset[Kind]({"vector_store", "vector_store_file_batch", "upload", "upload_part", "request"})

_LENGTH: Final = 24
_BASE62: Final = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# A byte below 248 picks a character (248 is 4 * 62, so each is equally likely); the others are thrown away.
_CHARACTER_OF_BYTE: Final = _BASE62 * 4 + bytes(8)
_UNUSED_BYTES: Final = bytes(range(248, 256))


def new_id(kind: Kind) -> str:
    """A fresh id: 24 base62 characters after the prefix, or 32 lower-case hex digits for the newer kinds (I-1)."""
    if kind in _HEX:
        return PREFIXES[kind] + secrets.token_hex(16)
    return PREFIXES[kind] + _base62()


def has_prefix(kind: Kind, value: str) -> bool:
    return value.startswith(PREFIXES[kind])


def _base62() -> str:
    while True:
        characters = os.urandom(40).translate(_CHARACTER_OF_BYTE, _UNUSED_BYTES)
        if len(characters) >= _LENGTH:
            return characters[:_LENGTH].decode("ascii")
