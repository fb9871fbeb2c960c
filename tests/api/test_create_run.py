"""createRun. Contract: docs/behaviour.md, section 5.2."""

import asyncio

import msgspec
import pytest

from tests.support import runs
from tests.support.api import Json
from treadle.upstream.models import ModelSettings
from treadle.upstream.scripted import function_call, hang, say

NO_PARAMETERS = {"type": "object", "properties": {}}


def function(name: str) -> Json:
    return {"type": "function", "function": {"name": name, "parameters": NO_PARAMETERS}}


def named(name: str) -> Json:
    return {"type": "function", "function": {"name": name}}


def prompt(received) -> list[Json]:
    """The (role, content) pairs that the model server was sent."""
    return [(message["role"], message["content"]) for message in received.body["messages"]]


async def test_r_2_and_r_25_a_new_run_is_queued_and_shows_every_field(api, assistant, thread, upstream):
    upstream.will_say(say("Sunny."))

    run = await runs.begun(api, thread, assistant)

    assert run == {
        "id": run["id"],
        "object": "thread.run",
        "created_at": run["created_at"],
        "thread_id": thread["id"],
        "assistant_id": assistant["id"],
        "status": "queued",
        "required_action": None,
        "last_error": None,
        "expires_at": run["created_at"] + 600,
        "started_at": None,
        "cancelled_at": None,
        "failed_at": None,
        "completed_at": None,
        "incomplete_details": None,
        "model": "gpt-4o",
        "instructions": "",
        "tools": assistant["tools"],
        "tool_resources": {},
        "metadata": {},
        "usage": None,
        "temperature": 1.0,
        "top_p": 1.0,
        "max_prompt_tokens": None,
        "max_completion_tokens": None,
        "truncation_strategy": {"type": "auto", "last_messages": None},
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "response_format": "auto",
        "reasoning_effort": None,
    }
    assert run["id"].startswith("run_")


async def test_r_3_to_r_5_a_completed_run_has_its_times_and_no_longer_expires(api, assistant, thread, upstream):
    upstream.will_say(say("Sunny."))

    run = await runs.ran(api, thread, assistant)

    assert run["status"] == "completed"
    assert run["created_at"] <= run["started_at"] <= run["completed_at"]
    assert (run["expires_at"], run["failed_at"], run["cancelled_at"]) == (None, None, None)


async def test_rl_6_the_answer_does_not_wait_for_the_model(api, assistant, thread, upstream):
    upstream.will_say(hang())

    run = await runs.begun(api, thread, assistant)

    assert run["status"] == "queued"
    assert (await runs.reached(api, run, "in_progress"))["started_at"] is not None


OVERRIDES = {
    "model": "llama",
    "instructions": "Be brief.",
    "tools": [{"type": "function", "function": {"name": "roll", "parameters": NO_PARAMETERS, "strict": False}}],
    "metadata": {"ticket": "7"},
    "temperature": 0.5,
    "top_p": 0.25,
    "max_prompt_tokens": 1000,
    "max_completion_tokens": 500,
    "truncation_strategy": {"type": "last_messages", "last_messages": 3},
    "tool_choice": "none",
    "parallel_tool_calls": False,
    "response_format": {"type": "json_object"},
    "reasoning_effort": "low",
}


@pytest.mark.parametrize("field", OVERRIDES)
async def test_r_20_a_run_may_override(api, assistant, thread, upstream, field):
    upstream.will_say(say("Yes."))

    run = await runs.begun(api, thread, assistant, **{field: OVERRIDES[field]})

    assert run[field] == OVERRIDES[field]


