"""Whether a failed call is worth another try, and when. The rules are those of the official clients (H-23)."""

import email.utils
import random
import time
from collections.abc import Mapping
from typing import Final

from treadle.client.failures import ConnectionFailed
from treadle.contract.errors import ApiError

# 409 is not among them: a conflict does not go away by itself, and this API has none (H-24).
_STATUSES: Final = frozenset({408, 429})
_INITIAL_SECONDS: Final = 0.5
_MAX_SECONDS: Final = 8.0
_JITTER: Final = 0.25
# Who is asked to wait longer should be told, not kept.
_LONGEST_PATIENCE_SECONDS: Final = 120.0


def wait_seconds(failure: Exception, *, tried: int) -> float | None:
    """How long to wait before another try, or None when there is no point. `tried` counts the tries so far, from 1."""
    backoff = min(_MAX_SECONDS, _INITIAL_SECONDS * 2.0 ** (tried - 1)) * random.uniform(1 - _JITTER, 1)  # noqa: S311
    if isinstance(failure, ConnectionFailed):
        return backoff
    if not isinstance(failure, ApiError):
        return None
    told = failure.headers.get("x-should-retry")
    if told == "false" or (told != "true" and not _is_transient(failure.http_status)):
        return None
    asked = _asked_seconds(failure.headers)
    if asked is None:
        return backoff
    return asked if asked <= _LONGEST_PATIENCE_SECONDS else None


def _is_transient(status: int) -> bool:
    return status in _STATUSES or status >= 500


def _asked_seconds(headers: Mapping[str, str]) -> float | None:
    """What the server asks for: milliseconds, seconds or a date; None when it says nothing that can be read."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            return max(0.0, float(headers[name]) * unit)
        except (KeyError, ValueError):
            continue
    date = email.utils.parsedate_tz(headers.get("retry-after", ""))
    return None if date is None else max(0.0, email.utils.mktime_tz(date) - time.time())
