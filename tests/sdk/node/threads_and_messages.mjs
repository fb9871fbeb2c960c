// A thread and its messages from creation to deletion.
import OpenAI from "openai";

const client = new OpenAI({ maxRetries: 0 });
const { threads } = client.beta;
const { messages } = threads;

const thread = await threads.create({ messages: [{ role: "user", content: "One." }], metadata: { user: "7" } });
const inThread = { thread_id: thread.id };
const second = await messages.create(thread.id, { role: "user", content: "Two." });
const image = { type: "image_url", image_url: { url: "https://example.com/a.png" } };
await messages.create(thread.id, { role: "assistant", content: [{ type: "text", text: "Three." }, image] });
const updated = await messages.update(second.id, { ...inThread, metadata: { seen: "yes" } });
const listed = [];
for await (const message of messages.list(thread.id, { order: "asc" })) {
  listed.push(message.content.map((part) => part.type));
}
const retrieved = await messages.retrieve(second.id, inThread);
const deleted = await messages.delete(second.id, inThread);
await threads.update(thread.id, { metadata: { user: "8" } });
const { metadata } = await threads.retrieve(thread.id);
const threadDeleted = await threads.delete(thread.id);

console.log(
  JSON.stringify({
    listed,
    text: retrieved.content[0].text.value,
    role: retrieved.role,
    message_metadata: updated.metadata,
    deleted: deleted.deleted,
    thread_metadata: metadata,
    thread_deleted: threadDeleted.deleted,
  }),
);
