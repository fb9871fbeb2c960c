"""What a call raises: the contract's own errors for the server's refusals, and two of ours for all the rest."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from treadle.contract.errors import (
    ApiError,
    AuthenticationFailed,
    BadGateway,
    ErrorDetail,
    ErrorEnvelope,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    PermissionDenied,
    QuotaExceeded,
    RateLimited,
    ServerFault,
    TooLarge,
    Unavailable,
)

_BY_STATUS: Final[Mapping[int, type[ApiError]]] = {
    kind.http_status: kind
    for kind in (
        *(InvalidRequest, AuthenticationFailed, PermissionDenied, NotFound, MethodNotAllowed, TooLarge),
        *(RateLimited, ServerFault, BadGateway, Unavailable),
    )
}
_BY_TYPE: Final[Mapping[str, type[ApiError]]] = {
    kind.type: kind for kind in (InvalidRequest, RateLimited, QuotaExceeded, ServerFault)
}
_LONGEST_QUOTE: Final = 200


class ConnectionFailed(Exception):
    """The server could not be reached, did not answer in time, or hung up."""


class UnexpectedAnswer(Exception):
    """The server answered with something that the contract does not know."""


def of_answer(status: int, headers: Mapping[str, str], body: bytes) -> ApiError | UnexpectedAnswer:
    """The error that an answer stands for. Its `headers` are the answer's, with names in lower case."""
    if status < 400:
        return UnexpectedAnswer(f"The server answered {status}, which is neither a result nor an error.")
    try:
        detail = msgspec.json.decode(body, type=ErrorEnvelope).error
    except msgspec.MsgspecError:
        # From a proxy in between, most likely.
        text = body[:_LONGEST_QUOTE].decode("utf-8", "replace").strip()
        detail = ErrorDetail(message=f"The server answered {status}: {text or 'nothing more'}", type="")
    kind = _BY_STATUS.get(status) or (ServerFault if status >= 500 else InvalidRequest)
    if kind is RateLimited and detail.type == QuotaExceeded.type:
        kind = QuotaExceeded
    lower = {name.lower(): value for name, value in headers.items()}
    exact = _exactly(kind, status, detail.type or kind.type)
    return exact(detail.message, param=detail.param, code=detail.code, headers=lower)


def of_event(data: str) -> ApiError | UnexpectedAnswer:
    """The error that ends a stream: bare, in an envelope, or both (W-8). Its class follows from its type."""
    try:
        detail = msgspec.json.decode(data, type=_Wrapped).error or msgspec.json.decode(data, type=ErrorDetail)
    except msgspec.MsgspecError as fault:
        return UnexpectedAnswer(f"An event could not be read: {fault}")
    return _BY_TYPE.get(detail.type, ServerFault)(detail.message, param=detail.param, code=detail.code)


class _Wrapped(Struct):
    error: ErrorDetail | None = None


def _exactly(kind: type[ApiError], status: int, type_: str) -> type[ApiError]:
    """`kind` itself, or a kind of it for a status or type that the contract does not use."""
    if (kind.http_status, kind.type) == (status, type_):
        return kind
    namespace: dict[str, Any] = {"http_status": status, "type": type_, "__module__": kind.__module__}
    return type(kind.__name__, (kind,), namespace)
