"""What a trial is asked for, and what came of it."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

# Beyond the lease, for at least nine of ten takeovers: a worker looks for work once a second.
TAKEOVER_BAR_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class Options:
    """`seconds` is how long the trouble lasts, `lease` in seconds."""

    runs: int
    seconds: float
    seed: int
    lease: float


@dataclass(kw_only=True)
class Report:
    """What happened. `problems` says what is wrong, about which run or thread."""

    options: Options
    folder: Path
    problems: list[str] = field(default_factory=list)
    takeovers: list[float] = field(default_factory=list)
    deeds: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    @property
    def bar_seconds(self) -> float:
        return self.options.lease + TAKEOVER_BAR_SECONDS

    def judge_takeovers(self) -> None:
        self.takeovers.sort()
        if self.takeovers and percentile(self.takeovers, 0.9) > self.bar_seconds:
            self.problems.append("takeovers took too long")

    def keep(self, rows: str) -> None:
        """Beside the logs."""
        (self.folder / "rows.json").write_text(rows)

    def __str__(self) -> str:
        seconds, lease = self.takeovers, self.options.lease
        lines = [
            f"{self.options.runs} runs in {self.seconds:.0f} s, seed {self.options.seed}",
            *(f"{count:>6} {deed}" for deed, count in sorted(self.deeds.items())),
            f"{len(seconds):>6} takeovers; seconds from the loss of a worker to the next claim, lease {lease:g}:",
            "       " + " ".join(f"{second:.2f}" for second in seconds),
        ]
        if seconds:
            marks = ", ".join(f"p{share} {percentile(seconds, share / 100):.2f}" for share in (50, 90, 100))
            lines.append(f"       {marks}; bar for p90: {self.bar_seconds:g}")
        if self.problems:
            lines += [f"{len(self.problems)} PROBLEMS; logs and rows are in {self.folder}", *self.problems]
        return "\n".join(lines)


def percentile(ordered: Sequence[float], share: float) -> float:
    """By nearest rank."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
