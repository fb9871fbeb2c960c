// Iteration over the 250 steps of a run and the 45 messages of its thread, which the environment names.
import { isDeepStrictEqual } from "node:util";
import OpenAI from "openai";

const client = new OpenAI({ maxRetries: 0 });
const { messages, runs } = client.beta.threads;
const { THREAD_ID: thread_id, RUN_ID: runId } = process.env;

async function ids(list) {
  const all = [];
  for await (const item of list) all.push(item.id);
  return all;
}

const newestFirst = await ids(runs.steps.list(runId, { thread_id }));
const oldestFirst = await ids(runs.steps.list(runId, { thread_id, order: "asc", limit: 100 }));
const before = await runs.steps.list(runId, { thread_id, before: newestFirst[5], limit: 2 });
const messageIds = await ids(messages.list(thread_id, { limit: 10 }));

console.log(
  JSON.stringify({
    steps: newestFirst.length,
    each_once: new Set(newestFirst).size === newestFirst.length,
    reversed: isDeepStrictEqual(oldestFirst, newestFirst.toReversed()),
    before: isDeepStrictEqual(
      before.data.map((step) => step.id),
      newestFirst.slice(3, 5),
    ),
    messages: new Set(messageIds).size,
  }),
);
