"""listAssistants. Contract: docs/behaviour.md, section 3; how it pages is in test_paging.py."""


async def test_an_empty_list_has_null_ids(api):
    """P-2."""
    page = await api.found("/assistants")

    assert page == {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}


async def test_items_are_what_get_assistant_returns_and_the_newest_comes_first(api):
    """P-1, P-3."""
    made = [await api.created("/assistants", {"model": "gpt-4o", "name": name}) for name in ("first", "second")]

    page = await api.found("/assistants")

    assert page == {
        "object": "list",
        "data": made[::-1],
        "first_id": made[1]["id"],
        "last_id": made[0]["id"],
        "has_more": False,
    }


async def test_a_change_is_seen_and_keeps_the_place(api):
    made = [await api.created("/assistants", {"model": "gpt-4o"}) for _ in range(3)]

    changed = await api.created(f"/assistants/{made[1]['id']}", {"name": "changed"})

    assert (await api.found("/assistants"))["data"] == [made[2], changed, made[0]]
