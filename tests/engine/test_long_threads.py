"""A long conversation holds up nobody but itself."""

import asyncio

from tests.engine.objects import a_message, a_row, a_run
from treadle import store
from treadle.contract.runs import TruncationStrategy
from treadle.engine import prompt
from treadle.store import Batch


async def test_others_go_on_while_the_tokens_of_a_long_thread_are_counted(database):
    batch = Batch()
    for number in range(50):
        batch.write(store.messages.insert(a_message(f"msg_{number}", "All work and no play. " * 2_000)))
    await database.commit(batch)
    everything = TruncationStrategy(type="last_messages", last_messages=50)
    run = a_row(a_run(max_prompt_tokens=10_000_000, truncation_strategy=everything))

    building = asyncio.create_task(prompt.build(database, run, prompt.Past(), context_tokens=None))
    turns_of_others = 0
    while not building.done():
        await asyncio.sleep(0)
        turns_of_others += 1

    built = building.result()
    assert built.estimated_tokens > 50 * 2_000
    assert turns_of_others > 100
