"""Two function calls at once, their outputs, the answer; all by polling. Then the steps."""

import json

import openai

client = openai.OpenAI(max_retries=0)
runs = client.beta.threads.runs
tool = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
assistant = client.beta.assistants.create(model="gpt-4o", tools=[tool])
thread = client.beta.threads.create(messages=[{"role": "user", "content": "Is it warmer in Kyiv or in Oslo?"}])

waiting = runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id)
calls = waiting.required_action.submit_tool_outputs.tool_calls
outputs = [
    {"tool_call_id": call.id, "output": f"20 degrees in {json.loads(call.function.arguments)['city']}"}
    for call in calls
]
completed = runs.submit_tool_outputs_and_poll(run_id=waiting.id, thread_id=thread.id, tool_outputs=outputs)
steps = runs.steps.list(waiting.id, thread_id=thread.id, order="asc").data
same = runs.steps.retrieve(steps[0].id, thread_id=thread.id, run_id=waiting.id)

print(
    json.dumps(
        {
            "statuses": [waiting.status, completed.status],
            "required": [call.function.name for call in calls],
            "steps": [[step.type, step.status] for step in steps],
            "outputs": [call.function.output for call in steps[0].step_details.tool_calls],
            "retrieved": same == steps[0],
            "usage_adds_up": sum(step.usage.total_tokens for step in steps) == completed.usage.total_tokens,
        }
    )
)
