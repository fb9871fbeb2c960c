"""The other processes on the same database, and the short messages that go between them.

A message is a hint: what counts is in the rows, and whoever waits for a message also looks there from time to time.
"""

import asyncio
import math
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import structlog

from treadle import store
from treadle.store import Database

log = structlog.get_logger(__name__)

# How often it is looked who is there.
LOOK_SECONDS: Final = 2.0
# By the database's clock a lease is over for certain when it is by ours, and so much later.
MARGIN_SECONDS: Final = 0.02

# What a message may say; its arguments follow in one line, and what is longer in the lines after it.
WORK: Final = "work"  # thread id, run id: this run waits in the queue; without them: look there
LOOK: Final = "look"  # thread id, run id: somebody changed a run of yours
ATTACH: Final = "attach"  # session, process, thread id, run id, mode, event id: send a run's events (see `relay`)
DETACH: Final = "detach"  # session: send no more of them
EVENTS: Final = "events"  # see `relay`

Heard = Callable[[Sequence[str], str], None]


class Peers:
    """`process_id` is our address. On a database of one process there is nobody to hear or to tell."""

    def __init__(self, database: Database, process_id: str) -> None:
        self.process_id = process_id
        self._database = database
        self._heard: Mapping[str, Heard] = {}
        self._workers: list[str] = []
        self._sending: set[asyncio.Task[None]] = set()
        # By the loop's time: when the first lease of another worker is over, unless that renews it.
        self.next_loss_at = math.inf

    async def listen(self, heard: Mapping[str, Heard], reconnected: Callable[[], None]) -> None:
        """From now on `heard[what](arguments, text)` is called; `reconnected` when messages may have been missed."""
        self._heard = heard
        await self._database.signals.listen(self.process_id, self._hear, reconnected=reconnected)

    async def look_until_stopped(self) -> None:
        """Know who executes runs. Where nobody does, say so: they would wait in silence."""
        is_told = False
        while True:
            try:
                living = await store.workers.living(self._database)
            except store.DatabaseUnavailable as error:
                log.warning("database unavailable", error=str(error))
            else:
                left = {id: seconds for id, seconds in living.items() if id != self.process_id}
                self._workers = list(left)
                self.next_loss_at = _time() + min(left.values(), default=math.inf) + MARGIN_SECONDS
                if not living and not is_told:
                    log.warning("no worker is there, so runs wait in the queue")
                is_told = not living
            await asyncio.sleep(LOOK_SECONDS)

    def offer_work(self, *scope: str) -> None:
        """Offer a run (thread id, run id) to a worker, any of them; without one, tell it that runs wait.

        If it has no room, others find the run when they look for themselves.
        """
        if self._workers:
            self.tell(random.choice(self._workers), WORK, *scope)  # noqa: S311 - spreads load, protects nothing

    def tell(self, process_id: str, *words: object) -> None:
        """Send a message of one line, soon."""
        task = asyncio.create_task(self.send(process_id, [" ".join(map(str, words))]))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def send(self, process_id: str, messages: Sequence[str]) -> None:
        """Send messages in this order. A failure is not told: see above."""
        try:
            await self._database.signals.send(process_id, messages)
        except store.DatabaseUnavailable as error:
            log.debug("message not sent", error=str(error))

    def _hear(self, message: str) -> None:
        line, _, text = message.partition("\n")
        what, *arguments = line.split(" ")
        heard = self._heard.get(what)
        if heard is None:
            log.debug("message not understood", what=what)  # of a later version, during an upgrade
            return
        try:
            heard(arguments, text)
        except (IndexError, TypeError, ValueError) as error:
            log.warning("message not understood", what=what, error=str(error))


def _time() -> float:
    return asyncio.get_running_loop().time()
