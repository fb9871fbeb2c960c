"""Method and path to an operation, by path segments; the table's order does not matter and costs nothing."""

from collections.abc import Iterable
from typing import Generic, TypeVar
from urllib.parse import unquote_to_bytes

from treadle.contract.errors import MethodNotAllowed, NotFound

T = TypeVar("T")


class _Node(Generic[T]):
    def __init__(self) -> None:
        self.literal: dict[bytes, _Node[T]] = {}
        self.parameter: _Node[T] | None = None
        self.methods: dict[str, T] = {}


class Router(Generic[T]):
    """`routes` are (method, path, target); a path is "/threads/{thread_id}/runs"."""

    def __init__(self, routes: Iterable[tuple[str, str, T]]) -> None:
        self._root: _Node[T] = _Node()
        for method, path, target in routes:
            node = self._root
            for segment in path.strip("/").split("/"):
                if segment.startswith("{"):
                    node.parameter = node.parameter or _Node()
                    node = node.parameter
                else:
                    node = node.literal.setdefault(segment.encode(), _Node())
            node.methods[method] = target

    def match(self, method: str, raw_path: bytes, *, shown: str) -> tuple[T, list[str]]:
        """The target and the path's parameters in order, decoded after they were told apart (MD-2).

        `raw_path` is as it was sent, without the prefix; `shown` is what errors name. Raises NotFound (E-13) and
        MethodNotAllowed (E-14).
        """
        node: _Node[T] | None = self._root
        parameters: list[str] = []
        for segment in raw_path.strip(b"/").split(b"/"):
            assert node is not None  # noqa: S101 - the loop is left as soon as it is None
            child = node.literal.get(segment)
            if child is None:
                child = node.parameter if segment else None
                if child is not None:
                    parameters.append(_decoded(segment))
            node = child
            if node is None:
                break
        if node is None or not node.methods:
            raise NotFound.url(method, shown)
        target = node.methods.get(method)
        if target is None:
            raise MethodNotAllowed.of(method, shown, allowed=sorted(node.methods))
        return target, parameters


def _decoded(segment: bytes) -> str:
    if b"%" in segment:
        segment = unquote_to_bytes(segment)
    # What is not UTF-8 can name nothing; it must still be printable in the error.
    return segment.decode("utf-8", "replace")