async def test_r_20_tool_resources_are_the_assistants_alone(api, assistant, thread):
    body = {"assistant_id": assistant["id"], "tool_resources": {}}

    answer = await api.post(f"/threads/{thread['id']}/runs", body)

    assert answer.status == 400
    assert answer.error["message"] == "Unknown parameter: 'tool_resources'."


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", 0),
        ("top_p", 0),
        ("instructions", ""),
        ("tools", []),
        ("parallel_tool_calls", False),
        ("metadata", {}),
    ],
)
async def test_r_21_what_is_false_zero_or_empty_overrides_too(api, thread, upstream, field, value):
    upstream.will_say(say("Yes."))
    settings = {"temperature": 0.7, "top_p": 0.7, "instructions": "Rhyme.", "tools": [function("roll")]}
    assistant = await api.created("/assistants", {"model": "gpt-4o", **settings})

    run = await runs.begun(api, thread, assistant, **{field: value})

    assert run[field] == value


async def test_r_21_null_does_not_override(api, thread, upstream):
    upstream.will_say(say("Yes."))
    settings = {"temperature": 0.7, "top_p": 0.6, "instructions": "Rhyme.", "tools": [function("roll")]}
    assistant = await api.created("/assistants", {"model": "gpt-4o", **settings})

    run = await runs.begun(api, thread, assistant, **dict.fromkeys(OVERRIDES))

    for field in settings:
        assert run[field] == assistant[field]
    assert (run["tool_choice"], run["parallel_tool_calls"], run["metadata"]) == ("auto", True, {})


async def test_r_21_tools_that_are_overridden_with_none_are_not_offered(api, assistant, thread, upstream):
    upstream.will_say(say("I cannot look."))

    await runs.ran(api, thread, assistant, tools=[])

    assert "tools" not in (await upstream.request(0)).body


async def test_r_22_a_run_keeps_what_its_assistant_was_when_it_began(api, assistant, thread, upstream):
    upstream.will_say(function_call("get_weather", {"city": "Kyiv"}), say("Sunny."))
    run = await runs.ran(api, thread, assistant)

    changed = {"model": "llama", "instructions": "Rhyme.", "tools": [], "temperature": 0}
    await api.created(f"/assistants/{assistant['id']}", changed)
    done = await runs.answered(api, run)

    for field, value in changed.items():
        assert done[field] == run[field] != value
    second = (await upstream.request(1)).body
    assert second["model"] == "gpt-4o"
    assert second["temperature"] == 1.0
    assert [tool["function"]["name"] for tool in second["tools"]] == ["get_weather"]
    assert second["messages"][0]["role"] == "user"


async def test_a_7_a_run_goes_on_after_its_assistant_was_deleted(api, assistant, thread, upstream):
    upstream.will_say(function_call("get_weather", {"city": "Kyiv"}), say("Sunny."))
    run = await runs.ran(api, thread, assistant)

    await api.delete(f"/assistants/{assistant['id']}")

    assert (await runs.answered(api, run))["status"] == "completed"


@pytest.mark.parametrize(
    ("assistants", "overriding", "additional", "effective"),
    [
        ("Rhyme.", None, None, "Rhyme."),
        ("Rhyme.", "Be brief.", None, "Be brief."),
        ("Rhyme.", None, "Use Ukrainian.", "Rhyme.\nUse Ukrainian."),
        ("Rhyme.", "Be brief.", "Use Ukrainian.", "Be brief.\nUse Ukrainian."),
        ("Rhyme.", "", "Use Ukrainian.", "Use Ukrainian."),
        (None, None, "Use Ukrainian.", "Use Ukrainian."),
        (None, None, None, ""),
    ],
)
async def test_r_23_additional_instructions_follow_those_that_apply(
    api, thread, upstream, assistants, overriding, additional, effective
):
    upstream.will_say(say("Yes."))
    assistant = await api.created("/assistants", {"model": "gpt-4o", "instructions": assistants})

    run = await runs.begun(api, thread, assistant, instructions=overriding, additional_instructions=additional)

    system = [("system", effective)] if effective else []
    assert run["instructions"] == effective
    assert prompt(await upstream.request(0)) == [*system, ("user", "What is the weather in Kyiv?")]


