"""The rest of an application goes to the same base URL: models, chat completions, embeddings."""

import json

import openai

client = openai.OpenAI(max_retries=0)
question = [{"role": "user", "content": "What is the weather?"}]

models = [model.id for model in client.models.list()]
retrieved = client.models.retrieve(models[0]).id
completion = client.chat.completions.create(model="gpt-4o", messages=question)
chunks = list(client.chat.completions.create(model="gpt-4o", messages=question, stream=True))
embeddings = client.embeddings.create(model="gpt-4o", input=["sun", "rain"])

print(
    json.dumps(
        {
            "retrieved": retrieved == models[0],
            "completion": completion.choices[0].message.content,
            "streamed": "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices),
            "embeddings": [len(item.embedding) > 0 for item in embeddings.data],
        }
    )
)
