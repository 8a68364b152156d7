"""Tasks and seeds depend on the step alone: every pair once an epoch, whole groups for each process."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.video.seeds import seed_of
from training.methods.tasks import share_of_rank, tasks_of_step

STEPS = st.integers(1, 50)


@settings(deadline=None)
@given(st.integers(0, 9), st.integers(1, 12), st.integers(1, 25), st.integers(1, 4))
def test_every_pair_comes_once_an_epoch(seed: int, count: int, pairs: int, epochs: int):
    steps = -(-epochs * pairs // count)
    drawn = [i for step in range(1, steps + 1) for i in tasks_of_step(seed, step, count, pairs)]
    assert len(drawn) == steps * count
    for epoch in range(epochs):
        assert sorted(drawn[epoch * pairs : (epoch + 1) * pairs]) == list(range(pairs))


@settings(deadline=None)
@given(st.integers(0, 9), STEPS, st.integers(1, 12), st.integers(1, 25))
def test_a_step_is_the_same_whenever_it_is_asked_for(seed: int, step: int, count: int, pairs: int):
    assert tasks_of_step(seed, step, count, pairs) == tasks_of_step(seed, step, count, pairs)


@settings(deadline=None)
@given(st.integers(0, 9), STEPS, st.integers(1, 6), st.integers(7, 25))
def test_the_count_a_step_only_cuts_the_same_order(seed: int, step: int, count: int, pairs: int):
    singles = [tasks_of_step(seed, (step - 1) * count + i + 1, 1, pairs)[0] for i in range(count)]
    assert tasks_of_step(seed, step, count, pairs) == singles


def test_epochs_and_seeds_have_orders_of_their_own():
    first, second = tasks_of_step(0, 1, 50, 50), tasks_of_step(0, 2, 50, 50)
    assert first != second and first != tasks_of_step(1, 1, 50, 50) and first != list(range(50))


def test_the_order_is_pinned():
    """Another order would silently change every run that is resumed."""
    assert tasks_of_step(0, 1, 6, 6) + tasks_of_step(0, 2, 3, 6) == [2, 4, 5, 0, 1, 3, 0, 1, 3]
    assert seed_of(0, "epoch", 0) == 7216537816099858965


def test_more_tasks_than_pairs_take_whole_epochs():
    assert sorted(tasks_of_step(3, 1, 6, 2)) == [0, 0, 0, 1, 1, 1]


def test_no_pairs_is_an_error():
    with pytest.raises(ValueError, match="0 task-solution pairs"):
        tasks_of_step(0, 1, 4, 0)


@settings(deadline=None)
@given(st.integers(1, 8), st.integers(1, 8))
def test_processes_share_whole_groups_without_gap(each: int, world: int):
    shares = [list(share_of_rank(each * world, rank, world)) for rank in range(world)]
    assert [place for share in shares for place in share] == list(range(each * world))
    assert {len(share) for share in shares} == {each}


def test_tasks_that_cannot_be_shared_are_refused():
    with pytest.raises(ValueError, match=r"rollout\.tasks 5 do not divide among 2 processes"):
        share_of_rank(5, 0, 2)


PARTS = st.lists(st.integers(-5, 5) | st.sampled_from(["a", "b", "epoch"]), min_size=1, max_size=4)


@pytest.mark.slow
@settings(deadline=None)
@given(PARTS, PARTS)
def test_seeds_fit_63_bits_and_differ_where_their_parts_do(left, right):
    assert 0 <= seed_of(*left) < 2**63
    assert (seed_of(*left) == seed_of(*right)) == (left == right)
