"""A thread and its messages from creation to deletion."""

import json

import openai

client = openai.OpenAI(max_retries=0)
messages = client.beta.threads.messages

thread = client.beta.threads.create(messages=[{"role": "user", "content": "One."}], metadata={"user": "7"})
second = messages.create(thread.id, role="user", content="Two.")
image = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
messages.create(thread.id, role="assistant", content=[{"type": "text", "text": "Three."}, image])
updated = messages.update(second.id, thread_id=thread.id, metadata={"seen": "yes"})
listed = [[part.type for part in message.content] for message in messages.list(thread.id, order="asc")]
retrieved = messages.retrieve(second.id, thread_id=thread.id)
# The first releases with the v2 API had no method for it.
deleted = messages.delete(second.id, thread_id=thread.id).deleted if hasattr(messages, "delete") else None
client.beta.threads.update(thread.id, metadata={"user": "8"})
metadata = client.beta.threads.retrieve(thread.id).metadata
thread_deleted = client.beta.threads.delete(thread.id).deleted

print(
    json.dumps(
        {
            "listed": listed,
            "text": retrieved.content[0].text.value,
            "role": retrieved.role,
            "message_metadata": updated.metadata,
            "deleted": deleted,
            "thread_metadata": metadata,
            "thread_deleted": thread_deleted,
        }
    )
)
