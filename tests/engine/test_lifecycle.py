"""The table of statuses, and what follows from it. Contract: docs/behaviour.md, section 5.1."""

import itertools

import msgspec
import pytest

from tests.engine.objects import a_row, a_run
from treadle.contract.runs import ACTIVE, RequiredAction, RequiredToolOutputs
from treadle.contract.runs import RunStatus as S
from treadle.engine import lifecycle
from treadle.engine.feed import Feed
from treadle.store import Batch

LEGAL = {
    (S.QUEUED, S.IN_PROGRESS),
    (S.QUEUED, S.CANCELLING),
    (S.QUEUED, S.FAILED),
    (S.QUEUED, S.EXPIRED),
    (S.IN_PROGRESS, S.REQUIRES_ACTION),
    (S.IN_PROGRESS, S.CANCELLING),
    (S.IN_PROGRESS, S.COMPLETED),
    (S.IN_PROGRESS, S.INCOMPLETE),
    (S.IN_PROGRESS, S.FAILED),
    (S.IN_PROGRESS, S.EXPIRED),
    (S.REQUIRES_ACTION, S.QUEUED),
    (S.REQUIRES_ACTION, S.CANCELLING),
    (S.REQUIRES_ACTION, S.EXPIRED),
    (S.CANCELLING, S.CANCELLED),
}
TERMINAL = {S.CANCELLED, S.FAILED, S.COMPLETED, S.INCOMPLETE, S.EXPIRED}
PAIRS = list(itertools.product(S, S))


def moved(before: S, to: S, **changes):
    """The row after the move, and the run's feed once the move is durable."""
    batch, feed = Batch(), Feed(1)
    row = lifecycle.move(batch, a_row(a_run(before), lease_owner="worker_1"), to, feed, now=1234, **changes)
    for function, args in batch.afterwards:
        function(*args)
    return row, feed


@pytest.mark.parametrize(("before", "to"), [pair for pair in PAIRS if pair in LEGAL])
def test_a_legal_move_changes_status_and_version_and_says_so(before, to):
    row, feed = moved(before, to)

    assert (row.run.status, row.version) == (to, 2)
    [event], _ = feed.take(0)
    assert event == b"event: thread.run.%b\ndata: %b\n\n" % (to.encode(), msgspec.json.encode(row.run))


@pytest.mark.parametrize(("before", "to"), [pair for pair in PAIRS if pair not in LEGAL])
def test_any_other_move_is_refused_and_names_the_present_status(before, to):
    batch = Batch()

    with pytest.raises(lifecycle.IllegalMove) as refused:
        lifecycle.move(batch, a_row(a_run(before)), to, Feed(1), now=1234)

    assert refused.value.status is before
    assert (batch.entries, batch.afterwards) == ([], [])


def test_r_1_the_statuses_that_nothing_follows_are_the_terminal_ones():
    assert lifecycle.TERMINAL == TERMINAL == set(S) - ACTIVE


def test_w_10_a_leg_ends_with_a_terminal_status_or_with_requires_action():
    assert TERMINAL | {S.REQUIRES_ACTION} == lifecycle.ENDS_LEG


def test_q_2_every_status_leads_to_a_terminal_one():
    for status in S:
        reached = {status}
        while (more := reached | {after for one in reached for after in lifecycle.NEXT[one]}) != reached:
            reached = more
        assert reached & TERMINAL


@pytest.mark.parametrize(
    ("before", "to", "field"),
    [
        (S.QUEUED, S.IN_PROGRESS, "started_at"),
        (S.IN_PROGRESS, S.COMPLETED, "completed_at"),
        (S.IN_PROGRESS, S.INCOMPLETE, "completed_at"),
        (S.IN_PROGRESS, S.FAILED, "failed_at"),
        (S.CANCELLING, S.CANCELLED, "cancelled_at"),
        (S.IN_PROGRESS, S.EXPIRED, None),
        (S.IN_PROGRESS, S.CANCELLING, None),
        (S.IN_PROGRESS, S.REQUIRES_ACTION, None),
        (S.REQUIRES_ACTION, S.QUEUED, None),
    ],
)
def test_r_3_and_r_5_each_status_sets_its_own_time_only(before, to, field):
    row, _ = moved(before, to)

    times = {name: getattr(row.run, name) for name in ("started_at", "completed_at", "failed_at", "cancelled_at")}
    assert {name for name, time in times.items() if time is not None} == ({field} if field else set())
    assert field is None or times[field] == 1234


