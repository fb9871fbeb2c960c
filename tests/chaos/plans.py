"""What each run is to do, and what must come of it, whatever happens to the processes meanwhile."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from tests.crash.conversation import output
from tests.crash.legality import legal_shapes
from tests.support.api import Json
from treadle.upstream.scripted import Script, Turn, fail, function_call, hang, say

PLACES = ("Kyiv", "Київ", "Łódź", "Reykjavík", "東京", "Oslo")
WEATHER = ("sunny ☀", "dry", "windy", "wet", "mild", "cold ❄", "grey", "calm")
# More than one of the messages that processes send each other (see engine/relay.py).
LONG_WORDS = 3_000


class Manner(StrEnum):
    """How a client learns what its run does."""

    POLL = "polls"
    STREAM = "streams, polls when the stream breaks"
    ATTACH = "streams, attaches again after the last event"


class Act(StrEnum):
    """What the client does to the run instead of waiting for its end."""

    NOTHING = "nothing"
    CANCEL_WRITING = "cancels while the model writes"
    CANCEL_WAITING = "cancels instead of answering the calls"
    NEVER_ANSWER = "never answers the calls"


class Step(NamedTuple):
    """`said` is a message's text, or (name, arguments, output) of each call."""

    type: str
    status: str
    said: Any


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One run. Its model's name is its own, and the model server has the script `rounds` for it.

    `begins_at` is in seconds after the start of the trouble; with an `onlooker` another client reads along. `status` is
    the one that the run ends in. A model that `changes_its_mind` answers differently when it is asked again.
    """

    number: int
    kind: str
    rounds: tuple[tuple[Turn, ...], ...]
    status: str = "completed"
    act: Act = Act.NOTHING
    changes_its_mind: bool = False
    manner: Manner
    onlooker: bool
    begins_at: float

    def __str__(self) -> str:
        return f"run {self.number} ({self.kind}; {self.manner})"

    @property
    def model(self) -> str:
        return f"{self.kind}-{self.number}"

    @property
    def question(self) -> str:
        return f"What is the weather on day {self.number}?"

    def round_of(self, run: Json) -> int:
        """Which of the script's answers a waiting run waits for, counted from 0. Raises StopIteration."""
        asked = [call["function"]["arguments"] for call in run["required_action"]["submit_tool_outputs"]["tool_calls"]]
        return next(
            number
            for number, variants in enumerate(self.rounds)
            if asked in [[call.text for call in turn.calls] for turn in variants]
        )

    def allows(self, steps: list[Step]) -> bool:
        """Whether the run may have these steps in the end."""
        if self.act is Act.CANCEL_WRITING:
            # The text ends anywhere, also before its first word.
            (endless,) = self.steps
            return len(steps) < 2 and all(
                step[:2] == endless[:2] and str(endless.said).startswith(step.said) for step in steps
            )
        if self.changes_its_mind:
            return [step[::2] for step in steps] in list(legal_shapes(self.rounds))
        return steps == self.steps

    @property
    def steps(self) -> list[Step]:
        """The steps that the run must have, in order: each answer of the script, once."""
        steps = []
        last = len(self.rounds) - 1
        for number, variants in enumerate(self.rounds):
            turn = variants[-1]
            ends_open = number == last and self.act is not Act.NOTHING
            if turn.text:
                is_open = ends_open and not turn.calls
                steps.append(Step("message_creation", self.status if is_open else "completed", turn.text))
            if turn.calls:
                calls = [(call.name, call.text, None if ends_open else output(call.text)) for call in turn.calls]
                steps.append(Step("tool_calls", self.status if ends_open else "completed", calls))
        return steps


def script(plans: Sequence[Plan]) -> Script:
    """For the model server."""
    return Script(rounds_of={plan.model: plan.rounds for plan in plans})


def make(count: int, *, rng: random.Random, seconds: float) -> list[Plan]:
    """`count` runs of all kinds, spread over `seconds`."""
    kinds = [KINDS[number % len(KINDS)] for number in range(count)]
    rng.shuffle(kinds)
    return [
        Plan(
            number=number,
            kind=kind.__name__,
            manner=rng.choice(list(Manner)),
            onlooker=rng.random() < 0.3,
            begins_at=seconds * number / count,
            **kind(_Speaker(rng, number)),
        )
        for number, kind in enumerate(kinds)
    ]


