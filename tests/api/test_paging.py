"""Paging, on assistants (of a project) and messages (of a thread). Contract: docs/behaviour.md, section 3."""

from dataclasses import dataclass

import pytest

from tests.support.api import Api
from tests.support.clock import MovableClock

LIMITS = [1, 7, 20, 100]


class StoppedClock(MovableClock):
    """Stands still unless it is moved, so that all that is made has one `created_at`."""

    def __call__(self) -> float:
        return 1_700_000_000.5 + self._ahead


@pytest.fixture
def clock():
    return StoppedClock()


@dataclass
class Collection:
    """A list at `path`. `others` is a list of the same kind that is not this one."""

    api: Api
    path: str
    others: str
    body: dict
    noun: str

    async def make(self, count):
        """Ids, oldest first."""
        return [(await self.api.created(self.path, self.body))["id"] for _ in range(count)]

    async def page(self, **query):
        page = await self.api.found(self.path, query)
        ids = [item["id"] for item in page["data"]]
        assert (page["first_id"], page["last_id"]) == ((ids[0], ids[-1]) if ids else (None, None))  # P-2
        return ids, page["has_more"]

    async def walk(self, **query):
        """All ids, page by page, the way the official clients do it (P-10)."""
        seen, more = [], True
        while more:
            ids, more = await self.page(**query)
            seen += ids
            query["after"] = ids[-1] if ids else None
        return seen


@pytest.fixture(params=["assistants", "messages"])
async def collection(request, api, stranger):
    if request.param == "assistants":
        return Collection(api, "/assistants", "/assistants", {"model": "m"}, "assistant")
    thread, other = await api.created("/threads"), await api.created("/threads")
    message = {"role": "user", "content": "hi"}
    return Collection(api, f"/threads/{thread['id']}/messages", f"/threads/{other['id']}/messages", message, "message")


async def test_pages_of_any_size_visit_120_items_once_in_order(collection):
    """P-3 to P-5, P-10: although all have one `created_at`, and `asc` is the exact reverse of `desc`."""
    made = await collection.make(120)

    for limit in LIMITS:
        assert await collection.walk(limit=limit, order="asc") == made
        assert await collection.walk(limit=limit, order="desc") == made[::-1]
    assert await collection.walk() == made[::-1]


async def test_the_time_of_creation_comes_before_the_order_of_insertion(collection, clock):
    """P-3: a clock that was set back."""
    late = await collection.make(2)
    clock.advance(-100)
    early = await collection.make(2)

    assert await collection.walk(limit=1, order="asc") == early + late


async def test_a_page_holds_20_unless_asked_and_says_whether_more_follow(collection):
    """P-4."""
    made = await collection.make(21)

    assert await collection.page() == (made[:0:-1], True)
    assert await collection.page(limit=21) == (made[::-1], False)
    assert await collection.page(after=made[1]) == ([made[0]], False)


async def test_before_returns_the_adjacent_page_in_the_requested_order(collection):
    """P-5, P-6."""
    made = await collection.make(9)

    assert await collection.page(before=made[6], limit=3, order="asc") == (made[3:6], True)
    assert await collection.page(before=made[3], limit=3, order="asc") == (made[0:3], False)
    assert await collection.page(before=made[3], limit=3) == (made[6:3:-1], True)
    assert await collection.page(before=made[6], limit=3) == (made[:6:-1], False)


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_paging_back_retraces_the_pages(collection, order):
    """P-6."""
    await collection.make(23)
    forth = [(await collection.page(limit=5, order=order))[0]]
    for _ in range(4):
        forth.append((await collection.page(limit=5, order=order, after=forth[-1][-1]))[0])
    assert len(forth[-1]) == 3

    back = [forth[-1]]
    for _ in range(4):
        back.append((await collection.page(limit=5, order=order, before=back[-1][0]))[0])

    assert back[::-1] == forth


async def test_both_cursors_select_what_lies_between(collection):
    """P-7: the page starts right behind `after`."""
    made = await collection.make(8)

    assert await collection.page(after=made[1], before=made[5], order="asc") == (made[2:5], False)
    assert await collection.page(after=made[1], before=made[5], order="asc", limit=2) == (made[2:4], True)
    assert await collection.page(after=made[5], before=made[1], limit=2) == ([made[4], made[3]], True)
    assert await collection.page(after=made[5], before=made[1]) == ([made[4], made[3], made[2]], False)


async def test_an_empty_interval_is_an_empty_page(collection):
    """P-7, P-2."""
    made = await collection.make(3)

    for interval in (
        {"after": made[0], "before": made[1], "order": "asc"},
        {"after": made[1], "before": made[1]},
        {"after": made[0], "before": made[2]},
        {"after": made[0]},
        {"before": made[2]},
    ):
        assert await collection.page(**interval) == ([], False)


async def test_a_deleted_cursor_keeps_its_place(collection, api):
    """P-8: a client that deletes while it pages must not fail."""
    made = await collection.make(5)
    await api.delete(f"{collection.path}/{made[2]}")

    assert await collection.page(after=made[2], order="asc") == (made[3:], False)
    assert await collection.page(before=made[2], order="asc") == (made[:2], False)
    assert await collection.page(after=made[2], before=made[4], order="asc") == ([made[3]], False)
    assert await collection.page(after=made[0], before=made[2], order="asc") == ([made[1]], False)


