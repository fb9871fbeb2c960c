"""What a turn is writing, in fragments. Contract: docs/behaviour.md, section 7.2."""

import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.objects import a_call, a_message, a_tool_step
from treadle.contract.messages import AnnotatedText, RefusalContent, TextContent
from treadle.contract.run_steps import StepStatus
from treadle.engine.deltas import FunctionCalls, MessageText, message_so_far, step_so_far
from treadle.upstream.chat import ToolCallFragment


def wire(value):
    return msgspec.to_builtins(value)


def calls_of() -> FunctionCalls:
    numbers = itertools.count(1)
    return FunctionCalls(lambda: f"call_{next(numbers)}")


def parts(text: MessageText) -> list[dict]:
    delta = text.delta("msg_1")
    return [] if delta is None else wire(delta)["delta"]["content"]


class TestMessageText:
    def test_d_1_the_first_delta_of_a_block_has_annotations_and_later_ones_have_not(self):
        text = MessageText()

        text.add("It is ", "")
        first = parts(text)
        text.add("sunny.", "")
        second = parts(text)

        assert first == [{"type": "text", "index": 0, "text": {"value": "It is ", "annotations": []}}]
        assert second == [{"type": "text", "index": 0, "text": {"value": "sunny."}}]

    def test_d_8_what_was_shown_is_not_shown_again(self):
        text = MessageText()
        text.add("It is sunny.", "")
        parts(text)

        assert text.delta("msg_1") is None

    def test_w_11_what_came_together_goes_in_one_delta(self):
        text = MessageText()

        for piece in ("It ", "is ", "sunny."):
            text.add(piece, "")

        assert [part["text"]["value"] for part in parts(text)] == ["It is sunny."]

    @pytest.mark.parametrize("space", ["", " ", "\n\n", "\t "])
    def test_s_4_white_space_alone_is_no_beginning(self, space):
        text = MessageText()

        text.add(space, "")

        assert not text.has_begun

    def test_s_4_white_space_is_kept_once_something_follows(self):
        text = MessageText()

        text.add("\n", "")
        text.add("Sunny.", "")

        assert text.has_begun
        assert [part["text"]["value"] for part in parts(text)] == ["\nSunny."]

    def test_a_refusal_alone_is_the_first_block(self):
        text = MessageText()

        text.add("", "I can")
        first = parts(text)
        text.add("not.", "")
        text.add("", "not.")

        assert first == [{"type": "refusal", "index": 0, "refusal": "I can"}]

    def test_a_refusal_after_text_is_the_second_block(self):
        text = MessageText()

        text.add("Hm. ", "I cannot.")

        assert [(part["index"], part["type"]) for part in parts(text)] == [(0, "text"), (1, "refusal")]
        assert [block["type"] for block in wire(text.content())] == ["text", "refusal"]

    def test_c_3_a_message_that_says_nothing_has_an_empty_block(self):
        assert wire(MessageText().content()) == [{"type": "text", "text": {"value": "", "annotations": []}}]

    def test_what_is_shown_lags_behind_what_came(self):
        text = MessageText()
        text.add("It is ", "")
        parts(text)

        text.add("sunny.", "")

        assert wire(text.shown())[0]["text"]["value"] == "It is "
        assert wire(text.content())[0]["text"]["value"] == "It is sunny."

    def test_before_anything_is_shown_the_message_is_empty(self):
        text = MessageText()
        text.add("It is ", "")

        assert text.shown() == []

    @given(st.lists(st.tuples(st.text(), st.booleans())))
    def test_d_8_the_deltas_always_add_up_to_the_content(self, pieces):
        text, joined = MessageText(), ""

        for piece, show in pieces:
            text.add(piece, "")
            if show:
                joined += "".join(part["text"]["value"] for part in parts(text))
                assert "".join(block["text"]["value"] for block in wire(text.shown())) == joined
        joined += "".join(part["text"]["value"] for part in parts(text))

        assert joined == wire(text.content())[0]["text"]["value"] == "".join(piece for piece, _ in pieces)


