"""A model server without a model, for tests, examples and load: it says what a script tells it to.

In a program it is `ScriptedUpstream`; as a process of its own, `python -m treadle.upstream.scripted --script FILE`.
"""

from treadle.upstream.scripted.server import Received, ScriptedUpstream, Steady
from treadle.upstream.scripted.turns import (
    Call,
    Script,
    Turn,
    broken_arguments,
    cut,
    empty_choice,
    fail,
    function_call,
    hang,
    invalid_json,
    load,
    raw,
    refuse,
    say,
    say_json,
)

__all__ = [
    "Call",
    "Received",
    "Script",
    "ScriptedUpstream",
    "Steady",
    "Turn",
    "broken_arguments",
    "cut",
    "empty_choice",
    "fail",
    "function_call",
    "hang",
    "invalid_json",
    "load",
    "raw",
    "refuse",
    "say",
    "say_json",
]
