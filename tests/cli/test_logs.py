"""What the server writes to its log. No secret of a caller or of the operator may be in it."""

import subprocess
import sys

import pytest

KEY = "sk-treadle-somebodys-key"
CONFIGURED = """
import sys
import structlog
from treadle.cli import logs

sys.stderr.isatty = lambda: sys.argv[1] == "terminal"
logs.configure("info")
log = structlog.get_logger("treadle")
"""
# As in a request that fails by a fault of ours: the key is in the variables of the functions on the stack.
FAILING = """
def handler(headers):
    return {}["project"]

try:
    handler({b"authorization": bytes.fromhex(sys.argv[2])})
except KeyError as error:
    log.exception("request failed by a fault of ours", exc_info=error)
"""


def logged(where: str, script: str, *arguments: str) -> str:
    command = [sys.executable, "-c", CONFIGURED + script, where, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stderr


@pytest.mark.parametrize("where", ["pipe", "terminal"])
def test_a_traceback_says_where_and_why_and_shows_no_variables(where):
    log = logged(where, FAILING, KEY.encode().hex())

    assert "request failed by a fault of ours" in log
    assert "handler" in log
    assert "KeyError" in log
    assert KEY not in log


@pytest.mark.parametrize("where", ["pipe", "terminal"])
def test_what_a_caller_wrote_cannot_steer_the_terminal(where):
    log = logged(where, "log.warning('tool choice not honoured', model=sys.argv[2])", "gpt\x1b[2J\nforged")

    assert "forged" in log
    assert "\x1b[2J" not in log
    assert len(log.splitlines()) == 1
