"""createMessage. Contract: docs/behaviour.md, section 4.3."""

import asyncio

import pytest

from tests.support.rows import row_counts
from treadle.upstream.scripted import function_call, hang, say


@pytest.fixture
def path(thread):
    return f"/threads/{thread['id']}/messages"


async def test_a_message_has_every_field(api, thread, path, clock):
    """M-1, M-2, M-5."""
    before = int(clock())

    made = await api.created(path, {"role": "user", "content": "Grüße 🎲 \u0000"})

    assert made.pop("id").startswith("msg_")
    assert before <= made["created_at"] <= int(clock())
    assert made.pop("completed_at") == made.pop("created_at")
    assert made == {
        "object": "thread.message",
        "thread_id": thread["id"],
        "status": "completed",
        "incomplete_details": None,
        "incomplete_at": None,
        "role": "user",
        "content": [{"type": "text", "text": {"value": "Grüße 🎲 \u0000", "annotations": []}}],
        "assistant_id": None,
        "run_id": None,
        "attachments": [],
        "metadata": {},
    }


async def test_a_message_may_be_the_assistants(api, path):
    """M-1."""
    made = await api.created(path, {"role": "assistant", "content": "hi", "metadata": {"k": "v"}})

    assert (made["role"], made["metadata"], made["assistant_id"]) == ("assistant", {"k": "v"}, None)


async def test_parts_are_echoed_in_the_form_of_answers(api, path):
    """M-2: text gains annotations, images their detail."""
    parts = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
        {"type": "text", "text": ""},
    ]

    made = await api.created(path, {"role": "user", "content": parts})

    assert made["content"] == [
        {"type": "text", "text": {"value": "What is this?", "annotations": []}},
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png", "detail": "auto"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
        {"type": "text", "text": {"value": "", "annotations": []}},
    ]


@pytest.mark.parametrize("content", ["", " \n\t", [{"type": "text", "text": ""}], [{"type": "text", "text": " "}] * 2])
async def test_a_message_says_something(api, path, content):
    """M-3."""
    answer = await api.post(path, {"role": "user", "content": content})

    assert answer.refusal == (400, None, "content")
    assert answer.error["message"] == "Message content must be non-empty."


async def test_text_has_up_to_256000_characters(api, path):
    """E-36, in code points."""
    made = await api.created(path, {"role": "user", "content": "🎲" * 256_000})
    assert len(made["content"][0]["text"]["value"]) == 256_000

    whole = await api.post(path, {"role": "user", "content": "x" * 256_001})
    part = await api.post(path, {"role": "user", "content": [{"type": "text", "text": "x" * 256_001}]})

    assert whole.refusal == (400, "string_above_max_length", "content")
    assert part.refusal == (400, "string_above_max_length", "content[0].text")


@pytest.mark.parametrize(
    ("field", "value", "code", "param"),
    [
        ("role", "system", "invalid_value", "role"),
        ("role", None, "invalid_type", "role"),
        ("content", None, "invalid_type", "content"),
        ("content", 5, "invalid_type", "content"),
        ("content", [], "empty_array", "content"),
        ("content", ["hi"], "invalid_type", "content[0]"),
        ("content", [{"type": "video"}], "invalid_value", "content[0].type"),
        ("content", [{"text": "hi"}], "missing_required_parameter", "content[0].type"),
        ("content", [{"type": "text", "text": {"value": "hi"}}], "invalid_type", "content[0].text"),
        ("content", [{"type": "image_url", "image_url": {"url": "ftp://x/a.png"}}], "invalid_value", None),
        ("content", [{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}], "invalid_value", None),
        ("content", [{"type": "image_url", "image_url": {"url": "https://x/a.png", "detail": "max"}}], None, None),
        ("content", [{"type": "image_file", "image_file": {"file_id": "vs_1"}}], "invalid_value", None),
        ("attachments", [{"file_id": "file-1"}], "missing_required_parameter", "attachments[0].tools"),
        ("attachments", [{"file_id": "file-1", "tools": []}], "empty_array", "attachments[0].tools"),
        ("attachments", [{"tools": [{"type": "file_search"}]}], "missing_required_parameter", "attachments[0].file_id"),
        ("attachments", [{"file_id": "file-1", "tools": [{"type": "function"}]}], "invalid_value", None),
        ("metadata", {"k": True}, "invalid_type", "metadata.k"),
        ("file_ids", [], "unknown_parameter", "file_ids"),
        ("run_id", "run_1", "unknown_parameter", "run_id"),
    ],
)
async def test_a_wrong_field_is_named_and_nothing_is_stored(api, path, field, value, code, param):
    """E-30 to E-42, M-3, M-9. Where no param is given here it is below the field."""
    answer = await api.post(path, {"role": "user", "content": "hi", field: value})

    status, told, where = answer.refusal
    assert (status, told) == (400, code or "invalid_value")
    assert where == param or (param is None and where.startswith(f"{field}[0]."))
    assert len((await api.found(path))["data"]) == 1