async def test_r_24_additional_messages_join_the_thread_before_the_run(api, assistant, thread, upstream):
    upstream.will_say(say("Sunny."))
    additional = [{"role": "assistant", "content": "Here?"}, {"role": "user", "content": "And in Lviv?"}]

    await runs.ran(api, thread, assistant, additional_messages=additional)

    said = [(message["role"], runs.text_of(message)) for message in await runs.messages_of(api, thread)]
    asked = [("user", "What is the weather in Kyiv?"), ("assistant", "Here?"), ("user", "And in Lviv?")]
    assert prompt(await upstream.request(0)) == asked
    assert said == [*asked, ("assistant", "Sunny.")]


async def test_r_24_an_additional_message_that_is_refused_creates_nothing(api, assistant, thread):
    additional = [{"role": "user", "content": "And in Lviv?"}, {"role": "nobody", "content": "?"}]
    body = {"assistant_id": assistant["id"], "additional_messages": additional}

    answer = await api.post(f"/threads/{thread['id']}/runs", body)

    assert answer.status == 400
    assert answer.error["param"] == "additional_messages[1].role"
    assert len(await runs.messages_of(api, thread)) == 1
    assert (await api.found(f"/threads/{thread['id']}/runs"))["data"] == []


async def test_r_24_a_locked_thread_takes_no_additional_messages(api, assistant, thread, upstream):
    upstream.will_say(hang())
    await runs.begun(api, thread, assistant)
    body = {"assistant_id": assistant["id"], "additional_messages": [{"role": "user", "content": "And in Lviv?"}]}

    answer = await api.post(f"/threads/{thread['id']}/runs", body)

    assert answer.status == 400
    assert len(await runs.messages_of(api, thread)) == 1


async def test_r_24_more_than_32_additional_messages_are_refused(api, assistant, thread):
    body = {"assistant_id": assistant["id"], "additional_messages": [{"role": "user", "content": "Hi"}] * 33}

    answer = await api.post(f"/threads/{thread['id']}/runs", body)

    assert answer.status == 400
    assert (answer.error["param"], answer.error["code"]) == ("additional_messages", "array_above_max_length")


async def test_r_27_with_none_the_model_is_offered_no_tool(api, assistant, thread, upstream):
    upstream.will_say(say("I cannot look."))

    await runs.ran(api, thread, assistant, tool_choice="none")

    sent = (await upstream.request(0)).body
    assert "tools" not in sent
    assert "tool_choice" not in sent


@pytest.mark.parametrize("choice", ["required", named("get_weather")])
async def test_r_27_a_call_is_forced_in_the_first_turn_only(api, assistant, thread, upstream, choice):
    upstream.will_say(function_call("get_weather", {"city": "Kyiv"}), say("Sunny."))

    run = await runs.answered(api, await runs.ran(api, thread, assistant, tool_choice=choice))

    assert run["tool_choice"] == choice
    assert (await upstream.request(0)).body["tool_choice"] == choice
    assert "tool_choice" not in (await upstream.request(1)).body


@pytest.mark.parametrize("choice", [named("roll"), {"type": "file_search"}, {"type": "code_interpreter"}])
async def test_r_27_a_chosen_tool_that_the_run_does_not_have_is_400(api, assistant, thread, choice):
    body = {"assistant_id": assistant["id"], "tool_choice": choice}

    answer = await api.post(f"/threads/{thread['id']}/runs", body)

    assert answer.status == 400
    assert (answer.error["param"], answer.error["code"]) == ("tool_choice", "invalid_value")


async def test_r_27_the_chosen_tool_is_looked_for_among_the_runs_own_tools(api, assistant, thread, upstream):
    upstream.will_say(function_call("roll", {}))

    run = await runs.ran(api, thread, assistant, tools=[function("roll")], tool_choice=named("roll"))

    assert run["status"] == "requires_action"


async def test_r_28_without_parallel_calls_only_the_first_call_of_a_turn_counts(api, assistant, thread, upstream):
    both = function_call("get_weather", {"city": "Kyiv"}) + function_call("get_weather", {"city": "Lviv"})
    upstream.will_say(both)

    run = await runs.ran(api, thread, assistant, parallel_tool_calls=False)

    [call] = run["required_action"]["submit_tool_outputs"]["tool_calls"]
    assert call["function"]["arguments"] == '{"city":"Kyiv"}'
    assert (await upstream.request(0)).body["parallel_tool_calls"] is False
    [step] = await runs.steps_of(api, run)
    assert len(step["step_details"]["tool_calls"]) == 1


