"""What the model is shown. Contract: docs/behaviour.md, rules R-23, R-27 to R-31, R-33 and R-43."""

import pytest

from tests.engine.objects import THREAD, a_call, a_message, a_row, a_run, a_tool_step
from treadle import store
from treadle.contract.formats import ResponseFormatText
from treadle.contract.messages import (
    ImageFile,
    ImageFileContent,
    ImageUrl,
    ImageUrlContent,
    RefusalContent,
    TextContent,
)
from treadle.contract.run_steps import MessageCreation, MessageCreationDetails, RunStep, StepStatus, StepUsage
from treadle.contract.runs import TruncationStrategy
from treadle.contract.tools import (
    CodeInterpreterTool,
    FileSearchTool,
    FunctionDefinition,
    FunctionTool,
    NamedToolChoice,
    ToolChoiceFunction,
)
from treadle.engine import prompt, tokens
from treadle.store import Batch, Database
from treadle.store.run_steps import StepRow
from treadle.store.turns import Turn

ROLL = FunctionTool(function=FunctionDefinition(name="roll", description="Roll a die.", parameters={"type": "object"}))


async def write(database: Database, *statements) -> None:
    batch = Batch()
    for statement in statements:
        batch.write(statement)
    await database.commit(batch)


async def say(database: Database, *texts: str) -> None:
    for number, text in enumerate(texts):
        await write(database, store.messages.insert(a_message(f"msg_{number}", text)))


def a_turn(number: int, prompt_tokens: int, completion_tokens: int) -> Turn:
    total = prompt_tokens + completion_tokens
    usage = StepUsage(prompt_tokens=prompt_tokens, completion_tokens=completion_tokens, total_tokens=total)
    return Turn(turn=number, model="gpt-4o", queued_at_ms=0, started_at_ms=0, usage=usage)


async def build(database: Database, turns=(), *, turn: int = 0, context_tokens: int | None = None, **fields):
    row = a_row(a_run(**fields), turn=turn)
    past = (await prompt.read_past(database, row))._replace(turns=turns)
    return await prompt.build(database, row, past, context_tokens=context_tokens)


async def test_r_33_an_empty_thread_without_instructions_is_an_empty_prompt(database):
    built = await build(database)

    assert built.request.messages == []
    assert (built.messages, built.dropped, built.estimated_tokens) == ((), (), None)


async def test_r_23_instructions_come_first(database):
    await say(database, "Hello")

    built = await build(database, instructions="Be brief.")

    assert built.request.messages == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello"},
    ]


async def test_the_record_names_the_messages_that_were_shown_and_dropped(database):
    await say(database, "one", "two", "three")

    strategy = TruncationStrategy(type="last_messages", last_messages=1)
    built = await build(database, truncation_strategy=strategy)

    assert built.messages == (3,)
    assert [(dropped.seq, dropped.reason) for dropped in built.dropped] == [(1, "last_messages"), (2, "last_messages")]


@pytest.mark.parametrize(
    ("wanted", "shown"), [(1, ["three"]), (3, ["one", "two", "three"]), (9, ["one", "two", "three"])]
)
async def test_r_29_last_messages_keeps_the_newest(database, wanted, shown):
    await say(database, "one", "two", "three")

    built = await build(database, truncation_strategy=TruncationStrategy(type="last_messages", last_messages=wanted))

    assert [message["content"] for message in built.request.messages] == shown


@pytest.mark.parametrize("room", range(0, 40, 3))
async def test_r_29_auto_keeps_as_many_of_the_newest_as_fit(database, room):
    texts = ["one two three", "four five six", "seven eight nine"]
    await say(database, *texts)
    costs = [tokens.of_message({"content": text}) for text in texts]

    if room < costs[-1]:
        with pytest.raises(prompt.OverBudget) as over:
            await build(database, max_prompt_tokens=room)
        assert over.value.limit == "max_prompt_tokens"
        return
    built = await build(database, max_prompt_tokens=room)

    kept = len(built.messages)
    assert sum(costs[-kept:]) <= room
    assert kept == 3 or sum(costs[-kept - 1 :]) > room
    assert built.estimated_tokens == sum(costs[-kept:])
    assert {dropped.reason for dropped in built.dropped} <= {"max_prompt_tokens"}


