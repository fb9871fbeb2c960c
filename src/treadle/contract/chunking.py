"""How files are cut into chunks for file_search. Contract: docs/behaviour.md, rule VS-11."""

from typing import Annotated, Final, TypeAlias

from msgspec import Meta, Struct, UnsetType

from treadle.contract.errors import InvalidRequest


class ChunkSizes(Struct, kw_only=True):
    """Tokens per chunk, and how many of them neighbours share (VS-11)."""

    max_chunk_size_tokens: Annotated[int, Meta(ge=100, le=4096)]
    chunk_overlap_tokens: int


AUTO: Final = ChunkSizes(max_chunk_size_tokens=800, chunk_overlap_tokens=400)


class StaticChunking(Struct, kw_only=True, tag_field="type", tag="static"):
    """How the file was cut."""

    static: ChunkSizes


class OtherChunking(Struct, kw_only=True, tag_field="type", tag="other"):
    """Unknown: files indexed before the concept existed."""


ChunkingStrategy: TypeAlias = StaticChunking | OtherChunking


class ChunkSizesParam(ChunkSizes, kw_only=True, forbid_unknown_fields=True):
    """As ChunkSizes; the overlap is at most half of a chunk."""

    def check(self, at: str) -> None:
        """E-34 for an overlap outside 0..max/2 (VS-11)."""
        overlap, most = self.chunk_overlap_tokens, self.max_chunk_size_tokens // 2
        if not 0 <= overlap <= most:
            above = overlap > most
            raise InvalidRequest.number_out_of_range(
                f"{at}.chunk_overlap_tokens", overlap, limit=most if above else 0, above=above, kind="integer"
            )


class AutoChunkingParam(Struct, kw_only=True, tag_field="type", tag="auto", forbid_unknown_fields=True):
    """The server's choice: 800 tokens with 400 shared (VS-11)."""


class StaticChunkingParam(Struct, kw_only=True, tag_field="type", tag="static", forbid_unknown_fields=True):
    """Sizes chosen by the client."""

    static: ChunkSizesParam


ChunkingStrategyParam: TypeAlias = AutoChunkingParam | StaticChunkingParam


def check_chunking(strategy: ChunkingStrategyParam | UnsetType | None, at: str) -> None:
    if isinstance(strategy, StaticChunkingParam):
        strategy.static.check(f"{at}.static")


def resolved(strategy: ChunkingStrategyParam | UnsetType | None) -> ChunkingStrategy:
    """The strategy as answers show it, which is never `auto`."""
    if isinstance(strategy, StaticChunkingParam):
        return StaticChunking(static=strategy.static)
    return StaticChunking(static=AUTO)
