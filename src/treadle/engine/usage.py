"""Tokens of steps and runs. Contract: docs/behaviour.md, S-9 and R-35."""

from collections.abc import Iterable

from treadle.contract.run_steps import RunStep, StepUsage
from treadle.contract.runs import CompletionTokensDetails, PromptTokenDetails, RunUsage
from treadle.store.turns import Turn

# A message step whose turn also made tool calls: those carry the usage (S-9).
NONE = StepUsage(completion_tokens=0, prompt_tokens=0, total_tokens=0)


def of_run(steps: Iterable[RunStep], turns: Iterable[Turn]) -> RunUsage:
    """The sum over the steps; the details, which steps do not have, are the sum over the turns (R-35)."""
    used = [step.usage for step in steps if step.usage is not None]
    turns = list(turns)
    return RunUsage(
        completion_tokens=sum(usage.completion_tokens for usage in used),
        prompt_tokens=sum(usage.prompt_tokens for usage in used),
        total_tokens=sum(usage.total_tokens for usage in used),
        prompt_token_details=PromptTokenDetails(cached_tokens=sum(turn.cached_tokens for turn in turns)),
        completion_tokens_details=CompletionTokensDetails(
            reasoning_tokens=sum(turn.reasoning_tokens for turn in turns)
        ),
    )
