"""The newest official Python SDK: iteration over lists longer than a page (P-10), blocking and async."""

import pytest

from tests.sdk.flavours import HELPER_FLAVOURS, Sdk, iterated
from tests.sdk.steps import with_copies_of_its_step
from tests.sdk.strict import checked
from tests.support.api import Api, Json
from tests.support.server import LiveServer
from treadle.upstream.scripted import ScriptedUpstream, say

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # the whole API is marked so
    pytest.mark.parametrize("sdk", HELPER_FLAVOURS, indirect=True),
]


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_iteration_visits_each_of_250_steps_once_and_in_order(
    sdk: Sdk, assistant: Json, thread: Json, upstream: ScriptedUpstream, server: LiveServer, order: str
):
    upstream.will_say(say("It is sunny."))
    run = await sdk.beta.threads.runs.create_and_poll(thread_id=thread["id"], assistant_id=assistant["id"])
    ids = with_copies_of_its_step(server, run.thread_id, run.id, count=250)

    steps = await iterated(await sdk.beta.threads.runs.steps.list(run.id, thread_id=thread["id"], order=order))

    assert [checked(step).id for step in steps] == (ids if order == "asc" else ids[::-1])


@pytest.mark.parametrize("limit", [7, 100])
async def test_iteration_visits_each_message_once_and_in_order(sdk: Sdk, api: Api, limit: int):
    batches = [[{"role": "user", "content": f"{batch}.{item}"} for item in range(32)] for batch in range(2)]
    thread = await api.created("/threads", {"messages": batches[0]})
    for message in batches[1]:
        await api.created(f"/threads/{thread['id']}/messages", message)

    messages = await iterated(await sdk.beta.threads.messages.list(thread["id"], limit=limit))

    said = [message.content[0].text.value for message in messages]
    assert said == [message["content"] for message in batches[0] + batches[1]][::-1]


async def test_iteration_visits_each_assistant_once_and_in_order(sdk: Sdk, api: Api):
    ids = [(await api.created("/assistants", {"model": "gpt-4o"}))["id"] for _ in range(45)]

    assistants = await iterated(await sdk.beta.assistants.list(order="asc"))

    assert [assistant.id for assistant in assistants] == ids


async def test_iteration_visits_each_run_once_and_in_order(
    sdk: Sdk, assistant: Json, thread: Json, upstream: ScriptedUpstream
):
    ids = []
    for _ in range(5):
        upstream.will_say(say("Sunny."))
        run = await sdk.beta.threads.runs.create(thread["id"], assistant_id=assistant["id"], stream=True)
        ids.append(run[-1].data.id)

    runs = await iterated(await sdk.beta.threads.runs.list(thread["id"], limit=2))

    assert [run.id for run in runs] == ids[::-1]


async def test_a_page_leads_to_the_next(sdk: Sdk, api: Api):
    ids = [(await api.created("/assistants", {"model": "gpt-4o"}))["id"] for _ in range(3)]
    first = await sdk.beta.assistants.list(order="asc", limit=2)

    rest = await sdk.beta.assistants.list(order="asc", after=first.data[-1].id)

    assert first.has_next_page()
    assert first.next_page_info().params == {"after": ids[1]}
    assert [assistant.id for assistant in rest.data] == ids[2:]
    assert not rest.has_next_page()
