"""The deployment files as data."""

import configparser
import re
import shlex
from typing import Any, NamedTuple

import yaml

from tools.docs import ROOT

VARIABLES = re.compile(r"\bTREADLE_[A-Z_]+\b")
UNITS = sorted((ROOT / "deploy").glob("*.service"))
# Everything an operator starts from.
FILES = sorted(
    [ROOT / "Dockerfile", ROOT / ".dockerignore", ROOT / "compose.yaml", *(ROOT / "deploy").iterdir()],
    key=lambda path: path.name,
)


class Instruction(NamedTuple):
    """One instruction of a Dockerfile, its continued lines joined."""

    name: str
    words: str


def instructions() -> list[Instruction]:
    """Those of the Dockerfile, in order, without comments."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.M).replace("\\\n", "")
    return [Instruction(*line.split(maxsplit=1)) for line in text.splitlines() if line.strip()]


def final_stage() -> list[Instruction]:
    """The instructions after the last FROM, which make the image that runs."""
    found = instructions()
    last = max(index for index, instruction in enumerate(found) if instruction.name == "FROM")
    return found[last + 1 :]


def compose() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "compose.yaml").read_text())


def example_environment() -> dict[str, str]:
    lines = (ROOT / "deploy" / "env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


class Unit(configparser.RawConfigParser):
    """A unit of systemd. A key that is given several times has all its values, one a line."""

    def __init__(self, text: str) -> None:
        super().__init__(strict=False, delimiters=("=",), comment_prefixes=("#",), dict_type=_Repeated)
        self.optionxform = str  # type: ignore[assignment,method-assign]  # keys keep their capitals
        self.read_string(text)


class _Repeated(dict):  # type: ignore[type-arg]  # configparser's own, whatever it puts in
    """configparser hands a value over as a list of lines: those of the same key are put together."""

    def __setitem__(self, key: Any, value: Any) -> None:
        if isinstance(value, list) and isinstance(self.get(key), list):
            self[key].extend(value)
        else:
            super().__setitem__(key, value)


def treadle_commands() -> list[tuple[str, list[str]]]:
    """(where, arguments) of every `treadle` that a deployment file starts."""
    started = [
        (f"compose.yaml: {name}", service["command"])
        for name, service in compose()["services"].items()
        if service["image"].startswith("treadle")
    ]
    for path in UNITS:
        program, *arguments = shlex.split(Unit(path.read_text())["Service"]["ExecStart"])
        assert program.endswith("/treadle")
        started.append((path.name, arguments))
    return started