async def test_r_28_parallel_calls_are_the_default_and_all_count(api, assistant, thread, upstream):
    both = function_call("get_weather", {"city": "Kyiv"}) + function_call("get_weather", {"city": "Lviv"})
    upstream.will_say(both)

    run = await runs.ran(api, thread, assistant)

    assert len(runs.call_ids(run)) == 2
    assert "parallel_tool_calls" not in (await upstream.request(0)).body


async def thread_of(api, *texts: str) -> Json:
    return await api.created("/threads", {"messages": [{"role": "user", "content": text} for text in texts]})


async def test_r_29_last_messages_keeps_so_many_of_the_newest(api, assistant, upstream):
    upstream.will_say(say("Yes."))
    thread = await thread_of(api, "one", "two", "three")

    await runs.ran(api, thread, assistant, truncation_strategy={"type": "last_messages", "last_messages": 2})

    assert prompt(await upstream.request(0)) == [("user", "two"), ("user", "three")]


async def test_r_29_last_messages_does_not_count_what_the_run_itself_said(api, assistant, upstream):
    upstream.will_say(say("Let me look. ") + function_call("get_weather", {"city": "Kyiv"}), say("Sunny."))
    thread = await thread_of(api, "one", "two")
    strategy = {"type": "last_messages", "last_messages": 1}

    await runs.answered(api, await runs.ran(api, thread, assistant, truncation_strategy=strategy))

    second = (await upstream.request(1)).body["messages"]
    assert [message["role"] for message in second] == ["user", "assistant", "tool"]
    assert second[0]["content"] == "two"


@pytest.mark.parametrize(
    ("strategy", "param", "code"),
    [
        ({"type": "last_messages"}, "truncation_strategy.last_messages", "missing_required_parameter"),
        (
            {"type": "last_messages", "last_messages": 0},
            "truncation_strategy.last_messages",
            "integer_below_min_value",
        ),
        ({"type": "middle"}, "truncation_strategy.type", "invalid_value"),
    ],
)
async def test_r_29_a_strategy_that_says_too_little_is_400(api, assistant, thread, strategy, param, code):
    body = {"assistant_id": assistant["id"], "truncation_strategy": strategy}

    answer = await api.post(f"/threads/{thread['id']}/runs", body)

    assert answer.status == 400
    assert (answer.error["param"], answer.error["code"]) == (param, code)


WORDS = "rain " * 150  # about as many tokens


async def test_r_29_auto_drops_the_oldest_messages_until_the_prompt_budget_is_kept(api, upstream):
    upstream.will_say(say("Yes."))
    assistant = await api.created("/assistants", {"model": "gpt-4o", "instructions": "Be brief."})
    thread = await thread_of(api, f"old {WORDS}", f"new {WORDS}", "newest")

    run = await runs.ran(api, thread, assistant, max_prompt_tokens=256)

    assert run["status"] == "completed"
    assert prompt(await upstream.request(0)) == [("system", "Be brief."), ("user", f"new {WORDS}"), ("user", "newest")]


async def test_r_30_a_newest_message_beyond_the_prompt_budget_makes_the_run_incomplete(api, assistant, upstream):
    thread = await thread_of(api, WORDS * 2)

    run = await runs.ran(api, thread, assistant, max_prompt_tokens=256)

    assert run["status"] == "incomplete"
    assert run["incomplete_details"] == {"reason": "max_prompt_tokens"}
    assert run["completed_at"] is not None
    assert upstream.requests == []