class TestFunctionCalls:
    def test_d_5_a_call_begins_with_a_head_and_goes_on_with_fragments(self):
        calls = calls_of()

        calls.add(ToolCallFragment(index=0, id="theirs", name="get_weather", arguments='{"ci'))
        calls.add(ToolCallFragment(index=0, arguments="ty"))
        first = [wire(delta) for delta in calls.deltas("step_1")]
        calls.add(ToolCallFragment(index=0, arguments='":1}'))
        second = [wire(delta) for delta in calls.deltas("step_1")]

        head, fragment = (delta["delta"]["step_details"]["tool_calls"] for delta in first)
        [later] = (delta["delta"]["step_details"]["tool_calls"] for delta in second)
        assert head == [
            {
                "type": "function",
                "index": 0,
                "id": "call_1",
                "function": {"name": "get_weather", "arguments": "", "output": None},
            }
        ]
        assert fragment == [{"type": "function", "index": 0, "function": {"arguments": '{"city'}}]
        assert later == [{"type": "function", "index": 0, "function": {"arguments": '":1}'}}]

    def test_d_5_a_call_without_arguments_has_its_head_only(self):
        calls = calls_of()

        calls.add(ToolCallFragment(index=0, name="roll"))

        assert len(calls.deltas("step_1")) == 1
        assert calls.deltas("step_1") == []

    def test_d_9_calls_that_grow_side_by_side_keep_their_indexes(self):
        calls = calls_of()

        for index, name in enumerate(("a", "b")):
            calls.add(ToolCallFragment(index=index, name=name))
        for index in (1, 0, 1):
            calls.add(ToolCallFragment(index=index, arguments=str(index)))

        assert [
            (call["id"], call["function"]["name"], call["function"]["arguments"]) for call in wire(calls.calls())
        ] == [
            ("call_1", "a", "0"),
            ("call_2", "b", "11"),
        ]

    def test_fragments_of_a_call_that_never_began_are_dropped(self):
        calls = calls_of()

        calls.add(ToolCallFragment(index=0, arguments="{}"))
        calls.add(ToolCallFragment(index=1, name="b"))

        assert len(calls) == 0

    def test_what_is_shown_lags_behind_what_came(self):
        calls = calls_of()
        calls.add(ToolCallFragment(index=0, name="a", arguments="{"))
        calls.deltas("step_1")

        calls.add(ToolCallFragment(index=0, arguments="}"))
        calls.add(ToolCallFragment(index=1, name="b"))

        assert [call["function"]["arguments"] for call in wire(calls.shown())] == ["{"]
        assert [call["function"]["arguments"] for call in wire(calls.calls())] == ["{}", ""]

    @given(st.lists(st.tuples(st.integers(0, 2), st.text(min_size=1), st.booleans())))
    def test_c_9_the_deltas_always_add_up_to_the_calls(self, pieces):
        calls, joined = calls_of(), {}

        def take() -> None:
            for delta in calls.deltas("step_1"):
                for call in wire(delta)["delta"]["step_details"]["tool_calls"]:
                    assert ("id" in call) == (call["index"] not in joined)
                    joined[call["index"]] = joined.get(call["index"], "") + call["function"]["arguments"]

        for index in range(3):
            calls.add(ToolCallFragment(index=index, name="f"))
        for index, arguments, show in pieces:
            calls.add(ToolCallFragment(index=index, arguments=arguments))
            if show:
                take()
        take()

        assert joined == {index: call["function"]["arguments"] for index, call in enumerate(wire(calls.calls()))}


class TestSnapshots:
    """W-9: created empty, in progress, and one delta with all there is."""

    @staticmethod
    def names(events: list[bytes]) -> list[str]:
        return [data.split(b"\n")[0].decode().removeprefix("event: thread.") for data in events]

    def test_c_2_a_message_is_shown_from_nothing(self):
        message = a_message("msg_1", "It is")

        events = message_so_far(message)

        assert self.names(events) == ["message.created", "message.in_progress", "message.delta"]
        assert b'"content":[]' in events[0]
        assert b'"value":"It is"' in events[2]

    def test_a_message_without_content_yet_has_no_delta(self):
        message = msgspec.structs.replace(a_message("msg_1", ""), content=[])

        assert self.names(message_so_far(message)) == ["message.created", "message.in_progress"]

    def test_all_blocks_of_a_message_are_in_the_delta(self):
        blocks = [TextContent(text=AnnotatedText(value="Hm. ")), RefusalContent(refusal="I cannot.")]

        *_, delta = message_so_far(msgspec.structs.replace(a_message("msg_1", ""), content=blocks))

        assert b'"index":0,"text":{"value":"Hm. ","annotations":[]}' in delta
        assert b'"index":1,"refusal":"I cannot."' in delta

    def test_c_4_a_step_is_shown_from_nothing(self):
        step = a_tool_step("step_1", a_call("call_1", arguments='{"a'), a_call("call_2"), status=StepStatus.IN_PROGRESS)

        events = step_so_far(step)

        assert self.names(events) == ["run.step.created", "run.step.in_progress", "run.step.delta"]
        assert b'"tool_calls":[]' in events[0]
        assert events[2].count(b'"index":') == 2

    def test_a_step_without_calls_yet_has_no_delta(self):
        step = a_tool_step("step_1", status=StepStatus.IN_PROGRESS)

        assert self.names(step_so_far(step)) == ["run.step.created", "run.step.in_progress"]
