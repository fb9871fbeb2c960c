"""An answer that is cut off by the token limit: the stream ends, and the run and the message say why."""

import json

import openai

client = openai.OpenAI(max_retries=0)
assistant = client.beta.assistants.create(model="gpt-4o")
thread = client.beta.threads.create(messages=[{"role": "user", "content": "What is the weather?"}])

with client.beta.threads.runs.stream(
    thread_id=thread.id, assistant_id=assistant.id, max_completion_tokens=256
) as stream:
    events = [event.event for event in stream]
[message] = stream.get_final_messages()
run = client.beta.threads.runs.retrieve(client.beta.threads.runs.list(thread.id).data[0].id, thread_id=thread.id)

print(
    json.dumps(
        {
            "last_event": events[-1],
            "run": [run.status, run.incomplete_details.reason],
            "message": [message.status, message.incomplete_details.reason],
            "text": message.content[0].text.value,
        }
    )
)
