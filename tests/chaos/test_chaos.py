"""Whatever happens to the processes, every run ends as its script says, and nothing is lost or doubled."""

import os
import secrets
from pathlib import Path

from tests.chaos import trial
from tests.chaos.report import Options


async def test_nothing_is_lost_or_doubled_while_processes_and_connections_break(postgres: str, tmp_path: Path) -> None:
    seed = int(os.environ.get("TREADLE_CHAOS_SEED", secrets.randbelow(10**6)))
    options = Options(runs=40, seconds=6.0, seed=seed, lease=1.5)

    report = await trial.run(options, postgres, tmp_path)

    assert not report.problems, str(report)
    assert report.deeds.total()
