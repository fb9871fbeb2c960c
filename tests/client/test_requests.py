"""What goes over the wire."""

import io
import json
from types import MappingProxyType

import pytest

from treadle.client.parameters import operation_named
from treadle.client.requests import build

PAGE = b'{"object":"list","data":[]}'
FILE = b'{"id":"file-a","bytes":1,"created_at":1,"filename":"a","purpose":"assistants","status":"processed"}'


def test_h_2_and_h_3_the_beta_header_goes_where_it_is_needed_and_the_key_goes_everywhere(told, connect):
    told.answer(200, body=PAGE)
    client = connect()

    client.list_assistants()
    client.list_vector_stores()
    client.list_models()

    assert [seen.headers.get("openai-beta") for seen in told.seen] == ["assistants=v2", None, None]
    assert {seen.headers["authorization"] for seen in told.seen} == {"Bearer sk-test"}


def test_p_12_lists_in_a_query_are_sent_with_brackets(told, connect):
    told.answer(200, body=PAGE)
    include = "step_details.tool_calls[*].file_search.results[*].content"

    connect().list_run_steps(thread_id="thread_a", run_id="run_b", limit=2, after=None, include=[include])

    assert told.seen[0].path == (
        "/v1/threads/thread_a/runs/run_b/steps?limit=2&"
        "include%5B%5D=step_details.tool_calls%5B%2A%5D.file_search.results%5B%2A%5D.content"
    )


def test_md_2_a_slash_in_the_name_of_a_model_is_no_separator(told, connect):
    told.answer(200, body=b'{"id":"org/model","created":1,"owned_by":"me"}')

    assert connect().retrieve_model(model="org/model?a%2F").id == "org/model"
    assert told.seen[0].path == "/v1/models/org%2Fmodel%3Fa%252F"


def test_h_8_a_cancel_has_no_body_and_an_optional_body_is_an_empty_object():
    cancel = build(operation_named("cancelRun"), {"thread_id": "thread_a", "run_id": "run_b"})
    thread = build(operation_named("createThread"), {})

    assert (cancel.body, cancel.headers) == (None, {"OpenAI-Beta": "assistants=v2"})
    assert (thread.body, thread.headers["Content-Type"]) == (b"{}", "application/json")


def test_w_9_streams_ask_for_event_ids_and_a_reattachment_says_where_it_left_off():
    created = build(operation_named("createRun"), {"thread_id": "thread_a", "assistant_id": "asst_b", "stream": True})
    plain = build(operation_named("createRun"), {"thread_id": "thread_a", "assistant_id": "asst_b", "stream": False})
    again = build(operation_named("streamRun"), {"thread_id": "thread_a", "run_id": "run_b", "last_event_id": "17"})

    assert (created.streams, created.headers["X-Treadle-Event-Ids"]) == (True, "1")
    assert (plain.streams, "X-Treadle-Event-Ids" in plain.headers) == (False, False)
    assert (again.streams, again.headers["Last-Event-ID"]) == (True, "17")


def test_any_mapping_or_sequence_can_be_sent_and_nothing_else():
    metadata = MappingProxyType({"a": "b"})

    sent = build(operation_named("createThread"), {"metadata": metadata, "messages": ()})

    assert json.loads(sent.body) == {"metadata": {"a": "b"}, "messages": []}
    with pytest.raises(TypeError, match="A object cannot be sent as JSON"):
        build(operation_named("createThread"), {"metadata": object()})


def _parts(seen):
    """(disposition, content) of each part of a form."""
    boundary = seen.headers["content-type"].partition("boundary=")[2].encode()
    for part in seen.body.split(b"--" + boundary)[1:-1]:
        head, _, content = part.strip(b"\r\n").partition(b"\r\n\r\n")
        yield head.split(b"\r\n")[0].decode().partition("; ")[2], content


@pytest.mark.parametrize("form", ["path", "open file", "bytes", "named bytes", "named stream"])
def test_f_1_a_file_is_uploaded_as_a_form_whatever_it_is_given_as(told, connect, tmp_path, form):
    told.answer(200, body=FILE)
    path = tmp_path / "notes.md"
    path.write_bytes(b"# Notes\r\n")

    with path.open("rb") as opened:
        given = {
            "path": path,
            "open file": opened,
            "bytes": b"# Notes\r\n",
            "named bytes": ("notes.md", b"# Notes\r\n"),
            "named stream": ("notes.md", io.BytesIO(b"# Notes\r\n")),
        }[form]
        connect().create_file(file=given, purpose="assistants", expires_after={"anchor": "created_at", "seconds": 3600})

    name = "upload" if form == "bytes" else "notes.md"
    assert dict(_parts(told.seen[0])) == {
        'name="purpose"': b"assistants",
        'name="expires_after[anchor]"': b"created_at",
        'name="expires_after[seconds]"': b"3600",
        f'name="file"; filename="{name}"': b"# Notes",
    }


def test_a_file_opened_as_text_is_refused(tmp_path):
    path = tmp_path / "notes.md"
    path.write_text("x")

    with path.open() as opened, pytest.raises(TypeError, match="'file' is a TextIOWrapper"):
        build(operation_named("createFile"), {"file": opened, "purpose": "assistants"})


def test_a_retried_upload_sends_the_whole_file_again_and_closes_it(told, connect, tmp_path):
    told.answer(500, {"retry-after-ms": "1"})
    told.answer(200, body=FILE)
    path = tmp_path / "big.bin"
    path.write_bytes(bytes(200_000))

    connect().create_file(file=path, purpose="assistants")

    assert [len(seen.body) > 200_000 for seen in told.seen] == [True, True]


def test_the_content_of_a_file_comes_back_as_bytes(told, connect):
    told.answer(200, {"content-type": "application/octet-stream"}, b"\x00\xff{")

    assert connect().download_file(file_id="file-a") == b"\x00\xff{"
