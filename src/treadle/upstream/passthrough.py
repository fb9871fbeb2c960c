"""`/chat/completions` and `/embeddings` handed to the model server as they are (MD-4)."""

import re
from collections.abc import AsyncIterator, Mapping

import aiohttp
import msgspec
from msgspec import Raw
from multidict import CIMultiDict

from treadle.contract.errors import BadGateway
from treadle.contract.fields import Body
from treadle.contract.validation import decode_body
from treadle.upstream import connection, failures
from treadle.upstream.models import Route

# Lists of what may pass, so that a key in a header we did not think of stays here: the caller's key is for us alone.
_REQUEST_HEADERS = frozenset({"accept", "user-agent", "idempotency-key", "traceparent", "tracestate"})
_RESPONSE_HEADERS = frozenset(
    {"content-type", "content-encoding", "content-length", "retry-after", "retry-after-ms", "x-should-retry"}
)
_RATE_LIMIT_HEADERS = "x-ratelimit-"
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")  # what no header may hold, and some servers send
# As long as the official clients wait (H-25): an answer that is not streamed is silent until it is complete.
_SILENCE_SECONDS = 600.0


class Forwarded:
    """A model server's answer: `status`, the `headers` that may pass (lower case), and the body while it comes.

    Iterate it to its end or `close` it; closing early drops the connection, so that the model server stops. Iterating
    raises UpstreamError when the body is cut.
    """

    def __init__(self, route: Route, response: aiohttp.ClientResponse) -> None:
        self.status = response.status
        self.headers = {
            name: value.decode("latin-1")
            for name, value in ((name.decode("latin-1").lower(), value) for name, value in response.raw_headers)
            if (name in _RESPONSE_HEADERS or name.startswith(_RATE_LIMIT_HEADERS)) and not _CONTROL.search(value)
        }
        self._route, self._response = route, response
        # Servers like to repeat the key they did not like, and it is the operator's.
        self._secrets = [secret.encode() for secret in route.upstream.secrets] if response.status >= 400 else []

    async def __aiter__(self) -> AsyncIterator[bytes]:
        held = b""  # what may be the beginning of a secret
        try:
            while data := await self._response.content.readany():
                data, held = self._masked(held + data)
                if data:
                    yield data
            if held:
                yield held
        except connection.FAILURES as error:
            raise failures.unreachable(self._route.upstream, error, began=True) from error
        finally:
            self.close()

    def _masked(self, data: bytes) -> tuple[bytes, bytes]:
        """(`data` with stars for secrets, its end, which has to wait for more)."""
        for secret in self._secrets:
            data = data.replace(secret, b"*" * len(secret))
        shown = max(0, len(data) - max(map(len, self._secrets), default=1) + 1)
        return data[:shown], data[shown:]

    def close(self) -> None:
        """May be called at any time, and more than once."""
        self._response.close()


def requested_model(body: bytes) -> str:
    """The model that a body names. Raises InvalidRequest when it is no JSON object or names none (E-15, E-31, E-32)."""
    return decode_body(_NamedModel, body).model


async def forward(
    session: aiohttp.ClientSession, route: Route, path: str, body: bytes, headers: Mapping[str, str]
) -> Forwarded:
    """POST `body` to `path` ("/chat/completions", "/embeddings") at the route's upstream. No redirect is followed.

    Only the value of `model` changes; all other values go byte for byte. Raises BadGateway when there is no answer.
    """
    upstream = route.upstream
    sent = CIMultiDict({name.lower(): value for name, value in headers.items() if name.lower() in _REQUEST_HEADERS})
    sent.update(connection.headers(upstream))
    try:
        response = await session.post(
            connection.endpoint(upstream, path),
            data=_with_model(body, route.model),
            headers=sent,
            timeout=connection.timeout(upstream, silence_seconds=_SILENCE_SECONDS),
            allow_redirects=False,
            auto_decompress=False,
        )
    except connection.FAILURES as error:
        raise BadGateway(failures.unreachable(upstream, error, began=False).message) from error
    return Forwarded(route, response)


class _NamedModel(Body, forbid_unknown_fields=False):
    model: str


def _with_model(body: bytes, model: str) -> bytes:
    # Put together again even when the name stays: of two "model" keys the server might believe the one we did not read.
    fields = msgspec.json.decode(body, type=dict[str, Raw])
    return msgspec.json.encode(fields | {"model": model})