async def test_r_29_a_context_leaves_room_for_the_answer(database):
    await say(database, "old " * 300, "new " * 300)

    built = await build(database, context_tokens=1000)

    # 512 tokens of the 1000 would be the answer's, but never more than half.
    assert [dropped.reason for dropped in built.dropped] == ["context"]
    assert built.messages == (2,)


async def test_r_29_a_completion_budget_is_the_room_that_is_left(database):
    await say(database, "old " * 300, "new " * 300)

    built = await build(database, context_tokens=1000, max_completion_tokens=256)

    assert built.messages == (1, 2)


async def test_r_29_too_long_for_the_context_alone_is_the_model_servers_to_judge(database):
    await say(database, "new " * 2000)

    built = await build(database, context_tokens=1000)

    assert built.messages == (1,)


async def test_r_29_last_messages_drops_nothing_more(database):
    await say(database, "old " * 300, "new " * 300)
    strategy = TruncationStrategy(type="last_messages", last_messages=2)

    with pytest.raises(prompt.OverBudget):
        await build(database, max_prompt_tokens=400, truncation_strategy=strategy)


async def test_r_30_budgets_are_reduced_by_what_earlier_turns_used(database):
    await say(database, "Hello")
    turns = [a_turn(0, 100, 30), a_turn(1, 120, 20)]

    built = await build(database, turns, turn=2, max_prompt_tokens=300, max_completion_tokens=256)

    assert (built.prompt_tokens_left, built.completion_tokens_left) == (80, 206)
    assert built.request.max_tokens == 206


@pytest.mark.parametrize("used", [256, 300])
async def test_r_30_a_completion_budget_that_is_used_up_forbids_to_ask(database, used):
    with pytest.raises(prompt.OverBudget) as over:
        await build(database, [a_turn(0, 1, used)], turn=1, max_completion_tokens=256)

    assert over.value.limit == "max_completion_tokens"


async def test_r_30_a_turn_whose_usage_is_unknown_uses_nothing(database):
    unknown = Turn(turn=0, model="gpt-4o", queued_at_ms=0, started_at_ms=0)

    built = await build(database, [unknown], turn=1, max_completion_tokens=256)

    assert built.completion_tokens_left == 256


async def test_r_43_a_turn_is_repeated_with_its_text_its_calls_and_their_outputs(database):
    await say(database, "Weather?")
    said = a_message("msg_own", "Let me look.", role="assistant", run_id="run_1")
    step = RunStep(
        id="step_1",
        created_at=1000,
        assistant_id="asst_1",
        thread_id=THREAD,
        run_id="run_1",
        type="message_creation",
        status=StepStatus.COMPLETED,
        step_details=MessageCreationDetails(message_creation=MessageCreation(message_id="msg_own")),
    )
    calls = a_tool_step("step_2", a_call("call_1", output="sun"), a_call("call_2", output=None))
    await write(
        database,
        store.messages.insert(said),
        store.run_steps.insert(StepRow(step, 1, 0)),
        store.run_steps.insert(StepRow(calls, 2, 0)),
    )

    built = await build(database, turn=1)

    user, assistant, *outputs = built.request.messages
    assert user["content"] == "Weather?"
    assert assistant["content"] == "Let me look."
    assert [call["id"] for call in assistant["tool_calls"]] == ["call_1", "call_2"]
    assert outputs == [
        {"role": "tool", "tool_call_id": "call_1", "content": "sun"},
        {"role": "tool", "tool_call_id": "call_2", "content": ""},
    ]


async def test_r_9_what_the_turn_being_taken_left_behind_is_not_in_its_prompt(database):
    await say(database, "Weather?")
    half = a_message("msg_own", "Let me", role="assistant", run_id="run_1")
    step = a_tool_step("step_1", a_call("call_1"), status=StepStatus.IN_PROGRESS)
    await write(database, store.messages.insert(half), store.run_steps.insert(StepRow(step, 1, 0)))

    built = await build(database, turn=0)

    assert built.request.messages == [{"role": "user", "content": "Weather?"}]


async def test_what_an_earlier_run_said_is_part_of_the_thread(database):
    await say(database, "Weather?")
    await write(database, store.messages.insert(a_message("msg_r", "Sunny.", role="assistant", run_id="run_0")))

    built = await build(database)

    assert built.request.messages[1] == {"role": "assistant", "content": "Sunny."}


