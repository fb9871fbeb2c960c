"""What can go wrong at a model server. `engine/turn.py` maps these to the run's `last_error` in one table (R-60).

UpstreamError
├── NoUpstream               nothing is configured
├── UpstreamRateLimited      429, after the retries
├── UpstreamRefusedPrompt    content filter, or the prompt is too long
├── UpstreamRefusedRequest   any other 4xx, a redirect, 501: the same request will not do better
├── UpstreamAuthentication   401, 403
├── UpstreamModelNotFound    the server, or our model map, does not know the model
├── UpstreamUnavailable      not reachable, 5xx after the retries, silence
└── UpstreamBadAnswer        it answered, but not with a completion
"""


class UpstreamError(Exception):
    """`message` is for the person who has to act: it names the upstream and what we saw, and never a secret.

    `retry_after_seconds` is what the server asked us to wait, when it said so.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message, self.status, self.code = message, status, code
        self.retry_after_seconds = retry_after_seconds


class NoUpstream(UpstreamError):
    """No model server is configured."""

    def __init__(self) -> None:
        super().__init__(
            "No model server is configured. Start with `treadle serve --upstream URL`, naming the base URL of an "
            "OpenAI-compatible server, or fetch the small demo model with `treadle model install`."
        )


class UpstreamRateLimited(UpstreamError):
    """429, or an exhausted quota."""


class UpstreamRefusedPrompt(UpstreamError):
    """The prompt itself was refused: `too_long` for the model's context, otherwise by a content filter."""

    def __init__(
        self, message: str, *, status: int | None = None, code: str | None = None, too_long: bool = False
    ) -> None:
        super().__init__(message, status=status, code=code)
        self.too_long = too_long


class UpstreamRefusedRequest(UpstreamError):
    """The server does not accept the request for a reason that has no class of its own here."""


class UpstreamAuthentication(UpstreamError):
    """The server did not accept our key."""


class UpstreamModelNotFound(UpstreamError):
    """The model is unknown there or here."""


class UpstreamUnavailable(UpstreamError):
    """The server could not be reached, failed, or fell silent. Waiting may help."""


class UpstreamBadAnswer(UpstreamError):
    """The answer was no completion: invalid JSON, no choice, a stream cut before its end, another content type."""
