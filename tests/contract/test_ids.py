"""Identifiers. Rules I-1, I-2, I-3."""

import re

import pytest

from treadle.contract.ids import PREFIXES, has_prefix, new_id

BASE62 = {"assistant", "thread", "message", "run", "run_step", "tool_call", "file"}


@pytest.mark.parametrize("kind", sorted(BASE62))
def test_an_id_is_its_prefix_and_24_base62_characters(kind):
    assert re.fullmatch(PREFIXES[kind] + "[0-9A-Za-z]{24}", new_id(kind))


@pytest.mark.parametrize("kind", sorted(PREFIXES.keys() - BASE62))
def test_the_newer_kinds_have_32_hex_digits(kind):
    assert re.fullmatch(PREFIXES[kind] + "[0-9a-f]{32}", new_id(kind))


def test_only_files_use_a_hyphen():
    assert [prefix for prefix in PREFIXES.values() if prefix.endswith("-")] == ["file-"]
    assert all(prefix.endswith("_") for prefix in PREFIXES.values() if prefix != "file-")


def test_ids_do_not_repeat_and_use_the_whole_alphabet():
    made = [new_id("run") for _ in range(2000)]

    assert len(set(made)) == 2000
    assert len(set("".join(id.removeprefix("run_") for id in made))) == 62


def test_a_prefix_tells_kinds_apart_that_begin_alike():
    assert has_prefix("vector_store", "vs_1")
    assert not has_prefix("vector_store", "vsfb_1")
    assert not has_prefix("thread", "thread-1")