async def test_m_2_images_go_to_the_model_unread(database):
    text = TextContent(text=a_message("", "What is this?").content[0].text)
    image = ImageUrlContent(image_url=ImageUrl(url="https://example.com/x.png", detail="low"))
    file = ImageFileContent(image_file=ImageFile(file_id="file-1"))
    message = a_message("msg_1", "")
    message.content = [text, image, file]
    await write(database, store.messages.insert(message))

    built = await build(database)

    assert built.request.messages[0]["content"] == [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "https://example.com/x.png", "detail": "low"}},
        {"type": "text", "text": "[image file-1]"},
    ]


async def test_several_texts_are_one_and_a_refusal_is_text(database):
    message = a_message("msg_1", "Hm.", role="assistant")
    message.content.append(RefusalContent(refusal="I cannot."))
    await write(database, store.messages.insert(message))

    built = await build(database)

    assert built.request.messages == [{"role": "assistant", "content": "Hm.\n\nI cannot."}]


async def test_a_2_and_a_3_functions_are_offered_as_they_are(database):
    bare = FunctionTool(function=FunctionDefinition(name="bare"))
    strict = FunctionTool(function=FunctionDefinition(name="strict", strict=True))

    built = await build(database, tools=[ROLL, bare, strict])

    assert [tool["function"] for tool in built.request.tools] == [
        {"name": "roll", "description": "Roll a die.", "parameters": {"type": "object"}},
        {"name": "bare", "parameters": {"type": "object", "properties": {}}},
        {"name": "strict", "parameters": {"type": "object", "properties": {}}, "strict": True},
    ]


async def test_ci_9_built_in_tools_are_offered_as_functions(database):
    built = await build(database, tools=[CodeInterpreterTool(), FileSearchTool()])

    assert [tool["function"]["name"] for tool in built.request.tools] == ["code_interpreter", "file_search"]


async def test_a_function_that_has_a_built_in_name_keeps_it(database):
    own = FunctionTool(function=FunctionDefinition(name="file_search"))

    built = await build(database, tools=[FileSearchTool(), own])

    assert [tool["function"]["name"] for tool in built.request.tools] == ["file_search_tool", "file_search"]


@pytest.mark.parametrize(
    ("choice", "turn", "sent"),
    [
        ("auto", 0, None),
        ("none", 0, None),
        ("required", 0, "required"),
        ("required", 1, None),
        (
            NamedToolChoice(type="function", function=ToolChoiceFunction(name="roll")),
            0,
            {"type": "function", "function": {"name": "roll"}},
        ),
        (NamedToolChoice(type="function", function=ToolChoiceFunction(name="roll")), 1, None),
        (
            NamedToolChoice(type="code_interpreter"),
            0,
            {"type": "function", "function": {"name": "code_interpreter"}},
        ),
    ],
)
async def test_r_27_a_forced_call_is_forced_in_the_first_turn(database, choice, turn, sent):
    built = await build(database, turn=turn, tool_choice=choice, tools=[ROLL, CodeInterpreterTool()])

    assert built.request.tool_choice == sent
    assert (built.request.tools is None) == (choice == "none")


async def test_r_27_nothing_is_forced_without_tools(database):
    built = await build(database, tool_choice="required")

    assert (built.request.tools, built.request.tool_choice) == (None, None)


@pytest.mark.parametrize(
    ("parallel", "tools", "sent"), [(True, [ROLL], None), (False, [ROLL], False), (False, [], None)]
)
async def test_r_28_parallel_calls_are_only_mentioned_when_they_are_forbidden(database, parallel, tools, sent):
    built = await build(database, parallel_tool_calls=parallel, tools=tools)

    assert built.request.parallel_tool_calls is sent


@pytest.mark.parametrize(("format", "sent"), [("auto", None), (None, None), (ResponseFormatText(), {"type": "text"})])
async def test_r_31_the_response_format_is_passed_on_unless_it_is_auto(database, format, sent):
    built = await build(database, response_format=format)

    assert built.request.response_format == sent


async def test_r_21_a_temperature_of_zero_is_sent(database):
    built = await build(database, temperature=0.0, top_p=0.0)

    assert (built.request.temperature, built.request.top_p) == (0.0, 0.0)
