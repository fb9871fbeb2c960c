// A run to its end by polling; then its message and its step.
import OpenAI from "openai";

const client = new OpenAI({ maxRetries: 0 });
const { threads } = client.beta;
const assistant = await client.beta.assistants.create({ model: "gpt-4o", instructions: "Be short." });
const thread = await threads.create({ messages: [{ role: "user", content: "What is the weather?" }] });

const run = await threads.runs.createAndPoll(thread.id, { assistant_id: assistant.id, temperature: 0 });
const [step] = (await threads.runs.steps.list(run.id, { thread_id: thread.id })).data;
const newest = (await threads.messages.list(thread.id)).data[0];

const { prompt_tokens, completion_tokens, total_tokens } = run.usage;
console.log(
  JSON.stringify({
    status: run.status,
    temperature: run.temperature,
    instructions: run.instructions,
    usage_adds_up: total_tokens > 0 && prompt_tokens + completion_tokens === total_tokens,
    text: newest.content[0].text.value,
    step: [step.type, step.status],
    step_names_message: step.step_details.message_creation.message_id === newest.id,
  }),
);
