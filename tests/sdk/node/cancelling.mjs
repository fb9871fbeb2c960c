// A run that waits for a function is cancelled, polled to its end, and its thread is free again.
import OpenAI from "openai";

const client = new OpenAI({ maxRetries: 0 });
const { runs } = client.beta.threads;
const assistant = await client.beta.assistants.create({
  model: "gpt-4o",
  tools: [{ type: "function", function: { name: "get_weather" } }],
});
const thread = await client.beta.threads.create({
  messages: [{ role: "user", content: "What is the weather in Kyiv?" }],
});
const inThread = { thread_id: thread.id };

const waiting = await runs.createAndPoll(thread.id, { assistant_id: assistant.id });
const locked = await runs.create(thread.id, { assistant_id: assistant.id }).then(
  () => null,
  (error) => error instanceof OpenAI.BadRequestError && error.message.includes("already has an active run"),
);
const cancelling = await runs.cancel(waiting.id, inThread);
const cancelled = await runs.poll(waiting.id, inThread);
const again = await runs.createAndPoll(thread.id, { assistant_id: assistant.id });
const steps = (await runs.steps.list(waiting.id, inThread)).data;

console.log(
  JSON.stringify({
    statuses: [waiting.status, cancelling.status, cancelled.status, again.status],
    locked,
    steps: steps.map((step) => step.status),
  }),
);
