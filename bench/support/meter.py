"""Whose CPU time it was: the clocks of several processes, read before and after."""

import math
import time
from collections.abc import Callable, Sequence

from bench.support.processes import Process

Clock = Callable[[], float]


class Meter:
    """Starts when it is made. Each of `groups` is the clocks, in seconds of CPU time, that are counted together.

    A group without clocks is not a number.
    """

    def __init__(self, *groups: Sequence[Clock]) -> None:
        self._groups = groups
        self._started = time.perf_counter()
        self._before = self._read()

    def stop(self) -> tuple[float, list[float]]:
        """Seconds since the start, and the CPU seconds of each group."""
        took = time.perf_counter() - self._started
        return took, [after - before for after, before in zip(self._read(), self._before, strict=True)]

    def _read(self) -> list[float]:
        return [sum(clock() for clock in clocks) if clocks else math.nan for clocks in self._groups]


def load(upstream: Process) -> list[Clock]:
    """The clocks of what makes the load: this process, which is the client, and the model server."""
    return [time.process_time, upstream.cpu_seconds]
