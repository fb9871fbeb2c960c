"""A run that waits for a function is cancelled, polled to its end, and its thread is free again."""

import json

import openai

client = openai.OpenAI(max_retries=0)
runs = client.beta.threads.runs
assistant = client.beta.assistants.create(
    model="gpt-4o", tools=[{"type": "function", "function": {"name": "get_weather"}}]
)
thread = client.beta.threads.create(messages=[{"role": "user", "content": "What is the weather in Kyiv?"}])

waiting = runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id)
try:
    runs.create(thread.id, assistant_id=assistant.id)
    locked = None
except openai.BadRequestError as error:
    locked = "already has an active run" in error.message
cancelling = runs.cancel(waiting.id, thread_id=thread.id)
cancelled = runs.poll(waiting.id, thread_id=thread.id)
again = runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id)

print(
    json.dumps(
        {
            "statuses": [waiting.status, cancelling.status, cancelled.status, again.status],
            "locked": locked,
            "steps": [step.status for step in runs.steps.list(waiting.id, thread_id=thread.id)],
        }
    )
)
