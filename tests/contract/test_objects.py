"""What objects look like on the wire. Rules I-6, I-7, A-1, A-2, P-2, D-1, D-5, W-8, VS-2, VS-11."""

import msgspec
import pytest

from treadle.contract import chunking, events
from treadle.contract.assistants import Assistant, CreateAssistantRequest
from treadle.contract.errors import NotFound
from treadle.contract.events import (
    CodeInterpreterCallDelta,
    CodeInterpreterToolCallDelta,
    ErrorEvent,
    EventName,
    FileSearchCallDelta,
    FileSearchToolCallDelta,
    FunctionCallDelta,
    FunctionToolCallDelta,
    MessageDelta,
    MessageDeltaBody,
    TextContentDelta,
    TextDelta,
)
from treadle.contract.messages import CreateMessageRequest, Message
from treadle.contract.pages import Page
from treadle.contract.run_steps import (
    FileSearchCall,
    FileSearchToolCall,
    FunctionCall,
    FunctionToolCall,
    RunStep,
    RunStepList,
    StepStatus,
    ToolCallsDetails,
)
from treadle.contract.runs import Run, RunStatus, RunUsage
from treadle.contract.threads import Thread
from treadle.contract.tools import FunctionTool, normalised
from treadle.contract.validation import decode_body
from treadle.contract.vector_store_files import VectorStoreFile, VectorStoreFileStatus
from treadle.contract.vector_stores import VectorStore, VectorStoreStatus


def on_the_wire(value):
    return msgspec.json.decode(msgspec.json.encode(value))


def a_run(**fields):
    return Run(
        id="run_1",
        created_at=1,
        thread_id="thread_1",
        assistant_id="asst_1",
        status=RunStatus.QUEUED,
        model="m",
        instructions="",
        **fields,
    )


def test_a_new_assistant_shows_the_defaults():
    assert on_the_wire(Assistant(id="asst_1", created_at=1, model="m")) == {
        "id": "asst_1",
        "object": "assistant",
        "created_at": 1,
        "name": None,
        "description": None,
        "model": "m",
        "instructions": None,
        "tools": [],
        "tool_resources": {},
        "metadata": {},
        "temperature": 1.0,
        "top_p": 1.0,
        "response_format": "auto",
        "reasoning_effort": None,
    }


def test_a_new_thread_shows_empty_resources_and_metadata():
    assert on_the_wire(Thread(id="thread_1", created_at=1)) == {
        "id": "thread_1",
        "object": "thread",
        "created_at": 1,
        "tool_resources": {},
        "metadata": {},
    }


