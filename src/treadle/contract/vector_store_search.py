"""Search in a vector store. Contract: docs/behaviour.md, section 8.3."""

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct, field

from treadle.contract.fields import Body

AttributeValue: TypeAlias = str | int | float | bool


class Comparison(Struct, kw_only=True, tag_field="type", forbid_unknown_fields=True):
    """Compares one attribute of a file with a value; its class says how (VS-33)."""

    key: str
    value: AttributeValue | list[str | int | float]


class Equal(Comparison, kw_only=True, tag="eq"):
    """The attribute has this value."""


class NotEqual(Comparison, kw_only=True, tag="ne"):
    """The attribute is missing or has another value."""


class Greater(Comparison, kw_only=True, tag="gt"):
    """The attribute is greater."""


class GreaterOrEqual(Comparison, kw_only=True, tag="gte"):
    """The attribute is not less."""


class Less(Comparison, kw_only=True, tag="lt"):
    """The attribute is less."""


class LessOrEqual(Comparison, kw_only=True, tag="lte"):
    """The attribute is not greater."""


class In(Comparison, kw_only=True, tag="in"):
    """The attribute is one of these values."""


class NotIn(Comparison, kw_only=True, tag="nin"):
    """The attribute is missing or none of these values."""


class Compound(Struct, kw_only=True, tag_field="type", forbid_unknown_fields=True):
    """Combines filters; they may be compound themselves."""

    filters: "list[Filter]"


class And(Compound, kw_only=True, tag="and"):
    """All of the filters match."""


class Or(Compound, kw_only=True, tag="or"):
    """At least one of the filters matches."""


Filter: TypeAlias = Equal | NotEqual | Greater | GreaterOrEqual | Less | LessOrEqual | In | NotIn | And | Or


class SearchRanking(Struct, kw_only=True, forbid_unknown_fields=True):
    """Other rankers than those of the file_search tool (FS-3)."""

    ranker: Literal["none", "auto", "default-2024-11-15"] = "auto"
    score_threshold: Annotated[float, Meta(ge=0, le=1)] = 0.0


# The published schema puts this limit on each string, where it says nothing, and not on the array, where we check it.
Query: TypeAlias = Annotated[str, Meta(extra_json_schema={"minItems": 1})]


class VectorStoreSearchRequest(Body, kw_only=True):
    """One query, or several whose results are united (VS-32)."""

    query: str | Annotated[list[Query], Meta(min_length=1)]
    rewrite_query: bool = False
    max_num_results: Annotated[int, Meta(ge=1, le=50)] = 10
    filters: Filter | None = None
    ranking_options: SearchRanking = field(default_factory=SearchRanking)


class SearchResultContent(Struct, kw_only=True):
    """The text of the chunk."""

    type: Literal["text"] = "text"
    text: str


class VectorStoreSearchResult(Struct, kw_only=True):
    """One chunk that was found."""

    file_id: str
    filename: str
    score: Annotated[float, Meta(ge=0, le=1)]
    attributes: dict[str, AttributeValue] | None = {}
    content: list[SearchResultContent]


class VectorStoreSearchPage(Struct, kw_only=True):
    """All results, best first, always on one page (VS-32). `search_query` holds the queries as they were used."""

    object: Literal["vector_store.search_results.page"] = "vector_store.search_results.page"
    search_query: list[str]
    data: list[VectorStoreSearchResult]
    has_more: bool = False
    next_page: str | None = None
