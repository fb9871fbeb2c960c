"""getAssistant. Contract: docs/behaviour.md, sections 2.4 and 4.1."""


async def test_an_assistant_is_what_its_creation_returned(api):
    made = await api.created("/assistants", {"model": "gpt-4o", "tools": [{"type": "file_search"}]})

    assert await api.found(f"/assistants/{made['id']}") == made


async def test_an_unknown_assistant_is_not_found(api):
    """E-60."""
    answer = await api.get("/assistants/asst_nowhere")

    assert answer.refusal == (404, None, None)
    assert answer.error["message"] == "No assistant found with id 'asst_nowhere'."


async def test_an_id_of_another_kind_is_refused(api):
    """E-42."""
    answer = await api.get("/assistants/undefined")

    assert answer.refusal == (400, "invalid_value", "assistant_id")
    assert answer.error["message"] == "Invalid 'assistant_id': 'undefined'. Expected an ID that begins with 'asst'."


async def test_ids_are_case_sensitive(api, assistant):
    answer = await api.get(f"/assistants/asst_{assistant['id'][5:].swapcase()}")

    assert answer.status == 404
