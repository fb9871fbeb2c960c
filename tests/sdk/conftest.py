"""Fixtures of the drop-in suite."""

from collections.abc import AsyncIterator

import pytest
from openai import AsyncOpenAI, OpenAI

from tests.sdk.flavours import FLAVOURS, Sdk
from tests.support.server import KEY, LiveServer


# The first two of each test are enough for every day; `make sdk` has them all.
@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.slow if " " in name else ()) for name in FLAVOURS])
async def sdk(request: pytest.FixtureRequest, server: LiveServer) -> AsyncIterator[Sdk]:
    """The newest official SDK, in each flavour in turn."""
    if request.param.startswith("async"):
        async with AsyncOpenAI(base_url=server.url, api_key=KEY, max_retries=0) as client:
            yield Sdk(client, request.param)
    else:
        with OpenAI(base_url=server.url, api_key=KEY, max_retries=0) as client:
            yield Sdk(client, request.param)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A row for each SDK that ran scenarios: which of them passed, and which did not."""
    outcomes: dict[str, dict[str, str]] = {}
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            told = dict(report.user_properties)
            if report.when == "call" and "scenario" in told:
                outcomes.setdefault(told["sdk"], {})[told["scenario"]] = outcome
    if outcomes:
        terminalreporter.section("scenarios of the official SDKs")
    for sdk, results in outcomes.items():
        failed = [scenario for scenario, outcome in results.items() if outcome == "failed"]
        passed = f"{len(results) - len(failed)} of {len(results)}"
        terminalreporter.line(f"{sdk:<12} {passed:>8}" + (f"  failed: {', '.join(failed)}" if failed else ""))
