"""Iteration over the 250 steps of a run and the 45 messages of its thread, which the environment names."""

import json
import os

import openai

client = openai.OpenAI(max_retries=0)
thread_id, run_id = os.environ["THREAD_ID"], os.environ["RUN_ID"]
steps = client.beta.threads.runs.steps

newest_first = [step.id for step in steps.list(run_id, thread_id=thread_id)]
oldest_first = [step.id for step in steps.list(run_id, thread_id=thread_id, order="asc", limit=100)]
before = steps.list(run_id, thread_id=thread_id, before=newest_first[5], limit=2)
messages = [message.id for message in client.beta.threads.messages.list(thread_id, limit=10)]

print(
    json.dumps(
        {
            "steps": len(newest_first),
            "each_once": len(set(newest_first)) == len(newest_first),
            "reversed": oldest_first == newest_first[::-1],
            "before": [step.id for step in before.data] == newest_first[3:5],
            "messages": len(set(messages)),
        }
    )
)
