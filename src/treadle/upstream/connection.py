"""How we reach a model server: the HTTP session all upstreams share; one upstream's addresses, headers and limits."""

import aiohttp
import yarl
from aiohttp.http import HttpProcessingError

from treadle.upstream.models import UpstreamSettings

# All that aiohttp raises when a server cannot be reached or talked to; TimeoutError is an OSError.
FAILURES = (aiohttp.ClientError, HttpProcessingError, OSError)


def new_session() -> aiohttp.ClientSession:
    """No cap on connections, since a run holds one for its whole answer; no cookies; no proxy from the environment."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        headers={"User-Agent": "treadle"},
    )


def endpoint(upstream: UpstreamSettings, path: str) -> yarl.URL:
    """The URL of `path` (such as "/chat/completions") below the base URL, keeping a query that the base has."""
    base = yarl.URL(upstream.base_url)
    return base.joinpath(path.lstrip("/")).with_query(base.query)


def headers(upstream: UpstreamSettings) -> dict[str, str]:
    """What each request carries. Compression is declined: it would hold back the tokens."""
    own = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
    if upstream.api_key is not None:
        own["Authorization"] = f"Bearer {upstream.api_key}"
    return own | upstream.headers


def timeout(upstream: UpstreamSettings, *, silence_seconds: float) -> aiohttp.ClientTimeout:
    """No limit on the whole: a run has its own expiry, and a long answer that moves is a good one."""
    return aiohttp.ClientTimeout(total=None, connect=upstream.connect_timeout_seconds, sock_read=silence_seconds)


async def read_at_most(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    """The body, or its first `max_bytes` and a little more when it is longer."""
    parts: list[bytes] = []
    size = 0
    while size <= max_bytes and (part := await response.content.readany()):
        parts.append(part)
        size += len(part)
    return b"".join(parts)


def arrived(response: aiohttp.ClientResponse) -> bytes:
    """What had arrived when the connection broke. aiohttp keeps it to itself from then on: hence the private name."""
    return response.content._read_nowait(-1)
