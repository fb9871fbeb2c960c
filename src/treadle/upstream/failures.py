"""Which error a failed answer is. Servers agree on little: status, code and the words of the message all count."""

import math
import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import msgspec
import yarl
from aiohttp.http import HttpProcessingError

from treadle.upstream.errors import (
    UpstreamAuthentication,
    UpstreamBadAnswer,
    UpstreamError,
    UpstreamModelNotFound,
    UpstreamRateLimited,
    UpstreamRefusedPrompt,
    UpstreamRefusedRequest,
    UpstreamUnavailable,
)
from treadle.upstream.models import UpstreamSettings

_LONGEST_QUOTE = 500  # characters of a server's own words in our message
_OUT_OF_QUOTA = frozenset({"insufficient_quota", "billing_hard_limit_reached"})
_FILTERED = frozenset({"content_filter", "content_policy_violation", "ResponsibleAIPolicyViolation"})
_FILTERED_WORDS = re.compile(r"content[ _](management )?(filter|policy)", re.IGNORECASE)
_TOO_LONG_WORDS = re.compile(
    r"context[ _](length|window|size)|prompt is too long|input is too long|too many (input |prompt )?tokens"
    r"|reduce the length|exceeds the (maximum|available) [\w ]*(tokens|context)",
    re.IGNORECASE,
)


def answered(
    upstream: UpstreamSettings, status: int, headers: Mapping[str, str], body: bytes, *, now: float
) -> UpstreamError:
    """The error for an answer with another status than 200. `now`, in Unix seconds, serves a `Retry-After` date."""
    if 300 <= status < 400:
        target = _without_secrets(headers.get("Location", ""))
        return UpstreamRefusedRequest(
            f"{name(upstream)} redirects to '{target}', and Treadle follows no redirect: change the base URL.",
            status=status,
        )
    words, code = _explanation(body)
    if status == 404 and code is None and "model" not in words.lower():
        place = _without_secrets(upstream.base_url)
        words = f"there is no /chat/completions below {place} (a base URL usually ends in /v1)"
    retry_after = retry_after_seconds(headers, now=now)
    patience = f" It asks us to wait {math.ceil(retry_after)} s." if retry_after else ""
    message = _clean(upstream, f"{name(upstream)} answered {status}: {words or 'no explanation'}") + patience
    error = _class_of(status, code, message)
    error.retry_after_seconds = retry_after
    return error


def in_stream(upstream: UpstreamSettings, body: bytes) -> UpstreamError:
    """The error for one that a server reports inside an answer which had begun with status 200."""
    words, code = _explanation(body)
    status = int(code) if code is not None and re.fullmatch(r"[45]\d\d", code) else None
    message = _clean(upstream, f"{name(upstream)} broke off its answer: {words or 'no explanation'}")
    return _class_of(status, code, message)


def unreachable(upstream: UpstreamSettings, error: Exception, *, began: bool) -> UpstreamError:
    """The error for a failed connection. `began`: after a part of the answer was passed on."""
    place = f"{name(upstream)} at {_without_secrets(upstream.base_url)}"
    match error:
        case aiohttp.ConnectionTimeoutError():
            return UpstreamUnavailable(f"{place} took no connection for {upstream.connect_timeout_seconds:g} s.")
        case TimeoutError():
            seconds = upstream.silence_timeout_seconds if began else upstream.first_token_timeout_seconds
            return UpstreamUnavailable(f"{place} said nothing for {seconds:g} s.")
        case aiohttp.ClientSSLError():
            return UpstreamUnavailable(f"{place} offers no TLS connection that we trust: {_one_line(str(error))}")
        case aiohttp.ClientConnectorError():
            reason = error.os_error.strerror or "no connection"
            return UpstreamUnavailable(f"{place} is not reachable: {reason}. Is it running, and is the URL right?")
        case aiohttp.ClientResponseError() | HttpProcessingError():
            return UpstreamBadAnswer(_clean(upstream, f"{place} speaks no proper HTTP: {_one_line(error.message)}"))
    if began:
        return UpstreamBadAnswer(f"{place} closed the connection in the middle of its answer.")
    return UpstreamUnavailable(f"{place} closed the connection before it answered.")


def is_temporary(error: BaseException) -> bool:
    """Whether the same request may do better in a while."""
    if isinstance(error, UpstreamRateLimited):
        return error.code not in _OUT_OF_QUOTA
    return isinstance(error, UpstreamUnavailable)


def retry_after_seconds(headers: Mapping[str, str], *, now: float) -> float | None:
    """`Retry-After` in seconds, given as a number or as a date; None when there is none that can be read."""
    value = headers.get("Retry-After", "").strip()
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            moment = parsedate_to_datetime(value)
        except ValueError:
            return None
        # HTTP dates are in GMT; the parser leaves "-0000" without a zone.
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now
    return max(seconds, 0.0) if math.isfinite(seconds) else None


def name(upstream: UpstreamSettings) -> str:
    """How our messages call it."""
    return f"The model server '{upstream.name}'"


def _class_of(status: int | None, code: str | None, message: str) -> UpstreamError:
    # None is an error told in mid-stream: only its words say more.
    refused = status is None or 400 <= status < 500
    if status == 429 or code in _OUT_OF_QUOTA or code == "rate_limit_exceeded":
        return UpstreamRateLimited(message, status=status, code=code)
    if refused and (code in _FILTERED or _FILTERED_WORDS.search(message)):
        return UpstreamRefusedPrompt(message, status=status, code=code)
    if status == 413 or (refused and (code == "context_length_exceeded" or _TOO_LONG_WORDS.search(message))):
        return UpstreamRefusedPrompt(message, status=status, code=code, too_long=True)
    if code == "model_not_found" or (status == 404 and "model '" in message.lower().replace("`", "'")):
        return UpstreamModelNotFound(message, status=status, code=code)
    if status in (401, 403):
        return UpstreamAuthentication(message, status=status, code=code)
    if status is None or status == 408 or (status >= 500 and status != 501):
        return UpstreamUnavailable(message, status=status, code=code)
    return UpstreamRefusedRequest(message, status=status, code=code)


def _explanation(body: bytes) -> tuple[str, str | None]:
    """The server's own words and its code, from whichever place it put them in."""
    try:
        found: Any = msgspec.json.decode(body)  # Any: an error body has no agreed shape
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _one_line(body.decode(errors="replace")), None
    if isinstance(found, list) and found:
        found = found[0]
    if isinstance(found, dict):
        error = found.get("error", found)
        if isinstance(error, dict):
            words = error.get("message") or error.get("detail") or msgspec.json.encode(error).decode()
            code = error.get("code") or error.get("type")
            return _one_line(str(words)), None if code is None else str(code)
        found = error
    return _one_line(str(found)), None


def _one_line(text: str) -> str:
    text = " ".join(text.split())
    return f"{text[:_LONGEST_QUOTE]}..." if len(text) > _LONGEST_QUOTE else text


def _clean(upstream: UpstreamSettings, text: str) -> str:
    """Servers like to repeat the key they did not like."""
    for secret in upstream.secrets:
        text = text.replace(secret, "***")
    return text if text.endswith((".", "!", "?", "...")) else f"{text}."


def _without_secrets(url: str) -> str:
    try:
        return str(yarl.URL(url).with_user(None).with_query(None).with_fragment(None))
    except ValueError:
        return "an invalid URL"
