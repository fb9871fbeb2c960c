"""What the model is shown in a turn: instructions, the thread as far as it fits, and what this run did before.

Contract: docs/behaviour.md, rules R-23, R-29, R-30, R-33 and R-43.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from msgspec import Struct, to_builtins

from treadle import store
from treadle.contract.messages import (
    ImageFileContent,
    ImageUrlContent,
    Message,
    MessageContent,
    RefusalContent,
    TextContent,
)
from treadle.contract.run_steps import FunctionToolCall, MessageCreationDetails, StepStatus, ToolCallsDetails
from treadle.contract.runs import Run
from treadle.engine import tokens, tools
from treadle.store import Database
from treadle.store.database import together
from treadle.store.messages import MessageRow
from treadle.store.run_steps import StepRow
from treadle.store.runs import RunRow
from treadle.store.turns import Dropped, Turn
from treadle.upstream.chat import ChatRequest

ChatMessage: TypeAlias = dict[str, Any]  # JSON of the Chat Completions API
Limit: TypeAlias = Literal["max_prompt_tokens", "max_completion_tokens"]

# Room left for the answer when the context is known and no completion budget says how much is wanted.
ANSWER_TOKENS: Final = 512


class OverBudget(Exception):
    """A token budget of the run is used up before the turn begins (R-30)."""

    def __init__(self, limit: Limit) -> None:
        super().__init__(limit)
        self.limit = limit


class Prompt(Struct, kw_only=True):
    """The request of a turn, and what the turn's record says about how it came to be."""

    request: ChatRequest
    messages: tuple[int, ...]
    dropped: tuple[Dropped, ...]
    estimated_tokens: int | None
    prompt_tokens_left: int | None
    completion_tokens_left: int | None


class Past(NamedTuple):
    """What the run did before: its turns before the present one, its steps and its messages."""

    turns: Sequence[Turn] = ()
    steps: Sequence[StepRow] = ()
    messages: Sequence[MessageRow] = ()


async def read_past(database: Database, row: RunRow) -> Past:
    scope = row.scope
    turns, steps, messages = await together(
        database,
        store.turns.of_run(database, *scope),
        store.run_steps.of_run(database, *scope),
        store.messages.of_run(database, *scope),
    )
    return Past([turn for turn in turns if turn.turn < row.turn], steps, messages)


async def build(database: Database, row: RunRow, past: Past, *, context_tokens: int | None) -> Prompt:
    """The prompt of turn `row.turn`. Raises OverBudget."""
    run = row.run
    used = [turn.usage for turn in past.turns if turn.usage is not None]
    prompt_left = _left(run.max_prompt_tokens, [usage.prompt_tokens for usage in used])
    completion_left = _left(run.max_completion_tokens, [usage.completion_tokens for usage in used])
    if completion_left is not None and completion_left <= 0:
        raise OverBudget("max_completion_tokens")

    thread = await store.messages.of_thread(database, run.thread_id)
    own_ids = {own.message.id for own in past.messages}
    thread = [message for message in thread if message.message.id not in own_ids]
    head: list[ChatMessage] = [{"role": "system", "content": run.instructions}] if run.instructions else []
    tail = _own_turns(row, past)
    offered = tools.offered(run)

    kept, dropped = _last_messages(run, thread)
    estimated = None
    if prompt_left is not None or context_tokens is not None:
        # In a thread: to count the tokens of a long conversation takes longer than others should wait.
        kept, more, estimated = await asyncio.to_thread(
            _fitting, run, kept, [*head, *tail], offered, prompt_left, context_tokens, completion_left
        )
        dropped += more
    return Prompt(
        request=_request(
            run, row.turn, [*head, *(_chat_message(kept_.message) for kept_ in kept), *tail], offered, completion_left
        ),
        messages=tuple(message.seq for message in kept),
        dropped=tuple(dropped),
        estimated_tokens=estimated,
        prompt_tokens_left=prompt_left,
        completion_tokens_left=completion_left,
    )


def _left(budget: int | None, used: Sequence[int]) -> int | None:
    return None if budget is None else budget - sum(used)


def _last_messages(run: Run, thread: list[MessageRow]) -> tuple[list[MessageRow], list[Dropped]]:
    """R-29: `last_messages: n` keeps the n most recent messages of the thread."""
    strategy = run.truncation_strategy
    if strategy is None or strategy.type != "last_messages" or strategy.last_messages is None:
        return thread, []
    cut = max(0, len(thread) - strategy.last_messages)
    return thread[cut:], [Dropped(message.seq, "last_messages") for message in thread[:cut]]


