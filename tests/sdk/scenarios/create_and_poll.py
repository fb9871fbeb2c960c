"""A run to its end by polling; then its message and its step."""

import json

import openai

client = openai.OpenAI(max_retries=0)
assistant = client.beta.assistants.create(model="gpt-4o", instructions="Be short.")
thread = client.beta.threads.create(messages=[{"role": "user", "content": "What is the weather?"}])

run = client.beta.threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id, temperature=0)
[step] = client.beta.threads.runs.steps.list(run.id, thread_id=thread.id)
newest = client.beta.threads.messages.list(thread.id).data[0]

print(
    json.dumps(
        {
            "status": run.status,
            "temperature": run.temperature,
            "instructions": run.instructions,
            "usage_adds_up": run.usage.prompt_tokens + run.usage.completion_tokens == run.usage.total_tokens > 0,
            "text": newest.content[0].text.value,
            "step": [step.type, step.status],
            "step_names_message": step.step_details.message_creation.message_id == newest.id,
        }
    )
)
