"""A thread and its run in one request, polled and then streamed."""

import json

import openai

client = openai.OpenAI(max_retries=0)
assistant = client.beta.assistants.create(model="gpt-4o")
question = {"messages": [{"role": "user", "content": "What is the weather?"}]}

polled = client.beta.threads.create_and_run_poll(assistant_id=assistant.id, thread=question)
with client.beta.threads.create_and_run_stream(assistant_id=assistant.id, thread=question) as stream:
    events = [event.event for event in stream]

print(json.dumps({"polled": polled.status, "first_event": events[0], "last_event": events[-1]}))
