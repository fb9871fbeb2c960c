"""`python -m tests.chaos`: a trial in full length. The exit code is 1 when it found something."""

import argparse
import asyncio
import secrets
import shutil
import sys
import tempfile
from pathlib import Path

from tests.chaos import trial
from tests.chaos.report import Options
from tests.support.postgres import serving


def main() -> int:
    options = _options()
    folder = Path(tempfile.mkdtemp(prefix="treadle-chaos-"))
    print(f"seed {options.seed}, logs in {folder} until all is well", flush=True)
    with serving() as databases, databases.database() as url:
        report = asyncio.run(trial.run(options, url, folder))
    print(report)
    if report.problems:
        return 1
    shutil.rmtree(folder)
    return 0


def _options() -> Options:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos", description="Harm a cluster at random, and check it."
    )
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=75.0, help="how long the trouble lasts (default 75)")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--lease", type=float, default=3.0, metavar="SECONDS")
    return Options(**vars(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
