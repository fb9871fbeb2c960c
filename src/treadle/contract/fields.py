"""Field types that several resources share, with the limits of section 2.3, and the base of all request bodies."""

from typing import Annotated, Any, Final, Literal, TypeAlias

from msgspec import Meta, Struct

MAX_METADATA_PAIRS: Final = 16
MAX_METADATA_KEY: Final = 64
MAX_METADATA_VALUE: Final = 512

# Whole seconds, never floats or milliseconds (I-4).
UnixSeconds: TypeAlias = Annotated[int, Meta(extra_json_schema={"format": "unixtime"})]

Metadata: TypeAlias = Annotated[
    dict[Annotated[str, Meta(max_length=MAX_METADATA_KEY)], Annotated[str, Meta(max_length=MAX_METADATA_VALUE)]],
    Meta(max_length=MAX_METADATA_PAIRS),
]
Attributes: TypeAlias = Annotated[
    dict[
        Annotated[str, Meta(max_length=MAX_METADATA_KEY)],
        Annotated[str, Meta(max_length=MAX_METADATA_VALUE)] | int | float | bool,
    ],
    Meta(max_length=MAX_METADATA_PAIRS),
]

# Ids in requests are checked for their kind's prefix (E-42); `extra` tells validation which kind that is.
AssistantId: TypeAlias = Annotated[str, Meta(pattern="^asst_", extra={"kind": "assistant"})]
MessageId: TypeAlias = Annotated[str, Meta(pattern="^msg_", extra={"kind": "message"})]
RunId: TypeAlias = Annotated[str, Meta(pattern="^run_", extra={"kind": "run"})]
RunStepId: TypeAlias = Annotated[str, Meta(pattern="^step_", extra={"kind": "run_step"})]
FileId: TypeAlias = Annotated[str, Meta(pattern="^file-", extra={"kind": "file"})]
VectorStoreId: TypeAlias = Annotated[str, Meta(pattern="^vs_", extra={"kind": "vector_store"})]

# \Z and not $, which in Python also matches before a final newline. Messages and schemas show $ (E-43).
FunctionName: TypeAlias = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_-]+\Z", min_length=1, max_length=64)]

Temperature: TypeAlias = Annotated[float, Meta(ge=0, le=2)]
TopP: TypeAlias = Annotated[float, Meta(ge=0, le=1)]
TokenBudget: TypeAlias = Annotated[int, Meta(ge=256)]
ReasoningEffort: TypeAlias = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]

# JSON Schema written by the user: stored and passed on, never read.
JsonObject: TypeAlias = dict[str, Any]


class Body(Struct, kw_only=True, forbid_unknown_fields=True):
    """A request body. Unknown keys are refused (E-30)."""

    def check(self, at: str = "") -> None:
        """Raise InvalidRequest for what the types alone cannot say. `at` prefixes every `param`."""
