// A thread and its run in one request, polled and then streamed.
import OpenAI from "openai";

const client = new OpenAI({ maxRetries: 0 });
const assistant = await client.beta.assistants.create({ model: "gpt-4o" });
const body = {
  assistant_id: assistant.id,
  thread: { messages: [{ role: "user", content: "What is the weather?" }] },
};

const polled = await client.beta.threads.createAndRunPoll(body);
const events = [];
for await (const event of client.beta.threads.createAndRunStream(body)) events.push(event.event);

console.log(JSON.stringify({ polled: polled.status, first_event: events.at(0), last_event: events.at(-1) }));
