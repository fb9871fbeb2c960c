"""Pages as the store reads them: in which order they come, and what is in them. Rules P-1 to P-9."""

from collections.abc import Callable

import pytest
from msgspec import json

from tests.engine.objects import a_message, a_row, a_run
from tests.store.conftest import PROJECT
from tests.store.steps import RUN, THREAD, a_step, add_run, ids, page_of_steps
from treadle import store
from treadle.contract.assistants import Assistant
from treadle.contract.errors import NotFound
from treadle.contract.messages import Message
from treadle.contract.pages import MessageQuery, PageQuery
from treadle.contract.runs import RunStatus as S
from treadle.store import Batch, Database, Statement
from treadle.store.run_steps import StepRow


class TestTheOrder:
    """P-3: `created_at` is in whole seconds and ties; the order of insertion breaks the ties."""

    @pytest.fixture
    async def messages(self, database: Database, add_thread: Callable[[str], Statement]) -> list[Message]:
        """Nine messages, three a second, whose ids say nothing of their order."""
        names = ["q", "c", "x", "a", "m", "b", "z", "k", "d"]
        made = [a_message(f"msg_{name}", name) for name in names]
        for index, message in enumerate(made):
            message.created_at = 1000 + index // 3
        batch = Batch()
        batch.write(add_thread(THREAD))
        for message in made:
            batch.write(store.messages.insert(message))
        await database.commit(batch)
        return made

    @pytest.mark.parametrize("order", ["asc", "desc"])
    @pytest.mark.parametrize("limit", [1, 2, 4, 9, 20])
    async def test_pages_behind_one_another_show_each_message_once(self, database, messages, order, limit):
        expected = [message.id for message in (messages if order == "asc" else messages[::-1])]

        seen: list[str] = []
        more = True
        while more:
            query = MessageQuery(limit=limit, order=order, after=seen[-1] if seen else None)
            page = json.decode(await store.messages.list_page(database, PROJECT, THREAD, query))
            seen += ids(page)
            more = page["has_more"]

        assert seen == expected

    @pytest.mark.parametrize("order", ["asc", "desc"])
    @pytest.mark.parametrize("limit", [1, 2, 4, 9, 20])
    async def test_pages_before_one_another_show_each_message_once(self, database, messages, order, limit):
        """P-6: a page before a cursor is the one that ends right there, in the requested order."""
        expected = [message.id for message in (messages if order == "asc" else messages[::-1])]

        seen = expected[-1:]
        more = True
        while more:
            query = MessageQuery(limit=limit, order=order, before=seen[0])
            page = json.decode(await store.messages.list_page(database, PROJECT, THREAD, query))
            seen = ids(page) + seen
            more = page["has_more"]

        assert seen == expected

    @pytest.mark.parametrize("order", ["asc", "desc"])
    async def test_between_two_cursors_the_page_begins_at_the_first(self, database, messages, order):
        expected = [message.id for message in (messages if order == "asc" else messages[::-1])]

        query = MessageQuery(limit=3, order=order, after=expected[1], before=expected[7])
        page = json.decode(await store.messages.list_page(database, PROJECT, THREAD, query))

        assert (ids(page), page["has_more"]) == (expected[2:5], True)

    async def test_p_8_a_cursor_that_was_deleted_still_says_where_to_go_on(self, database, messages):
        for message in messages[3:6]:
            batch = Batch()
            store.messages.delete(batch, THREAD, message.id)
            await database.commit(batch)

        after = json.decode(
            await store.messages.list_page(database, PROJECT, THREAD, MessageQuery(order="asc", after=messages[4].id))
        )

        assert ids(after) == [message.id for message in messages[6:]]

    async def test_p_8_a_cursor_that_was_never_here_is_not_found_also_on_an_empty_page(self, database, messages):
        for query in (MessageQuery(after="msg_none"), MessageQuery(limit=1, before="msg_none")):
            with pytest.raises(NotFound, match="msg_none"):
                await store.messages.list_page(database, PROJECT, THREAD, query)


async def test_documents_go_out_as_they_are_stored(database, add_thread):
    """Unread: also what this version would not write."""
    document = b'{"id":"asst_1", "from": "a later version", "name":"\\u0000 \xf0\x9f\x99\x82"}'
    batch = Batch()
    batch.write(store.assistants.insert(Assistant(id="asst_1", created_at=1, model="gpt-4o"), PROJECT))
    batch.write(Statement("UPDATE assistants SET doc = $1", (document,)))
    await database.commit(batch)

    page = await store.assistants.list_page(database, PROJECT, PageQuery())

    assert page == (
        b'{"object":"list","data":[' + document + b'],"first_id":"asst_1","last_id":"asst_1","has_more":false}'
    )


async def test_p_2_an_empty_page_has_no_ids(database):
    page = json.decode(await store.assistants.list_page(database, PROJECT, PageQuery()))

    assert page == {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}


@pytest.mark.parametrize(("limit", "has_more"), [(2, True), (3, False), (4, False)])
async def test_p_4_there_is_more_only_when_another_item_follows(database, limit, has_more):
    await add_run(database, RUN, steps=3)

    assert (await page_of_steps(database, PageQuery(limit=limit)))["has_more"] is has_more


async def test_the_steps_of_one_run_are_no_cursors_in_another(database):
    await add_run(database, "run_1", steps=3)
    await add_run(database, "run_2", steps=2)

    with pytest.raises(NotFound, match="step_3"):
        await page_of_steps(database, PageQuery(after="step_3"), "run_2")


async def test_steps_of_another_project_or_of_an_overdue_run_are_not_shown(database):
    """The caller finds out which of both it is, and expires the run (R-6)."""
    batch = Batch()
    batch.write(store.runs.insert(a_row(a_run(S.IN_PROGRESS))))
    batch.write(store.run_steps.insert(StepRow(a_step(1), 1, 0)))
    await database.commit(batch)

    async def found(project_id: str, now: int) -> bool:
        page = await store.run_steps.find_page(database, project_id, THREAD, RUN, PageQuery(), now=now)
        return page is not None

    assert [await found(PROJECT, 1599), await found(PROJECT, 1600), await found("proj_2", 1599)] == [True, False, False]
