"""Operations of ours beyond the published 53. They change nothing for clients that do not know them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from treadle.contract.operations import Operation
from treadle.contract.runs import Run

ADDITIONS: Final[Mapping[str, Operation]] = MappingProxyType(
    {
        row.id: row
        for row in (
            Operation(
                "streamRun",
                "GET",
                "/threads/{thread_id}/runs/{run_id}/stream",
                Run,
                "Attach to the events of a run; Last-Event-ID goes on where a reader left off",
                streams=True,
                tag="Additions",
            ),
        )
    }
)
