// The rest of an application goes to the same base URL: models, chat completions, embeddings.
import OpenAI from "openai";

const client = new OpenAI({ maxRetries: 0 });
const question = { model: "gpt-4o", messages: [{ role: "user", content: "What is the weather?" }] };

const models = [];
for await (const model of client.models.list()) models.push(model.id);
const retrieved = await client.models.retrieve(models[0]);
const completion = await client.chat.completions.create(question);
let streamed = "";
for await (const chunk of await client.chat.completions.create({ ...question, stream: true })) {
  streamed += chunk.choices[0]?.delta.content ?? "";
}
const embeddings = await client.embeddings.create({ model: "gpt-4o", input: ["sun", "rain"] });

console.log(
  JSON.stringify({
    retrieved: retrieved.id === models[0],
    completion: completion.choices[0].message.content,
    streamed,
    embeddings: embeddings.data.map((item) => item.embedding.length > 0),
  }),
);
