// A streamed answer through the helper's events.
import OpenAI from "openai";

const client = new OpenAI({ maxRetries: 0 });
const assistant = await client.beta.assistants.create({ model: "gpt-4o" });
const thread = await client.beta.threads.create({ messages: [{ role: "user", content: "What is the weather?" }] });

const texts = [];
const done = [];
const events = [];
const stream = client.beta.threads.runs
  .stream(thread.id, { assistant_id: assistant.id })
  .on("event", ({ event }) => events.push(event))
  .on("textDelta", (delta) => texts.push(delta.value))
  .on("messageDone", () => done.push("message"))
  .on("runStepDone", () => done.push("step"))
  .on("end", () => done.push("end"));
const run = await stream.finalRun();
const [message] = await stream.finalMessages();
const steps = await stream.finalRunSteps();

console.log(
  JSON.stringify({
    events,
    text: texts.join(""),
    in_pieces: texts.length > 1,
    done,
    final_text: message.content[0].text.value,
    final_run: run.status,
    final_steps: steps.map((step) => step.type),
  }),
);
