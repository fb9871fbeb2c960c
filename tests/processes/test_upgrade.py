"""A rolling upgrade: processes of two versions on one schema. See docs/running/upgrades.md.

The version after this one has a migration more. Of that only the schema matters to the processes of this version, which
run before, during and after it.
"""

import asyncio

import asyncpg

from tests.processes.talk import asked
from tests.support.runs import begun, messages_of, settled, steps_of, text_of
from treadle.store import migrations
from treadle.upstream.scripted import say

NEXT = """-- works from: 1
ALTER TABLE runs ADD COLUMN mood TEXT NOT NULL DEFAULT 'calm';
ALTER TABLE run_steps ADD COLUMN mood TEXT;
CREATE TABLE moods (id TEXT PRIMARY KEY, run_id TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS runs_by_mood ON runs (mood);
"""


async def test_processes_of_this_version_work_on_while_and_after_the_next_one_migrates(cluster, upstream, rows, valve):
    front, worker = await asyncio.gather(
        cluster.serve(work=False, upstream_url=valve.url), cluster.worker(upstream_url=valve.url)
    )
    upstream.will_say(say("It is sunny."), say("It rains."), say("It snows."))
    thread, assistant = await asked(front.api)
    valve.shut()
    run = await begun(front.api, thread, assistant)
    await rows.held_by(run, worker.id)

    # In the middle of a turn.
    known = migrations.available("postgres")
    connection = await asyncpg.connect(cluster.url)
    await migrations.apply_postgres(connection, [*known, (f"{len(known) + 1:04}_next.sql", NEXT)])
    valve.open()

    run = await settled(front.api, run)
    assert (run["status"], text_of((await messages_of(front.api, thread))[-1])) == ("completed", "It is sunny.")
    # Also those that start on the new schema, beside those that were there.
    newer_front, newer_worker = await asyncio.gather(cluster.serve(work=False), cluster.worker())
    for api in (front.api, newer_front.api):
        later = await settled(api, await begun(api, *await asked(api)))
        assert later["status"] == "completed"
        assert len(await steps_of(newer_front.api, later)) == 1
        assert worker.has_executed(later) or newer_worker.has_executed(later)
    assert await connection.fetchval("SELECT count(*) FROM runs WHERE mood = 'calm'") == 3
    await connection.close()
