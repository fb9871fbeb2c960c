"""The official SDK against Treadle: only `base_url` and the key are other than they were.

    python examples/official_sdk.py

TREADLE_BASE_URL and TREADLE_API_KEY say where the server is.
"""

import os
import warnings

from openai import OpenAI

# The SDK says of each of these calls that OpenAI has switched it off. Treadle has not.
warnings.filterwarnings("ignore", category=DeprecationWarning)

client = OpenAI(
    base_url=os.environ.get("TREADLE_BASE_URL", "http://127.0.0.1:8000/v1"), api_key=os.environ["TREADLE_API_KEY"]
)

assistant = client.beta.assistants.create(model="gpt-4o", instructions="Answer in one sentence.")
thread = client.beta.threads.create(messages=[{"role": "user", "content": "Why is the sky blue?"}])
run = client.beta.threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id)
print(f"The run is {run.status}.")

for message in client.beta.threads.messages.list(thread.id, run_id=run.id):
    for block in message.content:
        if block.type == "text":
            print(block.text.value)

for step in client.beta.threads.runs.steps.list(run.id, thread_id=thread.id):
    print(step.type, step.status, step.usage and step.usage.total_tokens)
