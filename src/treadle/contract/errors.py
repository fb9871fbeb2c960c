"""Every answer that is an error, with its literal text. Contract: docs/behaviour.md, section 2.

ApiError
├── InvalidRequest 400
├── AuthenticationFailed 401
├── PermissionDenied 403
├── NotFound 404
├── MethodNotAllowed 405
├── TooLarge 413
├── RateLimited 429
│   └── QuotaExceeded
└── ServerFault 500
    ├── BadGateway 502
    └── Unavailable 503
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Self

from msgspec import Struct

from treadle.contract import ids

FILE_SEARCH_FORMATS_URL = "https://platform.openai.com/docs/assistants/tools/file-search/supported-files"
_LONGEST_ECHO = 200  # characters of a caller's value that a message repeats


class ErrorDetail(Struct, kw_only=True):
    """What went wrong; all four keys are always there (E-1)."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ErrorEnvelope(Struct, kw_only=True):
    """The body of every answer that is an error."""

    error: ErrorDetail


class ApiError(Exception):
    """Becomes {"error": {"message", "type", "param", "code"}} with `http_status` and `headers`."""

    http_status: ClassVar[int]
    type: ClassVar[str] = "invalid_request_error"

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message, self.param, self.code = message, param, code
        self.headers: dict[str, str] = dict(headers or {})

    @property
    def request_id(self) -> str | None:
        """What the server calls the request, on the client's side, where `headers` are those of the answer (H-20)."""
        return self.headers.get("x-request-id")

    def envelope(self) -> dict[str, dict[str, str | None]]:
        """The body of the answer; all four keys are always there (E-1)."""
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}


