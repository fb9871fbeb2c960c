"""A clock that runs, and can be moved."""

import time


class MovableClock:
    """Call it for Unix seconds; `advance` moves it ahead."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self._ahead

    def advance(self, seconds: float) -> None:
        self._ahead += seconds
