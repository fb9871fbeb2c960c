"""How long after a kill -9 a run is over: `python -m tests.crash.measure [KILLS]` prints seconds as JSON.

Counted from the start of the next process, with the client answering the run's calls meanwhile. A scripted model server
that answers at once leaves what is ours: start, takeover, the turn taken again.
"""

import asyncio
import json
import statistics
import sys
import tempfile
from pathlib import Path

from tests.crash.process import MortalServer
from tests.crash.trial import Trial
from treadle.upstream.scripted import ScriptedUpstream, function_call, say

CALLS = function_call("get_weather", {"city": "Kyiv"}) + function_call("get_weather", {"city": "Lviv"})
ROUNDS = [[CALLS], [say("It is sunny in both cities.")]]
# Commits of the conversation after which its run is unfinished: created, calls opened, waiting, answered, text opened.
UNFINISHED_AFTER = (2, 3, 4, 5, 6)


async def restart_seconds(kills: int) -> list[float]:
    """Seconds from the start of the next process to the end of the run, for so many deaths spread over the run."""
    with tempfile.TemporaryDirectory() as folder:
        async with (
            ScriptedUpstream(rounds=ROUNDS) as upstream,
            MortalServer(Path(folder) / "data", upstream.base_url) as server,
        ):
            trial = Trial(server, upstream, ROUNDS, streamed=True)
            for kill in range(kills):
                await trial.kill(f"after:{UNFINISHED_AFTER[kill % len(UNFINISHED_AFTER)]}")
            return trial.seconds


def main() -> None:
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    seconds = asyncio.run(restart_seconds(kills))
    print(json.dumps({"kills": len(seconds), "p50": statistics.median(seconds), "max": max(seconds)}))


if __name__ == "__main__":
    main()