class InvalidRequest(ApiError):
    http_status = 400

    # The request as a whole (E-12 to E-17).

    @classmethod
    def beta_header_missing(cls) -> Self:
        """E-12, also for `assistants=v1` (H-4)."""
        return cls(
            "You must provide the 'OpenAI-Beta' header to access the Assistants API. "
            "Please try again by setting the header 'OpenAI-Beta: assistants=v2'.",
            code="invalid_beta",
        )

    @classmethod
    def not_json(cls) -> Self:
        """E-15 and E-16."""
        return cls(
            "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP "
            "library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON. If you "
            "have trouble figuring out how to fix this, please contact us through our help center at help.openai.com.)"
        )

    @classmethod
    def unsupported_content_type(cls, content_type: str, accepted: str = "application/json") -> Self:
        """E-17."""
        sent = _echo(content_type)
        return cls(
            f"Unsupported content type: '{sent}'. This API method only accepts '{accepted}' requests, but you "
            f"specified the header 'Content-Type: {sent}'. Please try again with a supported content type.",
            code="unsupported_content_type",
        )

    # One field (E-30 to E-46). `param` is its dotted path.

    @classmethod
    def unknown_parameter(cls, param: str) -> Self:
        """E-30."""
        param = _echo(param)
        return cls(f"Unknown parameter: '{param}'.", param=param, code="unknown_parameter")

    @classmethod
    def missing_parameter(cls, param: str) -> Self:
        """E-31."""
        return cls(f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter")

    @classmethod
    def wrong_type(cls, param: str, expected: Sequence[str], got: str) -> Self:
        """E-32 and E-46. `expected` has one phrase such as "a string" per kind that is accepted."""
        wanted = expected[0] if len(expected) == 1 else f"one of {_listed(expected, 'or')}"
        return cls(
            f"Invalid type for '{param}': expected {wanted}, but got {got} instead.", param=param, code="invalid_type"
        )

    @classmethod
    def unsupported_value(cls, param: str, value: str, supported: Iterable[str]) -> Self:
        """E-33."""
        values = _listed([f"'{value}'" for value in supported], "and")
        return cls(
            f"Invalid value: '{_echo(value)}'. Supported values are: {values}.", param=param, code="invalid_value"
        )

    @classmethod
    def number_out_of_range(cls, param: str, value: float, *, limit: float, above: bool, kind: str) -> Self:
        """E-34 and E-35. `kind` is "integer" or "decimal"."""
        side, sign = ("above maximum", "<=") if above else ("below minimum", ">=")
        return cls(
            f"Invalid '{param}': {kind} {side} value. Expected a value {sign} {_number(limit)}, "
            f"but got {_number(value)} instead.",
            param=param,
            code=f"{kind}_above_max_value" if above else f"{kind}_below_min_value",
        )

    @classmethod
    def string_too_long(cls, param: str, length: int, maximum: int) -> Self:
        """E-36 and E-40. Lengths are in code points."""
        return cls(
            f"Invalid '{param}': string too long. Expected a string with maximum length {maximum}, "
            f"but got a string with length {length} instead.",
            param=param,
            code="string_above_max_length",
        )

    @classmethod
    def string_too_short(cls, param: str, length: int, minimum: int) -> Self:
        """E-36."""
        return cls(
            f"Invalid '{param}': string too short. Expected a string with minimum length {minimum}, "
            f"but got a string with length {length} instead.",
            param=param,
            code="string_below_min_length",
        )

    @classmethod
    def array_too_long(cls, param: str, length: int, maximum: int) -> Self:
        """E-37."""
        return cls(
            f"Invalid '{param}': array too long. Expected an array with maximum length {maximum}, "
            f"but got an array with length {length} instead.",
            param=param,
            code="array_above_max_length",
        )

    @classmethod
    def empty_array(cls, param: str) -> Self:
        """E-37."""
        return cls(
            f"Invalid '{param}': empty array. Expected an array with minimum length 1, but got an empty array instead.",
            param=param,
            code="empty_array",
        )

    @classmethod
    def too_many_properties(cls, param: str, count: int, maximum: int) -> Self:
        """E-38."""
        return cls(
            f"Invalid '{param}': too many properties. Expected an object with at most {maximum} properties, "
            f"but got an object with {count} properties instead.",
            param=param,
            code="object_above_max_properties",
        )

    @classmethod
    def property_name_too_long(cls, param: str, key: str, maximum: int) -> Self:
        """E-39."""
        return cls(
            f"Invalid property name in '{param}': '{_echo(key)}' is too long. Expected a string with maximum length "
            f"{maximum}, but got a string with length {len(key)} instead.",
            param=param,
            code="property_name_above_max_length",
        )

    @classmethod
    def wrong_id(cls, param: str, value: str, kind: ids.Kind) -> Self:
        """E-42: the id of another kind, or no id at all."""
        prefix = ids.PREFIXES[kind][:-1]
        return cls(
            f"Invalid '{param}': '{_echo(value)}'. Expected an ID that begins with '{prefix}'.",
            param=param,
            code="invalid_value",
        )

    @classmethod
    def pattern_mismatch(cls, param: str, pattern: str) -> Self:
        """E-43."""
        return cls(
            f"Invalid '{param}': string does not match pattern. "
            f"Expected a string that matches the pattern '{pattern}'.",
            param=param,
            code="invalid_value",
        )

    @classmethod
    def invalid_value(cls, param: str, reason: str) -> Self:
        """A value that its schema allows and a rule forbids (A-3, A-4, R-27, VS-21); `reason` is a sentence."""
        return cls(f"Invalid '{param}': {reason}", param=param, code="invalid_value")

    @classmethod
    def unknown_model(cls, model: str) -> Self:
        """E-44: a model named in a body. In a path it is `NotFound.model`."""
        return cls(f"The requested model '{_echo(model)}' does not exist.", param="model", code="model_not_found")

    @classmethod
    def unusable_model(cls, model: str) -> Self:
        """E-45."""
        return cls(
            f"The requested model '{_echo(model)}' cannot be used with the Assistants API.",
            param="model",
            code="unsupported_model",
        )

    # What the body refers to, and the state it meets (E-70 to E-80, M-3, U-4, U-6).

    @classmethod
    def files_not_found(cls, param: str, file_ids: Iterable[str]) -> Self:
        """E-70."""
        return cls(f"The following files were not found: {', '.join(map(_echo, file_ids))}.", param=param)

    @classmethod
    def thread_locked(cls, thread_id: str, run_id: str) -> Self:
        """E-71: a message for a thread whose run is active. Never 409, which clients would retry (H-24)."""
        return cls(f"Can't add messages to {thread_id} while a run {run_id} is active.")

    @classmethod
    def run_already_active(cls, thread_id: str, run_id: str) -> Self:
        """E-72."""
        return cls(f"Thread {thread_id} already has an active run {run_id}.")

    @classmethod
    def no_outputs_expected(cls, status: str) -> Self:
        """E-73."""
        return cls(f'Runs in status "{status}" do not accept tool outputs.')

    @classmethod
    def wrong_tool_outputs(cls, expected: Iterable[str], got: Iterable[str | None]) -> Self:
        """E-74."""
        return cls(f"Expected tool outputs for call_ids {list(expected)}, got {list(got)}")

    @classmethod
    def cannot_cancel_run(cls, status: str) -> Self:
        """E-75."""
        return cls(f"Cannot cancel run with status '{status}'.")

    @classmethod
    def unsupported_for_retrieval(cls, extensions: Iterable[str], param: str = "file_ids") -> Self:
        """E-76. `extensions` such as ".csv"."""
        return cls(
            f"Files with extensions [{', '.join(extensions)}] are not supported for retrieval. "
            f"See {FILE_SEARCH_FORMATS_URL}",
            param=param,
            code="unsupported_file",
        )

    @classmethod
    def vector_store_expired(cls, vector_store_id: str) -> Self:
        """E-77."""
        return cls(f"Vector store '{vector_store_id}' has expired.")

    @classmethod
    def not_downloadable(cls, purpose: str) -> Self:
        """E-78."""
        return cls(f"Not allowed to download files of purpose: {purpose}")

    @classmethod
    def unsupported_image_file(cls, extension: str) -> Self:
        """E-79. `extension` such as ".pdf"."""
        return cls(
            "Invalid message content: Expected file type to be a supported format: .jpeg, .jpg, .png, .gif, .webp "
            f"but got {_echo(extension)}."
        )

    @classmethod
    def unsupported_image_url(cls, param: str) -> Self:
        """E-80."""
        return cls(
            f"Invalid '{param}'. Expected url to end in a supported format: .jpeg, .jpg, .png, .gif, .webp.",
            param=param,
            code="invalid_value",
        )

    @classmethod
    def empty_message(cls, param: str) -> Self:
        """M-3."""
        return cls("Message content must be non-empty.", param=param)

    @classmethod
    def empty_file(cls) -> Self:
        """F-4."""
        return cls("File is empty.", param="file", code="empty_file")

    @classmethod
    def wrong_upload_size(cls, uploaded: int, expected: int) -> Self:
        """U-4."""
        return cls(
            f"The number of bytes uploaded ({uploaded}) does not match the expected number of bytes ({expected}).",
            param="bytes",
        )

    @classmethod
    def wrong_upload_checksum(cls) -> Self:
        """U-4."""
        return cls("The MD5 checksum does not match.", param="md5")

    @classmethod
    def wrong_upload_state(cls, upload_id: str, status: str, wanted: str) -> Self:
        """U-6. `wanted` is "modified", "completed" or "cancelled"."""
        return cls(f"Upload {upload_id} is {status} and cannot be {wanted}.")


class AuthenticationFailed(ApiError):
    http_status = 401

    @classmethod
    def no_key(cls) -> Self:
        """E-10, with our own hint."""
        return cls(
            "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer "
            "auth (i.e. Authorization: Bearer YOUR_KEY), or as the password field (with blank username) if you're "
            "accessing the API from your browser and are prompted for a username and password. "
            "You can create a key with `treadle keys create`."
        )

    @classmethod
    def wrong_key(cls, key: str) -> Self:
        """E-11. Never shows a whole key."""
        return cls(f"Incorrect API key provided: {masked(key)}.", code="invalid_api_key")

    @classmethod
    def mismatched_project(cls) -> Self:
        """H-5, when the setting is strict."""
        return cls(
            "The organization or project named in the request headers is not the one this API key belongs to.",
            code="mismatched_project",
        )


class PermissionDenied(ApiError):
    http_status = 403

    @classmethod
    def insufficient(cls) -> Self:
        """MD-2."""
        return cls("You have insufficient permissions for this operation.")


class NotFound(ApiError):
    http_status = 404

    @classmethod
    def of(cls, kind: ids.Kind, id: str) -> Self:
        """E-60 to E-68: nothing of this kind has the id, or it is another project's."""
        if kind in ("file", "upload"):
            return cls(f"No such {kind.capitalize()} object: {_echo(id)}", param="id")
        return cls(f"No {kind.replace('_', ' ')} found with id '{_echo(id)}'.")

    @classmethod
    def file_in_vector_store(cls, file_id: str, vector_store_id: str) -> Self:
        """E-65."""
        return cls(f"No file found with id '{_echo(file_id)}' in vector store '{vector_store_id}'.")

    @classmethod
    def file_to_attach(cls, file_id: str) -> Self:
        """VS-14."""
        return cls(f"No such File object: {_echo(file_id)}", param="file_id")

    @classmethod
    def model(cls, model: str) -> Self:
        """E-69."""
        return cls(f"The model '{_echo(model)}' does not exist", param="model", code="model_not_found")

    @classmethod
    def url(cls, method: str, path: str) -> Self:
        """E-13."""
        return cls(f"Invalid URL ({method} {_echo(path)})")


class MethodNotAllowed(ApiError):
    http_status = 405

    @classmethod
    def of(cls, method: str, path: str, allowed: Sequence[str] = ()) -> Self:
        """E-14."""
        headers = {"Allow": ", ".join(allowed)} if allowed else None
        return cls(f"Invalid method for URL ({method} {_echo(path)})", headers=headers)


class TooLarge(ApiError):
    http_status = 413

    @classmethod
    def body(cls) -> Self:
        """E-18."""
        return cls("Request body is too large.")

    @classmethod
    def file(cls, max_bytes: int) -> Self:
        """F-4, U-1, U-2."""
        return cls(f"File is too large. Expected at most {max_bytes} bytes.", param="file")


class RateLimited(ApiError):
    http_status = 429
    type = "rate_limit_error"

    @classmethod
    def requests(cls, retry_after_seconds: int | None = None) -> Self:
        """RL-2. The delay is sent as at least one second, when it is known."""
        headers = None if retry_after_seconds is None else {"Retry-After": str(max(1, retry_after_seconds))}
        return cls("Rate limit reached for requests", code="rate_limit_exceeded", headers=headers)


class QuotaExceeded(RateLimited):
    type = "insufficient_quota"

    @classmethod
    def of_project(cls) -> Self:
        """RL-2. Trying again does not help, so clients are told not to."""
        return cls("You exceeded your current quota.", code="insufficient_quota", headers={"x-should-retry": "false"})


class ServerFault(ApiError):
    http_status = 500
    type = "server_error"

    @classmethod
    def unexpected(cls, *, retry: bool = True) -> Self:
        """E-19. `retry=False` when something was created already (H-24)."""
        return cls(
            "The server had an error while processing your request. Sorry about that!",
            headers=None if retry else {"x-should-retry": "false"},
        )


class BadGateway(ServerFault):
    """The model server behind a passed-through operation did not answer."""

    http_status = 502


class Unavailable(ServerFault):
    """For the moment only: starting, stopping, or the database is away."""

    http_status = 503


def masked(key: str) -> str:
    """A key as messages and logs may show it: the first 8 and the last 4 characters, a short one not at all (E-11)."""
    if len(key) < 20:
        return "*" * len(key)
    return key[:8] + "*" * (len(key) - 12) + key[-4:]


def _echo(text: str) -> str:
    """A caller's own text inside a message, cut so that a long value does not come back whole."""
    return text if len(text) <= _LONGEST_ECHO else text[:_LONGEST_ECHO] + "..."


def _listed(words: Sequence[str], conjunction: str) -> str:
    if len(words) <= 2:
        return f" {conjunction} ".join(words)
    return f"{', '.join(words[:-1])}, {conjunction} {words[-1]}"


def _number(value: Any) -> str:
    """`2` for 2.0, as the vendor prints bounds."""
    return _echo(str(int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else value))
