"""An assistant from its creation to its deletion."""

import json

import openai

client = openai.OpenAI(max_retries=0)
tool = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}}}

created = client.beta.assistants.create(model="gpt-4o", name="Weather", tools=[tool], metadata={"team": "north"})
retrieved = client.beta.assistants.retrieve(created.id)
updated = client.beta.assistants.update(created.id, name="Tides")
others = [client.beta.assistants.create(model="gpt-4o", name=f"Other {number}").id for number in range(24)]
iterated = [assistant.id for assistant in client.beta.assistants.list(order="asc")]
deleted = client.beta.assistants.delete(created.id)
try:
    client.beta.assistants.retrieve(created.id)
    after = "found"
except openai.NotFoundError:
    after = "not found"

print(
    json.dumps(
        {
            "tools": [tool.function.name for tool in created.tools],
            "metadata": created.metadata,
            "retrieved": retrieved == created,
            "names": [created.name, updated.name],
            "iterated": iterated == [created.id, *others],
            "deleted": deleted.deleted,
            "after": after,
        }
    )
)