async def test_r_30_the_prompt_budget_is_for_all_turns_together(api, assistant, thread, upstream):
    used = {"prompt_tokens": 255, "completion_tokens": 5, "total_tokens": 260}
    upstream.will_say(msgspec.structs.replace(function_call("get_weather", {"city": "Kyiv"}), usage=used))

    run = await runs.answered(api, await runs.ran(api, thread, assistant, max_prompt_tokens=256))

    assert run["status"] == "incomplete"
    assert run["incomplete_details"] == {"reason": "max_prompt_tokens"}
    assert run["usage"]["prompt_tokens"] == 255
    assert len(upstream.requests) == 1


async def test_r_30_each_turn_gets_what_is_left_of_the_completion_budget(api, assistant, thread, upstream):
    used = {"prompt_tokens": 10, "completion_tokens": 100, "total_tokens": 110}
    turn = msgspec.structs.replace(function_call("get_weather", {"city": "Kyiv"}), usage=used)
    upstream.will_say(turn, turn, say("Sunny."))

    run = await runs.ran(api, thread, assistant, max_completion_tokens=300)
    run = await runs.answered(api, await runs.answered(api, run))

    assert run["status"] == "completed"
    assert [received.body["max_tokens"] for received in upstream.requests] == [300, 200, 100]


async def test_r_30_without_completion_tokens_left_the_model_is_not_asked_again(api, assistant, thread, upstream):
    used = {"prompt_tokens": 10, "completion_tokens": 300, "total_tokens": 310}
    upstream.will_say(msgspec.structs.replace(function_call("get_weather", {"city": "Kyiv"}), usage=used))

    run = await runs.answered(api, await runs.ran(api, thread, assistant, max_completion_tokens=300))

    assert run["status"] == "incomplete"
    assert run["incomplete_details"] == {"reason": "max_completion_tokens"}
    assert run["usage"]["completion_tokens"] == 300
    assert len(upstream.requests) == 1


async def test_r_30_a_completion_that_is_cut_makes_the_run_and_its_message_incomplete(api, assistant, thread, upstream):
    upstream.will_say(say("It is su", finish_reason="length"))

    run = await runs.ran(api, thread, assistant, max_completion_tokens=256)

    message = (await runs.messages_of(api, thread))[-1]
    [step] = await runs.steps_of(api, run)
    assert run["status"] == "incomplete"
    assert run["incomplete_details"] == {"reason": "max_completion_tokens"}
    assert message["status"] == "incomplete"
    assert message["incomplete_details"] == {"reason": "max_tokens"}
    assert runs.text_of(message) == "It is su"
    assert (message["completed_at"], message["incomplete_at"]) == (None, run["completed_at"])
    assert step["status"] == "completed"


@pytest.mark.parametrize("field", ["max_prompt_tokens", "max_completion_tokens"])
async def test_e_34_a_budget_below_256_is_400(api, assistant, thread, field):
    answer = await api.post(f"/threads/{thread['id']}/runs", {"assistant_id": assistant["id"], field: 255})

    assert answer.status == 400
    assert (answer.error["param"], answer.error["code"]) == (field, "integer_below_min_value")


@pytest.mark.parametrize(
    "response_format",
    [
        {"type": "text"},
        {"type": "json_object"},
        {"type": "json_schema", "json_schema": {"name": "weather", "schema": NO_PARAMETERS, "strict": True}},
    ],
)
async def test_r_31_the_response_format_is_echoed_and_passed_on(api, assistant, thread, upstream, response_format):
    upstream.will_say(say("{}"))

    run = await runs.ran(api, thread, assistant, response_format=response_format)

    assert run["response_format"] == response_format
    assert (await upstream.request(0)).body["response_format"] == response_format


async def test_r_31_the_response_format_auto_is_not_passed_on(api, assistant, thread, upstream):
    upstream.will_say(say("Sunny."))

    await runs.ran(api, thread, assistant, response_format="auto")

    assert "response_format" not in (await upstream.request(0)).body


async def test_a_9_the_reasoning_effort_is_passed_on(api, thread, upstream):
    upstream.will_say(say("Sunny."), say("Sunny."))
    assistant = await api.created("/assistants", {"model": "gpt-4o", "reasoning_effort": "high"})

    await runs.ran(api, thread, assistant)
    await runs.ran(api, thread, assistant, reasoning_effort="minimal")

    assert [received.body["reasoning_effort"] for received in upstream.requests] == ["high", "minimal"]