def test_a_new_run_has_every_field():
    assert on_the_wire(a_run()) == {
        "id": "run_1",
        "object": "thread.run",
        "created_at": 1,
        "thread_id": "thread_1",
        "assistant_id": "asst_1",
        "status": "queued",
        "required_action": None,
        "last_error": None,
        "expires_at": None,
        "started_at": None,
        "cancelled_at": None,
        "failed_at": None,
        "completed_at": None,
        "incomplete_details": None,
        "model": "m",
        "instructions": "",
        "tools": [],
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


def test_the_usage_of_a_run_has_the_details_seen_on_the_wire():
    usage = RunUsage(completion_tokens=1, prompt_tokens=2, total_tokens=3)

    assert on_the_wire(a_run(usage=usage))["usage"] == {
        "completion_tokens": 1,
        "prompt_tokens": 2,
        "total_tokens": 3,
        "prompt_token_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def test_a_step_in_progress_has_every_field_and_both_expiries():
    call = FunctionToolCall(id="call_1", function=FunctionCall(name="f", arguments="{"))
    step = RunStep(
        id="step_1",
        created_at=1,
        assistant_id="asst_1",
        thread_id="thread_1",
        run_id="run_1",
        type="tool_calls",
        status=StepStatus.IN_PROGRESS,
        step_details=ToolCallsDetails(tool_calls=[call]),
    )

    assert on_the_wire(step) == {
        "id": "step_1",
        "object": "thread.run.step",
        "created_at": 1,
        "assistant_id": "asst_1",
        "thread_id": "thread_1",
        "run_id": "run_1",
        "type": "tool_calls",
        "status": "in_progress",
        "step_details": {
            "type": "tool_calls",
            "tool_calls": [
                {"type": "function", "id": "call_1", "function": {"name": "f", "arguments": "{", "output": None}}
            ],
        },
        "last_error": None,
        "expires_at": None,
        "expired_at": None,
        "cancelled_at": None,
        "failed_at": None,
        "completed_at": None,
        "metadata": {},
        "usage": None,
    }


def test_a_file_search_that_is_not_done_shows_an_empty_object():
    assert on_the_wire(FileSearchToolCall(id="call_1", file_search=FileSearchCall()))["file_search"] == {}


def test_a_message_of_a_user_is_completed_and_has_every_field():
    message = Message(id="msg_1", created_at=1, thread_id="thread_1", role="user", content=[], completed_at=1)

    assert on_the_wire(message) == {
        "id": "msg_1",
        "object": "thread.message",
        "created_at": 1,
        "thread_id": "thread_1",
        "status": "completed",
        "incomplete_details": None,
        "completed_at": 1,
        "incomplete_at": None,
        "role": "user",
        "content": [],
        "assistant_id": None,
        "run_id": None,
        "attachments": [],
        "metadata": {},
    }


def test_optional_fields_that_may_not_be_null_are_left_out():
    store = VectorStore(id="vs_1", created_at=1, status=VectorStoreStatus.COMPLETED, last_active_at=1)
    file = VectorStoreFile(id="file-1", created_at=1, vector_store_id="vs_1", status=VectorStoreFileStatus.IN_PROGRESS)

    assert on_the_wire(store) == {
        "id": "vs_1",
        "object": "vector_store",
        "created_at": 1,
        "name": "",
        "usage_bytes": 0,
        "file_counts": {"in_progress": 0, "completed": 0, "failed": 0, "cancelled": 0, "total": 0},
        "status": "completed",
        "expires_at": None,
        "last_active_at": 1,
        "metadata": {},
    }
    assert "chunking_strategy" not in on_the_wire(file)


def test_an_empty_page_has_null_ids():
    empty = {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}

    assert on_the_wire(RunStepList(data=[])) == empty


def test_a_page_can_be_stitched_from_stored_documents():
    page = Page(data=[msgspec.Raw(b'{"id":"step_1"}')], first_id="step_1", last_id="step_1", has_more=True)

    assert msgspec.json.encode(page) == (
        b'{"object":"list","data":[{"id":"step_1"}],"first_id":"step_1","last_id":"step_1","has_more":true}'
    )


def test_tools_are_echoed_normalised():
    body = decode_body(
        CreateAssistantRequest,
        b"""{"model": "m", "tools": [
            {"type": "file_search"},
            {"type": "function", "function": {"name": "f"}},
            {"type": "function", "function": {"name": "g", "strict": null, "parameters": {"type": "object"}}}
        ]}""",
    )

    assert on_the_wire(normalised(body.tools)) == [
        {
            "type": "file_search",
            "file_search": {"ranking_options": {"ranker": "default_2024_08_21", "score_threshold": 0.0}},
        },
        {"type": "function", "function": {"name": "f", "strict": False}},
        {"type": "function", "function": {"name": "g", "parameters": {"type": "object"}, "strict": False}},
    ]


def test_the_ranker_auto_is_resolved_and_the_rest_of_the_options_stays():
    body = decode_body(
        CreateAssistantRequest,
        b"""{"model": "m", "tools": [{"type": "file_search", "file_search":
            {"max_num_results": 3, "ranking_options": {"ranker": "auto", "score_threshold": 0.5}}}]}""",
    )

    assert on_the_wire(normalised(body.tools)[0])["file_search"] == {
        "max_num_results": 3,
        "ranking_options": {"ranker": "default_2024_08_21", "score_threshold": 0.5},
    }


@pytest.mark.parametrize(
    "given",
    [
        '{"type": "text"}',
        '{"type": "json_object"}',
        '{"type": "json_schema", "json_schema": {"name": "n"}}',
        '{"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": null}}',
        '"auto"',
    ],
)
def test_a_response_format_is_echoed_as_given(given):
    body = decode_body(CreateAssistantRequest, f'{{"model": "m", "response_format": {given}}}'.encode())

    assert on_the_wire(body.response_format) == msgspec.json.decode(given)


def test_images_and_attachments_of_a_request_can_be_stored_as_they_are():
    body = decode_body(
        CreateMessageRequest,
        b"""{"role": "user",
             "content": [{"type": "image_file", "image_file": {"file_id": "file-1"}},
                         {"type": "image_url", "image_url": {"url": "https://h/a.png", "detail": "low"}}],
             "attachments": [{"file_id": "file-2", "tools": [{"type": "file_search"}]}]}""",
    )

    message = Message(
        id="msg_1",
        created_at=1,
        thread_id="thread_1",
        role=body.role,
        content=body.content,
        attachments=body.attachments,
    )

    assert on_the_wire(message)["content"] == [
        {"type": "image_file", "image_file": {"file_id": "file-1", "detail": "auto"}},
        {"type": "image_url", "image_url": {"url": "https://h/a.png", "detail": "low"}},
    ]
    assert on_the_wire(message)["attachments"] == [{"file_id": "file-2", "tools": [{"type": "file_search"}]}]
    assert msgspec.json.decode(msgspec.json.encode(message), type=Message).content[0].image_file.file_id == "file-1"


def test_a_chunking_strategy_is_never_shown_as_auto():
    assert on_the_wire(chunking.resolved(None)) == {
        "type": "static",
        "static": {"max_chunk_size_tokens": 800, "chunk_overlap_tokens": 400},
    }
    assert chunking.resolved(chunking.AutoChunkingParam()) == chunking.resolved(None)
    own = chunking.StaticChunkingParam(
        static=chunking.ChunkSizesParam(max_chunk_size_tokens=100, chunk_overlap_tokens=50)
    )
    assert on_the_wire(chunking.resolved(own))["static"] == {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 50}


def test_answers_of_other_servers_may_have_fields_we_do_not_know():
    wire = on_the_wire(a_run()) | {"new": {"x": 1}, "tools": [{"type": "function", "function": {"name": "f", "y": 2}}]}

    run = msgspec.json.decode(msgspec.json.encode(wire), type=Run)

    assert isinstance(run.tools[0], FunctionTool)
    assert run.id == "run_1"


@pytest.mark.parametrize(
    ("text", "wire"),
    [
        (TextDelta(value="Hel", annotations=[]), {"value": "Hel", "annotations": []}),
        (TextDelta(value="lo"), {"value": "lo"}),
    ],
    ids=["first", "later"],
)
def test_only_the_first_text_delta_has_annotations(text, wire):
    delta = MessageDelta(id="msg_1", delta=MessageDeltaBody(content=[TextContentDelta(index=0, text=text)]))

    assert on_the_wire(delta) == {
        "id": "msg_1",
        "object": "thread.message.delta",
        "delta": {"content": [{"index": 0, "type": "text", "text": wire}]},
    }


@pytest.mark.parametrize(
    ("delta", "wire"),
    [
        (
            FunctionToolCallDelta(
                index=0, id="call_1", function=FunctionCallDelta(name="f", arguments="", output=None)
            ),
            {
                "index": 0,
                "id": "call_1",
                "type": "function",
                "function": {"name": "f", "arguments": "", "output": None},
            },
        ),
        (
            FunctionToolCallDelta(index=0, function=FunctionCallDelta(arguments='{"a')),
            {"index": 0, "type": "function", "function": {"arguments": '{"a'}},
        ),
        (
            CodeInterpreterToolCallDelta(
                index=1, id="call_2", code_interpreter=CodeInterpreterCallDelta(input="", outputs=[])
            ),
            {"index": 1, "id": "call_2", "type": "code_interpreter", "code_interpreter": {"input": "", "outputs": []}},
        ),
        (
            CodeInterpreterToolCallDelta(index=1, code_interpreter=CodeInterpreterCallDelta(input="1+")),
            {"index": 1, "type": "code_interpreter", "code_interpreter": {"input": "1+"}},
        ),
        (
            FileSearchToolCallDelta(index=2, id="call_3", file_search=FileSearchCallDelta()),
            {"index": 2, "id": "call_3", "type": "file_search", "file_search": {}},
        ),
    ],
    ids=["function head", "function fragment", "code head", "code fragment", "file search"],
)
def test_a_call_delta_is_a_head_or_a_fragment(delta, wire):
    assert on_the_wire(delta) == wire


def test_the_error_event_has_both_forms():
    assert on_the_wire(ErrorEvent.of(NotFound.of("run", "run_1"))) == {
        "error": {
            "message": "No run found with id 'run_1'.",
            "type": "invalid_request_error",
            "param": None,
            "code": None,
        },
        "message": "No run found with id 'run_1'.",
        "type": "invalid_request_error",
        "param": None,
        "code": None,
    }


def test_the_name_of_an_event_follows_from_the_status():
    assert events.RUN_EVENTS[RunStatus.REQUIRES_ACTION] == "thread.run.requires_action"
    assert events.STEP_EVENTS[StepStatus.EXPIRED] == "thread.run.step.expired"
    assert events.DATA.keys() == set(EventName) - {EventName.DONE}
