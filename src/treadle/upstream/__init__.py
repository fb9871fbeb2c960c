"""Model servers: what a run or a passed-through request needs of one. Start reading at `upstream.py`."""

from treadle.upstream.chat import Attempt, ChatChunk, ChatRequest, ChatUsage, FinishReason, ToolCallFragment
from treadle.upstream.errors import (
    NoUpstream,
    UpstreamAuthentication,
    UpstreamBadAnswer,
    UpstreamError,
    UpstreamModelNotFound,
    UpstreamRateLimited,
    UpstreamRefusedPrompt,
    UpstreamRefusedRequest,
    UpstreamUnavailable,
)
from treadle.upstream.models import LOCAL, ModelMap, ModelSettings, Route, UpstreamSettings
from treadle.upstream.passthrough import Forwarded
from treadle.upstream.upstream import Upstream

__all__ = [
    "LOCAL",
    "Attempt",
    "ChatChunk",
    "ChatRequest",
    "ChatUsage",
    "FinishReason",
    "Forwarded",
    "ModelMap",
    "ModelSettings",
    "NoUpstream",
    "Route",
    "ToolCallFragment",
    "Upstream",
    "UpstreamAuthentication",
    "UpstreamBadAnswer",
    "UpstreamError",
    "UpstreamModelNotFound",
    "UpstreamRateLimited",
    "UpstreamRefusedPrompt",
    "UpstreamRefusedRequest",
    "UpstreamSettings",
    "UpstreamUnavailable",
]
