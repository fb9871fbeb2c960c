"""Embeddings, passed through to a model server unread (MD-4); these types serve the document and the client."""

from typing import Annotated, Literal, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType


class CreateEmbeddingRequest(Struct, kw_only=True):
    """Text or tokens, one or many. Arrays are not mixed, which the type does not say."""

    input: (
        str
        | Annotated[
            list[str | int | Annotated[list[int], Meta(min_length=1)]],
            Meta(min_length=1, max_length=2048),
        ]
    )
    model: str
    encoding_format: Literal["float", "base64"] | UnsetType = UNSET
    dimensions: Annotated[int, Meta(ge=1)] | UnsetType = UNSET
    user: str | UnsetType = UNSET


# A string when base64 was asked for; the published schema knows the array only.
Vector: TypeAlias = Annotated[
    list[float] | str, Meta(extra_json_schema={"type": "array", "items": {"type": "number", "format": "float"}})
]


class Embedding(Struct, kw_only=True):
    """The vector of input number `index`."""

    index: int
    embedding: Vector
    object: Literal["embedding"] = "embedding"


class EmbeddingUsage(Struct, kw_only=True):
    """Tokens of one call."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingList(Struct, kw_only=True):
    """One vector for each input."""

    data: list[Embedding]
    model: str
    object: Literal["list"] = "list"
    usage: EmbeddingUsage
