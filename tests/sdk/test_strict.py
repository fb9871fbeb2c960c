"""The strict check itself: that it sees what the SDK overlooks."""

import pydantic
import pytest
from openai.types.beta import Thread

from tests.sdk.strict import checked

GOOD = {"id": "thread_1", "object": "thread", "created_at": 1, "metadata": {}, "tool_resources": {}}


def test_what_is_as_declared_passes():
    assert checked(Thread.construct(**GOOD)).id == "thread_1"


@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        ({"colour": "red"}, r"\+thread.Thread.colour"),
        ({"tool_resources": {"file_search": {}}}, "-thread.ToolResourcesFileSearch.vector_store_ids"),
    ],
)
def test_a_missing_or_an_unknown_field_is_seen_at_any_depth(fault, seen):
    with pytest.raises(AssertionError, match=seen):
        checked(Thread.construct(**(GOOD | fault)))


@pytest.mark.parametrize("fault", [{"created_at": 1.5}, {"created_at": "1"}, {"object": "threads"}, {"id": None}])
def test_a_value_of_another_type_is_seen(fault):
    with pytest.raises(pydantic.ValidationError):
        checked(Thread.construct(**(GOOD | fault)))