@pytest.mark.parametrize(("before", "to"), sorted(LEGAL))
def test_r_4_a_run_expires_until_it_is_over(before, to):
    row, _ = moved(before, to)

    is_over = to in TERMINAL
    assert (row.run.expires_at, row.due_at) == ((None, None) if is_over else (1600, 1600))


@pytest.mark.parametrize(("before", "to"), sorted(LEGAL))
def test_the_lease_ends_with_the_leg_and_then_its_holder_can_write_nothing_more(before, to):
    row, _ = moved(before, to)

    assert (row.lease_owner, row.fence) == ((None, 1) if to in lifecycle.ENDS_LEG else ("worker_1", 0))


@pytest.mark.parametrize(("before", "to"), sorted(LEGAL))
def test_w_9_a_run_that_nobody_holds_changes_hands_with_its_move(before, to):
    row = lifecycle.move(Batch(), a_row(a_run(before), fence=4), to, Feed(1), now=1)

    assert row.fence == 5


@pytest.mark.parametrize(("before", "to"), sorted(LEGAL))
def test_r_40_required_action_is_null_in_every_status_but_its_own(before, to):
    required = RequiredAction(submit_tool_outputs=RequiredToolOutputs(tool_calls=[]))
    waits = to is S.REQUIRES_ACTION
    row = a_row(a_run(before, required_action=None if waits else required))

    after = lifecycle.move(Batch(), row, to, Feed(1), now=1, **({"required_action": required} if waits else {}))

    assert after.run.required_action == (required if waits else None)


def test_changes_go_to_the_run_or_to_its_row():
    row, _ = moved(S.REQUIRES_ACTION, S.QUEUED, metadata={"a": "b"}, turn=3, takeovers=0)

    assert (row.run.metadata, row.turn, row.takeovers) == ({"a": "b"}, 3, 0)


def test_r_2_a_claimed_run_goes_into_progress_under_a_new_fence():
    batch, feed = Batch(), Feed(1)

    row = lifecycle.claim(batch, a_row(fence=4), "worker_1", feed, now=1234)

    assert (row.run.status, row.run.started_at) == (S.IN_PROGRESS, 1234)
    assert (row.fence, row.lease_owner, row.takeovers) == (5, "worker_1", 0)


def test_r_9_a_takeover_is_counted_and_is_no_move():
    batch, feed = Batch(), Feed(1)

    row = lifecycle.claim(batch, a_row(a_run(S.IN_PROGRESS, started_at=1001)), "worker_2", feed, now=1234)

    assert (row.run.status, row.run.started_at) == (S.IN_PROGRESS, 1001)
    assert (row.fence, row.lease_owner, row.takeovers) == (1, "worker_2", 1)
    assert batch.afterwards == []


def test_a_run_given_back_in_good_order_does_not_count_as_taken_over():
    taken = a_row(a_run(S.IN_PROGRESS), lease_owner="worker_1", takeovers=2)

    released = lifecycle.release(Batch(), taken)
    again = lifecycle.claim(Batch(), released, "worker_2", Feed(1), now=1234)

    assert released.lease_owner is None
    assert again.takeovers == 2


@pytest.mark.parametrize("status", S)
def test_r_36_metadata_may_change_in_every_status(status):
    row = a_row(a_run(status), lease_owner="worker_1", fence=3)

    modified = lifecycle.modify(Batch(), row, {"a": "b"})

    assert modified == msgspec.structs.replace(
        row, run=msgspec.structs.replace(row.run, metadata={"a": "b"}), version=2
    )
