"""A streamed run that calls a function; its output is submitted as the next stream."""

import json

import openai

client = openai.OpenAI(max_retries=0)
assistant = client.beta.assistants.create(
    model="gpt-4o", tools=[{"type": "function", "function": {"name": "get_weather"}}]
)
thread = client.beta.threads.create(messages=[{"role": "user", "content": "What is the weather in Kyiv?"}])


class Handler(openai.AssistantEventHandler):
    def __init__(self):
        super().__init__()
        self.created, self.arguments, self.done = [], "", []

    def on_tool_call_created(self, tool_call):
        self.created.append(tool_call.function.name)

    def on_tool_call_delta(self, delta, snapshot):
        self.arguments += delta.function.arguments or ""

    def on_tool_call_done(self, tool_call):
        self.done.append(json.loads(tool_call.function.arguments))


handler = Handler()
with client.beta.threads.runs.stream(thread_id=thread.id, assistant_id=assistant.id, event_handler=handler) as stream:
    stream.until_done()
run = handler.get_final_run()
[call] = run.required_action.submit_tool_outputs.tool_calls
with client.beta.threads.runs.submit_tool_outputs_stream(
    run_id=run.id, thread_id=thread.id, tool_outputs=[{"tool_call_id": call.id, "output": "sunny"}]
) as stream:
    text = "".join(stream.text_deltas)
    last = stream.get_final_run().status

print(
    json.dumps(
        {
            "created": handler.created,
            "arguments": json.loads(handler.arguments),
            "done": handler.done,
            "statuses": [run.status, last],
            "text": text,
        }
    )
)
