"""kill -9 before the n-th commit, after it, and after its events, for every n; the run ends as it should (R-9)."""

import asyncio
import itertools

import pytest

from tests.crash.conversation import Conversation
from tests.crash.process import LOST
from tests.crash.trial import PHASES
from treadle.engine.lifecycle import TERMINAL
from treadle.upstream.scripted import function_call, say

KYIV, LVIV, ODESA = (function_call("get_weather", {"city": city}) for city in ("Kyiv", "Lviv", "Odesa"))
CALLS = KYIV + LVIV
ANSWER = say("It is sunny in both cities.")
OTHER = say("Take an umbrella.")
LOOKING = say("Let me look that up.")

# What the model server says the first time and the second time it is asked the same.
ANSWERS_THAT_DIFFER = {
    "another text": [[CALLS], [ANSWER, OTHER]],
    "no text": [[CALLS], [ANSWER, say("")]],
    "calls instead of text": [[CALLS], [ANSWER, ODESA], [OTHER]],
    "fewer calls": [[CALLS, ODESA], [ANSWER]],
    "more calls": [[CALLS, KYIV + LVIV + ODESA], [ANSWER]],
    "text before calls": [[CALLS, LOOKING + CALLS], [ANSWER]],
    "text instead of calls": [[CALLS, OTHER], [ANSWER]],
    "no text before calls": [[LOOKING + CALLS, ODESA], [ANSWER]],
    "another text before calls": [[LOOKING + CALLS, OTHER + ODESA], [ANSWER]],
    "text without its calls": [[LOOKING + CALLS, OTHER], [ANSWER]],
}
# A model slow enough for another client to write beside it.
SLOW_ROUNDS = [
    [say("", first_delay_seconds=0.03, delay_seconds=0.003) + CALLS],
    [say("It is sunny.", first_delay_seconds=0.03, delay_seconds=0.003, chunk_size=1)],
]


@pytest.mark.parametrize("database_url", ["sqlite", "postgres"], indirect=True)
@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "polled"])
async def test_r_9_a_run_goes_on_after_a_death_at_any_commit(begin, tally, streamed, phase):
    trial = await begin([[CALLS], [ANSWER]], streamed=streamed)

    commits = await trial.commits()
    deaths = [await trial.kill(f"{phase}:{number}") for number in range(1, commits + 1)]

    assert sum(deaths) > 5
    tally(commits, trial.seconds)


@pytest.mark.parametrize("difference", ANSWERS_THAT_DIFFER)
async def test_r_9_a_redo_that_answers_differently_leaves_no_orphan(begin, tally, difference):
    trial = await begin(ANSWERS_THAT_DIFFER[difference], streamed=True)

    commits = await trial.commits()
    for number in range(1, commits + 1):
        await trial.kill(f"after:{number}")

    assert any(shape != trial.shapes[0] for shape in trial.shapes), "the second answer never counted"
    tally(commits, trial.seconds)


@pytest.mark.slow
@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "polled"])
@pytest.mark.parametrize("difference", ANSWERS_THAT_DIFFER)
async def test_r_9_a_redo_leaves_no_orphan_at_any_phase(begin, tally, difference, streamed, phase):
    trial = await begin(ANSWERS_THAT_DIFFER[difference], streamed=streamed)

    commits = await trial.commits()
    for number in range(1, commits + 1):
        await trial.kill(f"{phase}:{number}")

    tally(commits, trial.seconds)


@pytest.mark.parametrize(
    "first", ["after:3", *(pytest.param(f"after:{number}", marks=pytest.mark.slow) for number in (1, 2, 4, 5, 6, 7, 8))]
)
async def test_r_9_a_redo_that_dies_at_any_commit_is_done_again(begin, tally, first):
    trial = await begin([[CALLS, KYIV, LOOKING + LVIV], [ANSWER, OTHER]], streamed=True)

    for number in itertools.count(1):
        if await trial.kill(first, f"after:{number}") < 2:
            break

    assert number > 2
    tally(number, trial.seconds)


@pytest.mark.parametrize(
    "numbers", [range(3, 40, 5), pytest.param(range(1, 60), marks=pytest.mark.slow)], ids=["some", "all"]
)
async def test_r_36_no_metadata_is_lost_when_modify_run_goes_on_beside_the_run(begin, tally, numbers):
    trial = await begin(SLOW_ROUNDS, streamed=True, beside=modify_until_dead)

    for number in numbers:
        await trial.kill(f"{PHASES[number % 2]}:{number}")

    assert trial.seconds, "no death came before the run's end"
    tally(len(numbers), trial.seconds)


async def modify_until_dead(conversation: Conversation) -> None:
    """Write the run's metadata again and again, until the server has died and the run is over."""
    server, life = conversation.server, conversation.server.lives
    sent = answered = 0
    while conversation.run is None:
        await asyncio.sleep(0.005)
    path = f"{conversation.path}/runs/{conversation.run['id']}"
    while server.lives == life or conversation.run["status"] not in TERMINAL:
        present = server.lives
        try:
            # Most of the time nobody writes but the run itself: that is when it could put back what it read before.
            for _ in range(5):
                run = await server.api.found(path)
                assert answered <= int(run["metadata"].get("number", 0)) <= sent
            sent += 1
            await server.api.created(path, {"metadata": {"number": str(sent)}})
            answered = sent
        except LOST:
            await server.revive(present)
