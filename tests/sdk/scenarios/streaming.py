"""A streamed answer through an event handler."""

import json

import openai

client = openai.OpenAI(max_retries=0)
assistant = client.beta.assistants.create(model="gpt-4o")
thread = client.beta.threads.create(messages=[{"role": "user", "content": "What is the weather?"}])


class Handler(openai.AssistantEventHandler):
    def __init__(self):
        super().__init__()
        self.texts, self.done = [], []

    def on_text_delta(self, delta, snapshot):
        self.texts.append(delta.value)

    def on_message_done(self, message):
        self.done.append("message")

    def on_run_step_done(self, run_step):
        self.done.append("step")

    def on_end(self):
        self.done.append("end")


handler = Handler()
with client.beta.threads.runs.stream(thread_id=thread.id, assistant_id=assistant.id, event_handler=handler) as stream:
    events = [event.event for event in stream]

print(
    json.dumps(
        {
            "events": events,
            "text": "".join(handler.texts),
            "in_pieces": len(handler.texts) > 1,
            "done": handler.done,
            "final_text": handler.get_final_messages()[0].content[0].text.value,
            "final_run": handler.get_final_run().status,
            "final_steps": [step.type for step in handler.get_final_run_steps()],
        }
    )
)