def _fitting(
    run: Run,
    thread: list[MessageRow],
    around: list[ChatMessage],
    offered: list[tools.ChatTool],
    prompt_left: int | None,
    context_tokens: int | None,
    completion_left: int | None,
) -> tuple[list[MessageRow], list[Dropped], int]:
    """(messages kept, messages dropped, estimated tokens): the oldest go first, the newest stays (R-29).

    `around` are the messages that stay in any case. The oldest messages are not even counted.
    """
    context = None
    if context_tokens is not None:
        context = context_tokens - min(completion_left or ANSWER_TOKENS, context_tokens // 2)
    limits = [limit for limit in (prompt_left, context) if limit is not None]
    auto = run.truncation_strategy is None or run.truncation_strategy.type == "auto"
    total, cut = sum(map(tokens.of_message, around)) + tokens.of_tools(offered), len(thread)
    for row in reversed(thread):
        count = tokens.of_message(_chat_message(row.message))
        if auto and cut < len(thread) and total + count > min(limits):
            break
        total, cut = total + count, cut - 1
    if prompt_left is not None and total > prompt_left:
        raise OverBudget("max_prompt_tokens")
    # Too long for the context only: the upstream may still take it, our count is an estimate.
    reason = "max_prompt_tokens" if prompt_left == min(limits) else "context"
    return thread[cut:], [Dropped(row.seq, reason) for row in thread[:cut]], total


def _request(
    run: Run, turn: int, messages: list[ChatMessage], offered: list[tools.ChatTool], completion_left: int | None
) -> ChatRequest:
    return ChatRequest(
        messages=messages,
        tools=offered or None,
        tool_choice=tools.choice(run, turn=turn),
        # True is every server's default, and some refuse the word.
        parallel_tool_calls=False if offered and not run.parallel_tool_calls else None,
        response_format=None if run.response_format in ("auto", None) else to_builtins(run.response_format),
        temperature=run.temperature,
        top_p=run.top_p,
        max_tokens=completion_left,
        reasoning_effort=run.reasoning_effort,
    )


def _own_turns(row: RunRow, past: Past) -> list[ChatMessage]:
    """What this run's turns before the present one said and called, each result tied to its call (R-43)."""
    texts = {own.message.id: _text(own.message.content) for own in past.messages}
    history: list[ChatMessage] = []
    for turn in range(row.turn):
        done = [step.step for step in past.steps if step.turn == turn and step.step.status is StepStatus.COMPLETED]
        said: str | None = None
        for step in done:
            match step.step_details:
                case MessageCreationDetails(message_creation=creation):
                    said = texts.get(creation.message_id)
                case ToolCallsDetails(tool_calls=calls):
                    functions = [call for call in calls if isinstance(call, FunctionToolCall)]
                    history.append(_assistant_calls(said, functions))
                    history += [
                        {"role": "tool", "tool_call_id": call.id, "content": call.function.output or ""}
                        for call in functions
                    ]
                    said = None
    return history


def _assistant_calls(said: str | None, calls: list[FunctionToolCall]) -> ChatMessage:
    return {
        "role": "assistant",
        "content": said,
        "tool_calls": [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.function.name, "arguments": call.function.arguments},
            }
            for call in calls
        ],
    }


def _chat_message(message: Message) -> ChatMessage:
    if message.role == "assistant" or all(isinstance(part, TextContent) for part in message.content):
        return {"role": message.role, "content": _text(message.content)}
    return {"role": message.role, "content": [_part(part) for part in message.content]}


def _text(content: Sequence[MessageContent]) -> str:
    blocks = []
    for part in content:
        if isinstance(part, TextContent):
            blocks.append(part.text.value)
        elif isinstance(part, RefusalContent):
            blocks.append(part.refusal)
    return "\n\n".join(blocks)


def _part(part: MessageContent) -> ChatMessage:
    match part:
        case TextContent(text=text):
            return {"type": "text", "text": text.value}
        case ImageUrlContent(image_url=image):
            # It goes upstream unread: Treadle never fetches a URL that came in a request.
            return {"type": "image_url", "image_url": {"url": image.url, "detail": image.detail}}
        case ImageFileContent(image_file=file):
            return {"type": "text", "text": f"[image {file.file_id}]"}
        case RefusalContent(refusal=refusal):
            return {"type": "text", "text": refusal}
