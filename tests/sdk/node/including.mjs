// Steps with the contents of search results.
import { isDeepStrictEqual } from "node:util";
import OpenAI from "openai";

const client = new OpenAI({ maxRetries: 0 });
const { steps } = client.beta.threads.runs;
const { THREAD_ID: thread_id, RUN_ID: run_id } = process.env;
const include = ["step_details.tool_calls[*].file_search.results[*].content"];

const listed = (await steps.list(run_id, { thread_id, include })).data;
const retrieved = await steps.retrieve(listed[0].id, { thread_id, run_id, include });
const refused = await steps.list(run_id, { thread_id, include: ["everything"] }).then(
  () => null,
  (error) => error.param,
);

console.log(
  JSON.stringify({ listed: listed.length, retrieved: isDeepStrictEqual(retrieved, listed[0]), refused }),
);
