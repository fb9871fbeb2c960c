// The classes of the SDK's errors, and what they carry.
import OpenAI from "openai";

const client = new OpenAI({ maxRetries: 0 });
const stranger = new OpenAI({ apiKey: "sk-nobody-knows-this-key-0000000000000001", maxRetries: 0 });
const { assistants, threads } = client.beta;
const assistant = await assistants.create({ model: "gpt-4o" });
const thread = await threads.create();

async function raised(promise) {
  try {
    await promise;
  } catch (error) {
    return [error.constructor.name, error.status, error.code, error.param, Boolean(error.requestID)];
  }
  return null;
}

console.log(
  JSON.stringify({
    "wrong key": await raised(stranger.beta.assistants.list()),
    "unknown thread": await raised(threads.retrieve("thread_000000000000000000000000")),
    "id of another kind": await raised(threads.retrieve(assistant.id)),
    "value out of range": await raised(assistants.create({ model: "gpt-4o", temperature: 3 })),
    "missing parameter": await raised(assistants.create({ model: "gpt-4o", tools: [{ type: "function" }] })),
    "unknown parameter": await raised(threads.update(thread.id, { colour: "red" })),
    "unknown model": await raised(client.models.retrieve("no-such-model")),
  }),
);