async def test_r_33_an_empty_thread_may_be_run(api, upstream):
    upstream.will_say(say("Hello."))
    assistant = await api.created("/assistants", {"model": "gpt-4o", "instructions": "Greet."})

    run = await runs.ran(api, await api.created("/threads"), assistant)

    assert run["status"] == "completed"
    assert prompt(await upstream.request(0)) == [("system", "Greet.")]


async def test_e_72_a_thread_with_an_active_run_takes_no_other(api, assistant, thread, upstream):
    upstream.will_say(function_call("get_weather", {"city": "Kyiv"}))
    run = await runs.ran(api, thread, assistant)

    answer = await api.post(f"/threads/{thread['id']}/runs", {"assistant_id": assistant["id"]})

    assert answer.status == 400
    assert answer.error == {
        "message": f"Thread {thread['id']} already has an active run {run['id']}.",
        "type": "invalid_request_error",
        "param": None,
        "code": None,
    }


async def test_r_8_of_ten_concurrent_creates_one_wins_and_the_others_name_it(api, assistant, thread, upstream):
    upstream.will_say(hang())
    body = {"assistant_id": assistant["id"]}

    answers = await asyncio.gather(*(api.post(f"/threads/{thread['id']}/runs", body) for _ in range(10)))

    [winner] = [answer.json for answer in answers if answer.status == 200]
    refused = [answer for answer in answers if answer.status != 200]
    assert [answer.status for answer in refused] == [400] * 9
    assert {answer.error["message"] for answer in refused} == {
        f"Thread {thread['id']} already has an active run {winner['id']}."
    }
    assert len((await api.found(f"/threads/{thread['id']}/runs"))["data"]) == 1


async def test_r_8_a_run_that_is_over_no_longer_locks_its_thread(api, assistant, thread, upstream):
    upstream.will_say(say("Sunny."), say("Still sunny."))
    await runs.ran(api, thread, assistant)

    assert (await runs.ran(api, thread, assistant))["status"] == "completed"


async def test_e_60_an_unknown_assistant_is_404(api, thread):
    answer = await api.post(f"/threads/{thread['id']}/runs", {"assistant_id": "asst_0"})

    assert answer.status == 404
    assert answer.error["message"] == "No assistant found with id 'asst_0'."


async def test_o_1_an_unknown_thread_comes_before_an_unknown_assistant(api):
    answer = await api.post("/threads/thread_0/runs", {"assistant_id": "asst_0"})

    assert answer.status == 404
    assert answer.error["message"] == "No thread found with id 'thread_0'."


async def test_o_1_an_unknown_assistant_comes_before_the_lock(api, assistant, thread, upstream):
    upstream.will_say(hang())
    await runs.begun(api, thread, assistant)

    answer = await api.post(f"/threads/{thread['id']}/runs", {"assistant_id": "asst_0"})

    assert answer.status == 404


async def test_e_31_the_assistant_must_be_named(api, thread):
    answer = await api.post(f"/threads/{thread['id']}/runs", {})

    assert answer.status == 400
    assert answer.error["message"] == "Missing required parameter: 'assistant_id'."


async def test_p_13_include_takes_its_one_value_only(api, assistant, thread, upstream):
    upstream.will_say(say("Sunny."))
    path, body = f"/threads/{thread['id']}/runs", {"assistant_id": assistant["id"]}

    refused = await api.request("POST", path, query="include[]=all", body=body)
    taken = await api.request(
        "POST", path, query="include[]=step_details.tool_calls[*].file_search.results[*].content", body=body
    )

    assert (refused.status, refused.error["param"]) == (400, "include[0]")
    assert taken.status == 200


