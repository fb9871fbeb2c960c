"""What a client read of a run's events, and whether that is a legal stream of what the rows say in the end."""

from typing import Any

from tests.crash.conversation import Deltas
from tests.support.api import Event, Json

_OVER = ("completed", "incomplete", "failed", "cancelled", "expired")
LEG_ENDS = tuple(f"thread.run.{status}" for status in ("requires_action", *_OVER))
ITEM_ENDS = tuple(f"thread.{item}.{status}" for item in ("run.step", "message") for status in _OVER)


class Reading:
    """One response body. `leg` is the leg that its request began, None when it was attached to a run.

    `before` is the reading before it: event ids go on from there. An attached reading also goes on with its deltas.
    """

    def __init__(self, *, leg: int | None, before: "Reading | None" = None) -> None:
        self.leg = leg
        self.last_id: int = before.last_id if before else 0
        self.is_done = False
        self.ends: list[Json] = []  # the events that end a leg
        self.over: list[Json] = []  # the steps and messages that were told to be over
        self.problems: list[str] = []
        self._names: list[str] = []
        self._deltas: Deltas = before._deltas if before and leg is None else Deltas()

    @property
    def is_at_end(self) -> bool:
        """It was read to the end of a leg, and not sent away or broken off."""
        return self.is_done and bool(self.ends)

    @property
    def _is_snapshot(self) -> bool:
        """It began with the run as it was, and goes on with what of it is open (W-9)."""
        return self.leg is None and self._names[0] in LEG_ENDS

    def hear(self, event: Event) -> None:
        if self.is_done:
            self.problems.append(f"{event.name} came after done")
        self._names.append(event.name)
        if event.id is not None:
            if int(event.id) <= self.last_id:
                self.problems.append(f"event id {event.id} of {event.name} came after {self.last_id}")
            self.last_id = int(event.id)
        if event.name == "done":
            self.is_done = True
            return
        if event.name == "error":
            return
        if self.ends and not self._is_snapshot:
            self.problems.append(f"{event.name} came after the end of the leg")
        if event.name in LEG_ENDS:
            self.ends.append(event.data)
        if event.name in ITEM_ENDS:
            self.over.append(event.data)
        try:
            self._deltas.add(event)
        except (AssertionError, LookupError) as error:
            self.problems.append(f"the deltas do not add up at {event.name}: {error!r}")

    def close(self) -> None:
        """The body ended by itself."""
        if not self.is_done:
            self.problems.append("the body ended without done")

    def compare(self, run: Json, steps: list[Json], messages: list[Json]) -> list[str]:
        """All problems. The arguments are the objects in the end, steps in order."""
        problems = [*self.problems]
        present = {object["id"]: object for object in [*steps, *messages]}
        ids = [object["id"] for object in self.over]
        problems += [f"{id} was told to be over {ids.count(id)} times" for id in set(ids) if ids.count(id) > 1]
        problems += [
            f"told as {told}, but it is {present.get(told['id'])}"
            for told in self.over
            if present.get(told["id"]) != told
        ]
        if self.is_done and not self.ends and "error" not in self._names:
            problems.append("it was done without an end of the leg")
        if self.is_at_end and self.ends[-1]["status"] in _OVER and self.ends[-1] != run:
            problems.append(f"told as {self.ends[-1]}, but it is {run}")
        if self.is_at_end and self.leg is not None:
            expected = [step["id"] for step in _completed_in(self.leg, steps)]
            told = [object["id"] for object in self.over if object["id"] in {step["id"] for step in steps}]
            told = [id for id in told if present[id]["status"] == "completed"]
            if told != expected:
                problems.append(f"it told of the completed steps {told} of {expected}")
        return [f"{problem}; its events: {_shortened(self._names)}" for problem in problems]


def _completed_in(leg: int, steps: list[Json]) -> list[Json]:
    """The steps that were completed in a leg, counted from 0. The calls of one leg are completed in the next."""
    completed = []
    at = 0
    for step in steps:
        if step["type"] == "tool_calls":
            at += 1
        if step["status"] == "completed" and at == leg:
            completed.append(step)
    return completed


def _shortened(names: list[Any]) -> str:
    shortened: list[str] = []
    for name in names:
        if not (name.endswith(".delta") and shortened[-1:] == [name]):
            shortened.append(name)
    return " ".join(name.removeprefix("thread.") for name in shortened)
