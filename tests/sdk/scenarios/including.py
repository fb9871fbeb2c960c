"""Steps with the contents of search results, in the way that this release of the SDK can ask for them."""

import inspect
import json
import os

import openai

client = openai.OpenAI(max_retries=0)
scope = {"thread_id": os.environ["THREAD_ID"], "run_id": os.environ["RUN_ID"]}
steps = client.beta.threads.runs.steps
content = "step_details.tool_calls[*].file_search.results[*].content"


def including(method, value):
    """The argument came with a later release; before it, one wrote the query oneself."""
    if "include" in inspect.signature(method).parameters:
        return {"include": [value]}
    return {"extra_query": {"include[]": value}}


listed = steps.list(**scope, **including(steps.list, content)).data
retrieved = steps.retrieve(listed[0].id, **scope, **including(steps.retrieve, content))
try:
    steps.list(**scope, **including(steps.list, "everything"))
    refused = None
except openai.BadRequestError as error:
    refused = error.body["param"]

print(json.dumps({"listed": len(listed), "retrieved": retrieved == listed[0], "refused": refused}))