class TestWithAModelMap:
    """MD-3 and E-44: names of the vendor's models stand for models of the operator's own."""

    @pytest.fixture
    def settings(self, settings):
        models = {"gpt-4o": ModelSettings(model="llama-3", context_tokens=600)}
        return msgspec.structs.replace(settings, models=models, mapped_only=True)

    async def test_md_3_the_run_shows_the_name_it_was_given(self, api, assistant, thread, upstream):
        upstream.will_say(say("Sunny."))

        run = await runs.ran(api, thread, assistant)

        assert run["model"] == "gpt-4o"
        assert (await upstream.request(0)).body["model"] == "llama-3"

    async def test_e_44_a_model_that_is_not_served_is_400(self, api, assistant, thread):
        body = {"assistant_id": assistant["id"], "model": "gpt-9"}

        answer = await api.post(f"/threads/{thread['id']}/runs", body)

        assert answer.status == 400
        assert answer.error == {
            "message": "The requested model 'gpt-9' does not exist.",
            "type": "invalid_request_error",
            "param": "model",
            "code": "model_not_found",
        }

    async def test_r_29_auto_drops_the_oldest_messages_until_the_context_is_kept(self, api, upstream):
        upstream.will_say(say("Yes."))
        assistant = await api.created("/assistants", {"model": "gpt-4o"})
        thread = await thread_of(api, f"old {WORDS}", f"new {WORDS}", "newest")

        run = await runs.ran(api, thread, assistant)

        assert run["status"] == "completed"
        assert prompt(await upstream.request(0)) == [("user", f"new {WORDS}"), ("user", "newest")]

    async def test_r_29_a_newest_message_beyond_the_context_is_asked_all_the_same(self, api, upstream):
        upstream.will_say(say("Yes."))
        assistant = await api.created("/assistants", {"model": "gpt-4o"})
        thread = await thread_of(api, "old", WORDS * 5)

        await runs.ran(api, thread, assistant)

        assert prompt(await upstream.request(0)) == [("user", WORDS * 5)]


class TestWithRoomForOneRun:
    """RL-3: a cap on simultaneous runs leaves the rest queued, and time in the queue counts."""

    @pytest.fixture
    def settings(self, settings):
        return msgspec.structs.replace(settings, max_runs=1)

    async def test_rl_3_the_second_run_starts_when_the_first_is_over(self, api, assistant, thread, upstream):
        upstream.will_say(hang(), say("Second."))
        first = await runs.begun(api, thread, assistant)
        other = await api.created("/threads", {"messages": [{"role": "user", "content": "Hello"}]})
        second = await runs.begun(api, other, assistant)
        await upstream.request(0)
        assert (await api.found(runs.path(second)))["status"] == "queued"

        await api.created(f"{runs.path(first)}/cancel")

        assert (await runs.settled(api, second))["status"] == "completed"

    async def test_rl_3_a_run_that_waits_for_outputs_leaves_its_place(self, api, assistant, thread, upstream):
        upstream.will_say(function_call("get_weather", {"city": "Kyiv"}), say("Second."))
        first = await runs.ran(api, thread, assistant)

        other = await api.created("/threads")

        assert first["status"] == "requires_action"
        assert (await runs.ran(api, other, assistant))["status"] == "completed"

    async def test_rl_3_a_queued_run_expires_in_the_queue(self, api, assistant, thread, upstream, clock):
        upstream.will_say(hang())
        first = await runs.begun(api, thread, assistant)
        other = await api.created("/threads")
        second = await runs.begun(api, other, assistant)

        clock.advance(601)

        run = await api.found(runs.path(second))
        assert (run["status"], run["started_at"], run["expires_at"]) == ("expired", None, None)
        assert (await api.found(runs.path(first)))["status"] == "expired"

    async def test_r_51_a_queued_run_can_be_cancelled(self, api, assistant, thread, upstream):
        upstream.will_say(hang())
        await runs.begun(api, thread, assistant)
        second = await runs.begun(api, await api.created("/threads"), assistant)

        answer = await api.created(f"{runs.path(second)}/cancel")

        assert answer["status"] == "cancelling"
        run = await runs.settled(api, answer)
        assert (run["status"], run["started_at"]) == ("cancelled", None)
