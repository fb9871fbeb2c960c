"""How PostgreSQL finds rows: the plan that the server itself gets, checked and shown."""

from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import json

from bench.support import report
from bench.support.report import Table
from treadle.store.pg_connections import connect


async def explained(url: str, sql: str, args: Sequence[object], *, table: str, rows: int) -> Table:
    """EXPLAIN ANALYZE of `sql`, which finds `rows` rows of `table`.

    Raises RuntimeError when it sorts, or does anything but to walk an index and read those rows and no others.
    """
    connection = await connect(url)
    try:
        types = [type.name for type in (await connection.prepare(sql)).get_parameters()]
        await connection.execute(f"PREPARE asked({', '.join(types)}) AS {sql}")
        asked = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE asked({', '.join(map(repr, args))})"
        # The first time it is planned; from then on the plan is kept, and the pages are at hand.
        for _ in range(3):
            (answer,) = json.decode(await connection.fetchval(asked))
    finally:
        await connection.close()
    nodes = list(_nodes(answer["Plan"], 0))
    if any("Sort" in node["Node Type"] or node["Node Type"] == "Seq Scan" for _depth, node in nodes):
        raise RuntimeError(f"the plan sorts or looks at everything: {answer['Plan']}")
    # What a page reads comes last, behind the look-ups of its conditions.
    _depth, walk = nodes[-1]
    found = (
        walk.get("Relation Name"),
        "Index Name" in walk,
        walk["Actual Rows"],
        walk.get("Rows Removed by Filter", 0),
    )
    if found != (table, True, rows, 0):
        raise RuntimeError(f"the plan reads other rows: {answer['Plan']}")
    shown = [_row(depth, node) for depth, node in nodes]
    total = report.number(answer["Execution Time"])
    title = f"EXPLAIN ANALYZE of a page of 20 with `after`: index order, no sort, {total} ms"
    return Table(title=title, head=["node", "index", "rows", "loops", "pages read"], rows=shown)


def _nodes(plan: dict[str, Any], depth: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """Depth first, with how deep. Any: PostgreSQL's own JSON."""
    yield depth, plan
    for below in plan.get("Plans", []):
        yield from _nodes(below, depth + 1)


def _row(depth: int, node: dict[str, Any]) -> list[str]:
    backward = f" {node['Scan Direction']}" if node.get("Scan Direction") == "Backward" else ""
    read = node["Shared Hit Blocks"] + node["Shared Read Blocks"]
    numbers = (node["Actual Rows"], node["Actual Loops"], read)
    name = f"{'- ' * depth}{node['Node Type']}{backward}"
    return [name, node.get("Index Name", ""), *(f"{number:g}" for number in numbers)]
