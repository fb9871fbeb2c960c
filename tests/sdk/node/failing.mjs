// A run whose model server refuses: the poller ends, the stream ends, and both tell why.
import OpenAI from "openai";

const client = new OpenAI({ maxRetries: 0 });
const { runs } = client.beta.threads;
const assistant = await client.beta.assistants.create({ model: "gpt-4o" });
const thread = await client.beta.threads.create({ messages: [{ role: "user", content: "What is the weather?" }] });

const polled = await runs.createAndPoll(thread.id, { assistant_id: assistant.id });
const streamed = await runs.stream(thread.id, { assistant_id: assistant.id }).finalRun();

console.log(
  JSON.stringify({
    statuses: [polled.status, streamed.status],
    codes: [polled.last_error.code, streamed.last_error.code],
    usage: polled.usage && polled.usage.total_tokens,
  }),
);