class _Speaker:
    """Turns of a run: no two runs are told the same."""

    def __init__(self, rng: random.Random, number: int) -> None:
        self._rng, self._number = rng, number

    def text(self, words: int | None = None, *, chunk_size: int = 8, finish_reason: str | None = None) -> Turn:
        chosen = [self._rng.choice(WEATHER) for _ in range(words or self._rng.randint(10, 40))]
        return say(
            f"Day {self._number} in {self._rng.choice(PLACES)}: {' '.join(chosen)}.",
            chunk_size=chunk_size,
            delay_seconds=self._rng.uniform(0.01, 0.06),
            finish_reason=finish_reason,
        )

    def call(self) -> Turn:
        place, number = self._rng.choice(PLACES), self._rng.randrange(10**6)
        return function_call("get_weather", {"day": self._number, "place": place, "number": number})

    def calls(self, count: int) -> Turn:
        turn = self.call()
        for _ in range(count - 1):
            turn += self.call()
        return turn


# The kinds of runs. Each gives what `Plan` has to know of it.
_Kind = Callable[[_Speaker], dict[str, Any]]


def _rounds(*turns: Turn) -> tuple[tuple[Turn, ...], ...]:
    return tuple((turn,) for turn in turns)


def answers(speaker: _Speaker) -> dict[str, Any]:
    return {"rounds": _rounds(speaker.text())}


def answers_at_length(speaker: _Speaker) -> dict[str, Any]:
    return {"rounds": _rounds(speaker.text(LONG_WORDS, chunk_size=1_000))}


def calls_once(speaker: _Speaker) -> dict[str, Any]:
    return {"rounds": _rounds(speaker.call(), speaker.text())}


def calls_three_times(speaker: _Speaker) -> dict[str, Any]:
    talks_first = speaker.text() + speaker.call()
    return {"rounds": _rounds(talks_first, speaker.call(), speaker.call(), speaker.text())}


def calls_in_parallel(speaker: _Speaker) -> dict[str, Any]:
    return {"rounds": _rounds(speaker.calls(3), speaker.text())}


def stutters(speaker: _Speaker) -> dict[str, Any]:
    """The model server fails at first, and answers when it is asked again."""
    return {"rounds": ((fail(500), speaker.text()),)}


def changes_its_mind(speaker: _Speaker) -> dict[str, Any]:
    """What a turn that is taken again left behind is of another kind than what comes now."""
    first = (speaker.text() + speaker.call(), speaker.call(), speaker.text() + speaker.calls(2), speaker.call())
    second = (speaker.text(), speaker.text(), speaker.text())
    return {"rounds": (first, second), "changes_its_mind": True}


def fails(speaker: _Speaker) -> dict[str, Any]:
    return {"rounds": _rounds(fail(500)), "status": "failed"}


def fails_later(speaker: _Speaker) -> dict[str, Any]:
    return {"rounds": _rounds(speaker.call(), fail(500)), "status": "failed"}


def is_cut_by_length(speaker: _Speaker) -> dict[str, Any]:
    return {"rounds": _rounds(speaker.text(finish_reason="length")), "status": "incomplete"}


def is_cancelled_while_it_writes(speaker: _Speaker) -> dict[str, Any]:
    endless = hang(speaker.text(), after_chunks=6)
    return {"rounds": _rounds(endless), "status": "cancelled", "act": Act.CANCEL_WRITING}


def is_cancelled_while_it_waits(speaker: _Speaker) -> dict[str, Any]:
    return {"rounds": _rounds(speaker.call(), speaker.calls(2)), "status": "cancelled", "act": Act.CANCEL_WAITING}


def expires(speaker: _Speaker) -> dict[str, Any]:
    return {"rounds": _rounds(speaker.call()), "status": "expired", "act": Act.NEVER_ANSWER}


KINDS: Sequence[_Kind] = (
    answers,
    answers_at_length,
    calls_once,
    calls_three_times,
    calls_three_times,
    calls_in_parallel,
    stutters,
    changes_its_mind,
    changes_its_mind,
    fails,
    fails_later,
    is_cut_by_length,
    is_cancelled_while_it_writes,
    is_cancelled_while_it_waits,
    expires,
)