@pytest.mark.parametrize("missing", ["role", "content"])
async def test_role_and_content_are_required(api, path, missing):
    """E-31."""
    body = {"role": "user", "content": "hi"}
    del body[missing]

    answer = await api.post(path, body)

    assert answer.refusal == (400, "missing_required_parameter", missing)


async def test_an_image_url_of_a_wrong_type_is_refused(api, path):
    """E-80."""
    part = {"type": "image_url", "image_url": {"url": "https://example.org/a.PDF?x=.png"}}

    answer = await api.post(path, {"role": "user", "content": [{"type": "text", "text": "hi"}, part]})

    assert answer.refusal == (400, "invalid_value", "content[1].image_url.url")
    assert "Expected url to end in a supported format: .jpeg, .jpg, .png, .gif, .webp." in answer.error["message"]


async def test_an_image_url_without_an_ending_is_taken_unread(api, path, upstream):
    """M-3: Treadle never fetches it, so nobody is asked about this one, which does not exist."""
    url = f"{upstream.base_url}/image?size=1"

    made = await api.created(path, {"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]})

    assert made["content"][0]["image_url"]["url"] == url
    assert upstream.requests == []


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (
            {"content": [{"type": "image_file", "image_file": {"file_id": "file-nowhere"}}]},
            "content[0].image_file.file_id",
        ),
        (
            {"attachments": [{"file_id": "file-nowhere", "tools": [{"type": "code_interpreter"}]}]},
            "attachments[0].file_id",
        ),
    ],
)
async def test_missing_files_are_named(api, path, body, param):
    """E-70, M-8."""
    answer = await api.post(path, {"role": "user", "content": "hi", **body})

    assert answer.refusal == (400, None, param)
    assert answer.error["message"] == "The following files were not found: file-nowhere."


async def test_at_most_20_attachments(api, path):
    """E-51."""
    attachment = {"file_id": "file-1", "tools": [{"type": "file_search"}]}

    answer = await api.post(path, {"role": "user", "content": "hi", "attachments": [attachment] * 21})

    assert answer.refusal == (400, "array_above_max_length", "attachments")


async def test_a_thread_with_an_active_run_takes_no_messages(api, server, assistant, thread, path, upstream):
    """E-71, never 409 (H-24)."""
    upstream.will_say(function_call("get_weather", {}))
    run = await api.created(f"/threads/{thread['id']}/runs", {"assistant_id": assistant["id"]})

    answer = await api.post(path, {"role": "user", "content": "hi"})

    assert answer.refusal == (400, None, None)
    assert answer.error["message"] == f"Can't add messages to {thread['id']} while a run {run['id']} is active."
    assert (await row_counts(server.settings))["messages"] == 1


async def test_a_finished_run_no_longer_locks_its_thread(api, assistant, thread, path, upstream):
    """E-71."""
    upstream.will_say(say("hi"))
    await api.events(f"/threads/{thread['id']}/runs", {"assistant_id": assistant["id"]})

    assert (await api.post(path, {"role": "user", "content": "hi"})).status == 200


async def test_an_overdue_run_no_longer_locks_its_thread(api, assistant, thread, path, upstream, clock):
    """R-6: it is expired there and then."""
    upstream.will_say(hang())
    run = await api.created(f"/threads/{thread['id']}/runs", {"assistant_id": assistant["id"]})
    clock.advance(601)

    answer = await api.post(path, {"role": "user", "content": "hi"})

    assert answer.status == 200
    assert (await api.found(f"/threads/{thread['id']}/runs/{run['id']}"))["status"] == "expired"


async def test_messages_at_the_same_moment_are_all_stored_once(api, path):
    """P-3: one place for each."""
    words = {f"word {n}" for n in range(20)}

    await asyncio.gather(*(api.created(path, {"role": "user", "content": word}) for word in words))

    stored = (await api.found(path, {"limit": 20}))["data"]
    assert {message["content"][0]["text"]["value"] for message in stored} == words


async def test_an_unknown_thread_is_not_found(api):
    """E-61."""
    answer = await api.post("/threads/thread_nowhere/messages", {"role": "user", "content": "hi"})

    assert answer.refusal == (404, None, None)
    assert answer.error["message"] == "No thread found with id 'thread_nowhere'."
