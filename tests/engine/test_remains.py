"""What a deleted thread leaves behind is removed in the background. Contract: docs/behaviour.md, T-7."""

from tests.support.rows import row_counts
from treadle.engine.commands.threads import remove_all_remains


async def test_t_7_nothing_is_left_of_a_deleted_thread(server, api, until):
    messages = [{"role": "user", "content": f"{n}"} for n in range(32)]
    thread = await api.created("/threads", {"messages": messages})

    await api.delete(f"/threads/{thread['id']}")

    async def is_clean():
        rows = await row_counts(server.settings)
        return not (rows["messages"] or rows["threads"] or rows["deleted_threads"] or rows["tombstones"])

    assert await until(is_clean)


async def test_a_database_that_is_away_stops_neither_the_server_nor_the_clean_up_for_good(server, api):
    server.call(server.engine.database.close)

    server.call(lambda: remove_all_remains(server.engine))

    answer = await api.get("/assistants")
    assert (answer.status, answer.error["type"], answer.headers["retry-after"]) == (503, "server_error", "1")
