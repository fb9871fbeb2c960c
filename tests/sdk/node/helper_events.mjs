// Every event of the stream helper, in order: text, then a function call; then the leg after its output.
import OpenAI from "openai";

const NAMES = [
  "connect",
  "runStepCreated",
  "runStepDelta",
  "runStepDone",
  "messageCreated",
  "messageDelta",
  "messageDone",
  "textCreated",
  "textDelta",
  "textDone",
  "toolCallCreated",
  "toolCallDelta",
  "toolCallDone",
  "imageFileDone",
  "run",
  "error",
  "abort",
  "end",
];

const client = new OpenAI({ maxRetries: 0 });
const { runs } = client.beta.threads;
const assistant = await client.beta.assistants.create({
  model: "gpt-4o",
  tools: [{ type: "function", function: { name: "get_weather" } }],
});
const thread = await client.beta.threads.create({
  messages: [{ role: "user", content: "What is the weather in Kyiv?" }],
});

async function emitted(stream) {
  const events = [];
  for (const name of NAMES) stream.on(name, () => events.push(name));
  await stream.done();
  return events;
}

const first = runs.stream(thread.id, { assistant_id: assistant.id });
const before = await emitted(first);
const run = await first.finalRun();
const [call] = run.required_action.submit_tool_outputs.tool_calls;
const second = runs.submitToolOutputsStream(run.id, {
  thread_id: thread.id,
  tool_outputs: [{ tool_call_id: call.id, output: "sunny" }],
});
const after = await emitted(second);

console.log(JSON.stringify({ before, after }));
