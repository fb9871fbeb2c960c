// An answer that is cut off by the token limit: the stream ends, and the run and the message say why.
import OpenAI from "openai";

const client = new OpenAI({ maxRetries: 0 });
const { runs } = client.beta.threads;
const assistant = await client.beta.assistants.create({ model: "gpt-4o" });
const thread = await client.beta.threads.create({ messages: [{ role: "user", content: "What is the weather?" }] });

const events = [];
const stream = runs
  .stream(thread.id, { assistant_id: assistant.id, max_completion_tokens: 256 })
  .on("event", ({ event }) => events.push(event));
const [message] = await stream.finalMessages();
const run = await runs.retrieve((await runs.list(thread.id)).data[0].id, { thread_id: thread.id });

console.log(
  JSON.stringify({
    last_event: events.at(-1),
    run: [run.status, run.incomplete_details.reason],
    message: [message.status, message.incomplete_details.reason],
    text: message.content[0].text.value,
  }),
);
