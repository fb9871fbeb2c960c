// Two function calls at once, their outputs, the answer; all by polling. Then the steps.
import { isDeepStrictEqual } from "node:util";
import OpenAI from "openai";

const client = new OpenAI({ maxRetries: 0 });
const { runs } = client.beta.threads;
const parameters = { type: "object", properties: { city: { type: "string" } } };
const assistant = await client.beta.assistants.create({
  model: "gpt-4o",
  tools: [{ type: "function", function: { name: "get_weather", parameters } }],
});
const thread = await client.beta.threads.create({
  messages: [{ role: "user", content: "Is it warmer in Kyiv or in Oslo?" }],
});
const inThread = { thread_id: thread.id };

const waiting = await runs.createAndPoll(thread.id, { assistant_id: assistant.id });
const calls = waiting.required_action.submit_tool_outputs.tool_calls;
const completed = await runs.submitToolOutputsAndPoll(waiting.id, {
  ...inThread,
  tool_outputs: calls.map((call) => ({
    tool_call_id: call.id,
    output: `20 degrees in ${JSON.parse(call.function.arguments).city}`,
  })),
});
const steps = (await runs.steps.list(waiting.id, { ...inThread, order: "asc" })).data;
const same = await runs.steps.retrieve(steps[0].id, { ...inThread, run_id: waiting.id });

const total = steps.reduce((sum, step) => sum + step.usage.total_tokens, 0);
console.log(
  JSON.stringify({
    statuses: [waiting.status, completed.status],
    required: calls.map((call) => call.function.name),
    steps: steps.map((step) => [step.type, step.status]),
    outputs: steps[0].step_details.tool_calls.map((call) => call.function.output),
    retrieved: isDeepStrictEqual(same, steps[0]),
    usage_adds_up: total === completed.usage.total_tokens,
  }),
);