async def test_all_can_be_deleted_while_they_are_paged(collection, api):
    """P-8."""
    made = await collection.make(12)
    deleted, query, more = [], {"limit": 5}, True

    while more:
        ids, more = await collection.page(**query)
        for id in ids:
            await api.delete(f"{collection.path}/{id}")
        deleted += ids
        query["after"] = ids[-1]

    assert deleted == made[::-1]
    assert await collection.page() == ([], False)
    assert await collection.page(after=deleted[3]) == ([], False)


async def test_what_is_made_meanwhile_moves_no_page(collection):
    made = await collection.make(4)
    first, _ = await collection.page(limit=2)

    new = await collection.make(3)

    assert await collection.page(limit=2, after=first[-1]) == ([made[1], made[0]], False)
    assert await collection.page(before=first[0]) == (new[::-1], False)


@pytest.mark.parametrize("name", ["after", "before"])
async def test_an_unknown_cursor_is_not_found(collection, name):
    """P-8."""
    await collection.make(1)
    prefix = {"assistant": "asst", "message": "msg"}[collection.noun]

    answer = await collection.api.get(collection.path, {name: f"{prefix}_nowhere"})

    assert answer.refusal == (404, None, None)
    assert answer.error["message"] == f"No {collection.noun} found with id '{prefix}_nowhere'."


async def test_one_unknown_cursor_of_two_is_not_found(collection):
    """P-8."""
    (known,) = await collection.make(1)
    unknown = known[:-1] + ("a" if known[-1] != "a" else "b")

    for query in ({"after": known, "before": unknown}, {"after": unknown, "before": known}):
        answer = await collection.api.get(collection.path, query)
        assert answer.error["message"] == f"No {collection.noun} found with id '{unknown}'."


@pytest.mark.parametrize("name", ["after", "before"])
async def test_a_cursor_of_another_kind_is_refused(collection, name):
    """P-8, E-42."""
    for value in ("", "x", "step_1", "asst", "MSG_1", "thread_1"):
        answer = await collection.api.get(collection.path, {name: value})

        assert answer.refusal == (400, "invalid_value", name), value


@pytest.mark.parametrize("name", ["after", "before"])
async def test_a_cursor_of_another_thread_is_not_found_nor_once_it_is_deleted(api, name):
    """P-8."""
    one, other = await api.created("/threads"), await api.created("/threads")
    hi = {"role": "user", "content": "hi"}
    there, deleted = [await api.created(f"/threads/{other['id']}/messages", hi) for _ in range(2)]
    await api.created(f"/threads/{one['id']}/messages", hi)
    await api.delete(f"/threads/{other['id']}/messages/{deleted['id']}")

    for cursor in (there, deleted):
        answer = await api.get(f"/threads/{one['id']}/messages", {name: cursor["id"]})
        assert answer.error["message"] == f"No message found with id '{cursor['id']}'."


async def test_a_limit_is_an_integer_from_1_to_100(collection):
    """P-4, E-34, E-46."""
    for limit, code in {
        "0": "integer_below_min_value",
        "-1": "integer_below_min_value",
        "101": "integer_above_max_value",
        "9" * 900: "integer_above_max_value",
        **dict.fromkeys(["abc", "", "1.5", "1e1", "+5", "٣", "null"], "invalid_type"),
    }.items():
        answer = await collection.api.get(collection.path, {"limit": limit})

        assert answer.refusal == (400, code, "limit"), limit


async def test_a_wrong_limit_is_told_in_words(api):
    """E-34, E-46."""
    above, word = await api.get("/assistants", "limit=101"), await api.get("/assistants", "limit=abc")

    assert above.error["message"] == (
        "Invalid 'limit': integer above maximum value. Expected a value <= 100, but got 101 instead."
    )
    assert word.error["message"] == "Invalid type for 'limit': expected an integer, but got a string instead."


async def test_an_order_is_asc_or_desc(collection):
    """P-15."""
    for order in ("up", "ASC", "Desc", "", "asc "):
        answer = await collection.api.get(collection.path, {"order": order})

        assert answer.refusal == (400, "invalid_value", "order")
        assert answer.error["message"] == f"Invalid value: '{order}'. Supported values are: 'asc' and 'desc'."


async def test_unknown_parameters_are_ignored_and_of_repeated_ones_the_last_counts(collection):
    """P-14."""
    made = await collection.make(3)

    unknown = "utm_source=x&limit[]=0&offset=2&=&&%FF=%FF&include[]=nonsense"
    repeated = f"limit=0&limit=2&order=up&order=asc&after=x&after={made[0]}"

    assert [i["id"] for i in (await collection.api.found(collection.path, unknown))["data"]] == made[::-1]
    assert [i["id"] for i in (await collection.api.found(collection.path, repeated))["data"]] == made[1:]


async def test_names_and_values_may_be_percent_encoded(collection):
    made = await collection.make(2)

    page = await collection.api.found(collection.path, f"%6Frder=%61sc&after={made[0].replace('_', '%5F')}")

    assert [item["id"] for item in page["data"]] == [made[1]]


async def test_the_official_client_iterates_over_all(client, api):
    """P-10."""
    made = [(await api.created("/assistants", {"model": "m"}))["id"] for _ in range(45)]

    with pytest.deprecated_call():
        assistants = client.beta.assistants.list(limit=20)

    assert [assistant.id async for assistant in assistants] == made[::-1]
