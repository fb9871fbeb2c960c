"""A run whose model server refuses: the poller ends, the stream ends, and both tell why."""

import json

import openai

client = openai.OpenAI(max_retries=0)
assistant = client.beta.assistants.create(model="gpt-4o")
thread = client.beta.threads.create(messages=[{"role": "user", "content": "What is the weather?"}])

polled = client.beta.threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id)
with client.beta.threads.runs.stream(thread_id=thread.id, assistant_id=assistant.id) as stream:
    streamed = stream.get_final_run()

print(
    json.dumps(
        {
            "statuses": [polled.status, streamed.status],
            "codes": [polled.last_error.code, streamed.last_error.code],
            "usage": polled.usage and polled.usage.total_tokens,
        }
    )
)
