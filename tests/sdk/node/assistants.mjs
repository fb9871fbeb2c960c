// An assistant from its creation to its deletion.
import { isDeepStrictEqual } from "node:util";
import OpenAI from "openai";

const client = new OpenAI({ maxRetries: 0 });
const { assistants } = client.beta;
const tool = { type: "function", function: { name: "get_weather", parameters: { type: "object", properties: {} } } };

const created = await assistants.create({
  model: "gpt-4o",
  name: "Weather",
  tools: [tool],
  metadata: { team: "north" },
});
const retrieved = await assistants.retrieve(created.id);
const updated = await assistants.update(created.id, { name: "Tides" });
const ids = [created.id];
for (let number = 0; number < 24; number++) {
  ids.push((await assistants.create({ model: "gpt-4o", name: `Other ${number}` })).id);
}
const iterated = [];
for await (const assistant of assistants.list({ order: "asc" })) iterated.push(assistant.id);
const deleted = await assistants.delete(created.id);
const after = await assistants.retrieve(created.id).then(
  () => "found",
  (error) => (error instanceof OpenAI.NotFoundError ? "not found" : String(error)),
);

console.log(
  JSON.stringify({
    tools: created.tools.map((tool) => tool.function.name),
    metadata: created.metadata,
    retrieved: isDeepStrictEqual(retrieved, created),
    names: [created.name, updated.name],
    iterated: isDeepStrictEqual(iterated, ids),
    deleted: deleted.deleted,
    after,
  }),
);
