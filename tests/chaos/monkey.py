"""The monkey: harms processes and connections, at random."""

import asyncio
import random
import time
from collections import Counter

import asyncpg

from tests.chaos.cluster import Cluster, Process
from tests.chaos.takeovers import Takeovers

APPLICATION = "chaos"  # by this name it knows its own connections
# A run that has lost its worker so often in one turn gets its rest: one loss after the next is the run's end.
SPARED_AFTER_TAKEOVERS = 2
# A worker with runs is the better victim.
BUSY_WEIGHT = 4


class Monkey:
    """`deeds` counts what it did. Of all workers at least one is always well."""

    def __init__(
        self, cluster: Cluster, takeovers: Takeovers, database: asyncpg.Pool, rng: random.Random, *, lease: float
    ) -> None:
        self.deeds: Counter[str] = Counter()
        self._cluster, self._takeovers, self._database = cluster, takeovers, database
        self._rng, self._lease = rng, lease

    async def rage(self, seconds: float) -> None:
        """Returns when all that was harmed is well again."""
        ends_at = time.monotonic() + seconds
        async with asyncio.TaskGroup() as harmed:
            while time.monotonic() < ends_at:
                await asyncio.sleep(self._rng.uniform(0.1, 1.2))
                if self._rng.random() < 0.4:
                    await self._cut_connections()
                elif (victim := await self._victim()) is not None:
                    deed = self._rng.choice((self._kill, self._pause))
                    harmed.create_task(deed(victim))

    async def _victim(self) -> Process | None:
        candidates = [process for process in self._cluster.processes if process.is_well]
        if len(well := self._cluster.well_workers()) < 2:
            candidates = [process for process in candidates if process not in well]
        spared = await self._takeovers.holders(takeovers=SPARED_AFTER_TAKEOVERS)
        candidates = [process for process in candidates if not self._is_any(spared, process)]
        busy = await self._takeovers.holders()
        weights = [BUSY_WEIGHT if self._is_any(busy, process) else 1 for process in candidates]
        return self._rng.choices(candidates, weights)[0] if candidates else None

    async def _kill(self, process: Process) -> None:
        self.deeds["killed " + ("a worker" if process.works else "an API")] += 1
        at = time.monotonic()
        await process.kill()
        await self._takeovers.lost(await self._ids_of(process), at, for_ever=True)
        await asyncio.sleep(self._rng.uniform(0.0, 1.5))
        await process.start()

    async def _pause(self, process: Process) -> None:
        self.deeds["paused " + ("a worker" if process.works else "an API")] += 1
        at = time.monotonic()
        process.pause()
        ids = await self._ids_of(process)
        await self._takeovers.lost(ids, at, for_ever=False)
        await asyncio.sleep(self._lease + self._rng.uniform(0.5, 2.5))
        self._takeovers.found(ids)
        process.resume()

    async def _cut_connections(self) -> None:
        pids = await self._database.fetch(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name <> $1 "
            "AND backend_type = 'client backend' ORDER BY pid",
            APPLICATION,
        )
        chosen = self._rng.sample([pid for (pid,) in pids], self._rng.choice((1, 2, len(pids) // 2, len(pids))))
        await self._database.execute("SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) AS pid", chosen)
        self.deeds["connections cut"] += len(chosen)

    async def _ids_of(self, process: Process) -> list[str]:
        return [id for id in await self._takeovers.holders() if self._cluster.may_be(id, process)]

    def _is_any(self, worker_ids: list[str], process: Process) -> bool:
        return any(self._cluster.may_be(id, process) for id in worker_ids)
