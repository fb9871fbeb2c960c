"""The classes of the SDK's errors, and what they carry."""

import json

import openai

client = openai.OpenAI(max_retries=0)
stranger = openai.OpenAI(api_key="sk-nobody-knows-this-key-0000000000000001", max_retries=0)
assistant = client.beta.assistants.create(model="gpt-4o")
thread = client.beta.threads.create()


def raised(call, *arguments, **options):
    try:
        call(*arguments, **options)
    except openai.APIStatusError as error:
        return [type(error).__name__, error.status_code, error.code, error.param, error.request_id is not None]
    return None


print(
    json.dumps(
        {
            "wrong key": raised(stranger.beta.assistants.list),
            "unknown thread": raised(client.beta.threads.retrieve, "thread_000000000000000000000000"),
            "id of another kind": raised(client.beta.threads.retrieve, assistant.id),
            "value out of range": raised(client.beta.assistants.create, model="gpt-4o", temperature=3),
            "missing parameter": raised(client.beta.assistants.create, model="gpt-4o", tools=[{"type": "function"}]),
            "unknown parameter": raised(client.beta.threads.update, thread.id, extra_body={"colour": "red"}),
            "unknown model": raised(client.models.retrieve, "no-such-model"),
        }
    )
)
