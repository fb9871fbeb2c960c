"""One thing that `treadle doctor` looked at."""

from typing import Literal

from msgspec import Struct

State = Literal["ok", "warning", "broken"]


class Finding(Struct, frozen=True, kw_only=True):
    """`advice` says what to do, and is empty when all is well."""

    check: str
    state: State
    found: str
    advice: str = ""
