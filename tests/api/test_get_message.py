"""getMessage. Contract: docs/behaviour.md, sections 2.4 and 4.3."""


async def test_a_message_is_what_its_creation_returned(api, thread):
    made = await api.created(f"/threads/{thread['id']}/messages", {"role": "user", "content": "hi"})

    assert await api.found(f"/threads/{thread['id']}/messages/{made['id']}") == made


async def test_an_unknown_message_is_not_found(api, thread):
    """E-62."""
    answer = await api.get(f"/threads/{thread['id']}/messages/msg_nowhere")

    assert answer.refusal == (404, None, None)
    assert answer.error["message"] == "No message found with id 'msg_nowhere'."


async def test_a_message_of_another_thread_is_not_found(api, thread):
    """E-63."""
    other = await api.created("/threads")
    message = await api.created(f"/threads/{other['id']}/messages", {"role": "user", "content": "hi"})

    answer = await api.get(f"/threads/{thread['id']}/messages/{message['id']}")

    assert answer.status == 404
    assert answer.error["message"] == f"No message found with id '{message['id']}'."


async def test_the_thread_is_looked_for_first(api):
    """O-1."""
    answer = await api.get("/threads/thread_nowhere/messages/msg_nowhere")

    assert answer.error["message"] == "No thread found with id 'thread_nowhere'."


async def test_an_id_of_another_kind_is_refused(api, thread):
    """E-42."""
    answer = await api.get(f"/threads/{thread['id']}/messages/run_1")

    assert answer.refusal == (400, "invalid_value", "message_id")
    assert answer.error["message"] == "Invalid 'message_id': 'run_1'. Expected an ID that begins with 'msg'."
