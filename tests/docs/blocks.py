"""The code blocks of a Markdown file, with what the comment above each says about it."""

import re
from pathlib import Path
from typing import NamedTuple

from tools.docs import ROOT, documents

_BLOCK = re.compile(r"(?:^<!-- (?P<comment>[^\n]*) -->\n)?^```(?P<language>\w*)\n(?P<code>.*?)^```$", re.M | re.S)
# The contract describes; it shows no code of ours.
EXECUTED = [path for path in documents() if path.name != "behaviour.md"]


class Block(NamedTuple):
    """`comment` is the HTML comment right above: "output", "server", "not run: REASON", or empty."""

    path: Path
    line: int
    language: str
    comment: str
    code: str

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line}"

    @property
    def is_run(self) -> bool:
        return not self.comment.startswith("not run: ") and self.comment != "server"


def blocks_of(path: Path) -> list[Block]:
    """All blocks of a file, in order."""
    text = path.read_text(encoding="utf-8")
    return [
        Block(path, text.count("\n", 0, found.start()) + 1, found["language"], found["comment"] or "", found["code"])
        for found in _BLOCK.finditer(text)
    ]


def blocks(language: str) -> list[Block]:
    """All blocks of a language in the documents that are executed."""
    return [block for path in EXECUTED for block in blocks_of(path) if block.language == language]


def programs(path: Path) -> list[tuple[Block, str | None]]:
    """The Python blocks of a file, each with the output that stands below it, or None."""
    found = blocks_of(path)
    return [
        (block, next((below.code for below in found[index + 1 : index + 2] if below.comment == "output"), None))
        for index, block in enumerate(found)
        if block.language == "python"
    ]
