"""The async client: a polled run with a function call, a streamed one, and an iteration."""

import asyncio
import json

import openai


class Handler(openai.AsyncAssistantEventHandler):
    def __init__(self):
        super().__init__()
        self.texts = []

    async def on_text_delta(self, delta, snapshot):
        self.texts.append(delta.value)


async def main():
    async with openai.AsyncOpenAI(max_retries=0) as client:
        runs = client.beta.threads.runs
        assistant = await client.beta.assistants.create(
            model="gpt-4o", tools=[{"type": "function", "function": {"name": "get_weather"}}]
        )
        thread = await client.beta.threads.create(messages=[{"role": "user", "content": "What is the weather?"}])

        waiting = await runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id)
        outputs = [
            {"tool_call_id": call.id, "output": "sunny"}
            for call in waiting.required_action.submit_tool_outputs.tool_calls
        ]
        completed = await runs.submit_tool_outputs_and_poll(
            run_id=waiting.id, thread_id=thread.id, tool_outputs=outputs
        )
        handler = Handler()
        async with runs.stream(thread_id=thread.id, assistant_id=assistant.id, event_handler=handler) as stream:
            streamed = await stream.get_final_run()
        roles = [message.role async for message in client.beta.threads.messages.list(thread.id, limit=1)]

    print(
        json.dumps(
            {
                "statuses": [waiting.status, completed.status, streamed.status],
                "text": "".join(handler.texts),
                "roles": roles,
            }
        )
    )


asyncio.run(main())
