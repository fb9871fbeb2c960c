"""The generated parts of the documents are what `make docs` would write."""

import pytest

from tools import docs


@pytest.mark.parametrize("path", docs.documents(), ids=lambda path: str(path.relative_to(docs.ROOT)))
def test_a_document_is_as_make_docs_writes_it(path):
    text = path.read_text(encoding="utf-8")

    assert docs.rendered(text) == text, "run `make docs`"


def test_every_part_stands_in_a_document():
    text = "".join(path.read_text(encoding="utf-8") for path in docs.documents())

    assert [name for name in docs.PARTS if f"<!-- generated: {name} -->" not in text] == []


def test_a_part_that_nobody_makes_is_refused():
    with pytest.raises(KeyError, match="weather"):
        docs.rendered("<!-- generated: weather -->\n<!-- end -->")


def test_making_a_part_twice_changes_nothing():
    once = docs.rendered("<!-- generated: events -->\n<!-- end -->\n")

    assert "thread.run.requires_action" in once
    assert docs.rendered(once) == once
