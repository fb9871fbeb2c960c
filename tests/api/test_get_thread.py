"""getThread. Contract: docs/behaviour.md, sections 2.4 and 4.2."""


async def test_a_thread_is_what_its_creation_returned(api):
    made = await api.created("/threads", {"metadata": {"k": "v"}})

    assert await api.found(f"/threads/{made['id']}") == made


async def test_an_unknown_thread_is_not_found(api):
    """E-61."""
    answer = await api.get("/threads/thread_nowhere")

    assert answer.refusal == (404, None, None)
    assert answer.error["message"] == "No thread found with id 'thread_nowhere'."


async def test_an_id_of_another_kind_is_refused(api):
    """E-42."""
    answer = await api.get("/threads/asst_1")

    assert answer.refusal == (400, "invalid_value", "thread_id")
    assert answer.error["message"] == "Invalid 'thread_id': 'asst_1'. Expected an ID that begins with 'thread'."
