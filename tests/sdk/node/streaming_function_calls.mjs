// A streamed run that calls a function; its output is submitted as the next stream.
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

const created = [];
const done = [];
let fragments = "";
const first = runs
  .stream(thread.id, { assistant_id: assistant.id })
  .on("toolCallCreated", (call) => created.push(call.function.name))
  .on("toolCallDelta", (delta) => (fragments += delta.function.arguments ?? ""))
  .on("toolCallDone", (call) => done.push(JSON.parse(call.function.arguments)));
const run = await first.finalRun();
const [call] = run.required_action.submit_tool_outputs.tool_calls;

let text = "";
const second = runs
  .submitToolOutputsStream(run.id, {
    thread_id: thread.id,
    tool_outputs: [{ tool_call_id: call.id, output: "sunny" }],
  })
  .on("textDelta", (delta) => (text += delta.value));
const last = await second.finalRun();

console.log(
  JSON.stringify({
    created,
    arguments: JSON.parse(fragments),
    done,
    statuses: [run.status, last.status],
    text,
  }),
);
