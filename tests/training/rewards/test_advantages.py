"""Claims about advantages: who is compared with whom, what failures and ties do, and how rewards are summed."""

import json
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from training.options.rewards import RewardOptions
from training.rewards.advantages import (
    RewardNormaliser,
    combine,
    group_advantages,
    group_spread,
    weighted,
)
from training.rewards.selection import best_and_worst


def doubles(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def all_valid(rewards: torch.Tensor) -> torch.Tensor:
    return torch.ones(len(rewards), dtype=torch.bool)


def test_group_advantages_by_number():
    """Rewards 0, 1, 2, 5 have mean 2 and population std sqrt(3.5); clip 5 divides by 5."""
    rewards, groups = doubles(0, 1, 2, 5), torch.zeros(4, dtype=torch.int64)
    got = group_advantages(rewards, groups, all_valid(rewards))
    torch.testing.assert_close(got.values, (doubles(-2, -1, 0, 3) / (3.5**0.5 + 1e-4) / 5).float())
    assert got.values.dtype == torch.float32
    assert (got.zero_variance, got.empty) == (0, 0)


def test_global_std_is_that_of_all_valid_rewards_and_the_mean_stays_the_groups():
    rewards, groups = doubles(0, 2, 10, 16), torch.tensor([4, 4, 9, 9])
    got = group_advantages(rewards, groups, all_valid(rewards), std_scope="global", scale=5.0)
    std = doubles(0, 2, 10, 16).std(correction=0)
    torch.testing.assert_close(got.values, (doubles(-1, 1, -3, 3) / (std + 1e-4)).float())


def test_failures_are_no_part_of_the_global_std():
    """Counted as zeros they would widen it."""
    rewards, groups = doubles(8, 10, float("nan"), 12, 14, float("nan")), torch.tensor([0, 0, 0, 1, 1, 1])
    valid = torch.isfinite(rewards)
    got = group_advantages(rewards, groups, valid, std_scope="global")
    assert torch.equal(
        got.values[valid], group_advantages(rewards[valid], groups[valid], valid[valid], std_scope="global").values
    )


def test_clip_and_scale():
    """One winner among 101 has z = 10: clipped to 2, divided by 2, times 3."""
    rewards = doubles(*[0.0] * 100, 1.0)
    got = group_advantages(rewards, torch.zeros(101, dtype=torch.int64), all_valid(rewards), clip=2.0, scale=3.0)
    assert got.values[-1].item() == 3.0
    assert got.values[0].item() == pytest.approx(-0.1 / 2 * 3, rel=2e-3)


def test_a_failed_judgement_counts_in_no_mean_and_no_std():
    groups = torch.zeros(5, dtype=torch.int64)
    valid = torch.tensor([True, True, False, True, True])
    got = group_advantages(doubles(0, 1, float("nan"), 2, 5), groups, valid)
    alone = group_advantages(doubles(0, 1, 2, 5), groups[:4], all_valid(groups[:4]))
    assert torch.equal(got.values[valid], alone.values)
    assert got.values[2] == 0


def test_ties_and_lonely_members_are_skipped_and_counted():
    rewards = doubles(1, 1, 1, 0, 2, 3, float("nan"), float("nan"))
    groups = torch.tensor([0, 0, 0, 1, 1, 2, 2, 3])
    valid = torch.isfinite(rewards)
    got = group_advantages(rewards, groups, valid)
    assert (got.values != 0).tolist() == [False] * 3 + [True] * 2 + [False] * 3
    assert got.zero_variance == 2  # group 0 is all alike, group 2 has one valid member
    assert got.empty == 1


def test_a_step_with_nothing_valid_has_no_advantages():
    for scope in ("group", "global"):
        got = group_advantages(
            doubles(float("nan"), float("nan")), torch.tensor([0, 1]), torch.zeros(2, dtype=torch.bool), std_scope=scope
        )
        assert not got.values.any()
        assert (got.empty, got.zero_variance) == (2, 0)


def test_equal_large_rewards_are_a_tie_in_spite_of_rounding():
    rewards = torch.full((24,), 1e6 / 3, dtype=torch.float64)
    assert group_advantages(rewards, torch.zeros(24, dtype=torch.int64), all_valid(rewards)).zero_variance == 1


def test_groups_that_share_a_task_text_do_not_merge():
    """Two images with one task text are two ids: each group is normalised by itself."""
    rewards = doubles(0, 1, 10, 11)
    got = group_advantages(rewards, torch.tensor([0, 0, 1, 1]), all_valid(rewards))
    torch.testing.assert_close(got.values[:2], got.values[2:])
    assert got.values[0] < 0 < got.values[1]


def test_what_is_wrong_with_the_arguments_is_said():
    groups = torch.zeros(2, dtype=torch.int64)
    with pytest.raises(ValueError, match=r"rewards \[1\] are valid but not finite"):
        group_advantages(doubles(0, float("inf")), groups, all_valid(groups))
    with pytest.raises(ValueError, match="the same length"):
        group_advantages(doubles(0, 1, 2), groups, all_valid(groups))
    with pytest.raises(ValidationError, match="'batch'"):
        RewardOptions(std_scope="batch")
    with pytest.raises(ValidationError, match=r"clip\n.*greater than 0"):
        RewardOptions(clip=0)


def test_the_spread_of_a_reward_is_its_mean_std_within_groups():
    """0 and 4 have std 2, 10, 10 and 13 have sqrt(2); what failed, and a group of one, tell nothing apart."""
    rewards, groups = doubles(0, 4, float("nan"), 10, 10, 13, 99), torch.tensor([0, 0, 0, 1, 1, 1, 2])
    valid = torch.isfinite(rewards)
    assert group_spread(rewards, groups, valid) == pytest.approx((2 + 2**0.5) / 2, rel=1e-12)
    assert group_spread(rewards + 50.0 * groups, groups, valid) == pytest.approx((2 + 2**0.5) / 2, rel=1e-12)
    assert math.isnan(group_spread(rewards[-1:], groups[-1:], valid[-1:]))


@st.composite
def judged(draw):
    """Rewards on a coarse grid (so that ties happen), scattered group ids, and failures."""
    n = draw(st.integers(1, 40))
    rewards = draw(st.lists(st.integers(-40, 40).map(lambda k: k / 4), min_size=n, max_size=n))
    groups = draw(st.lists(st.sampled_from([-7, 0, 3, 2**40]), min_size=n, max_size=n))
    valid = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    return doubles(*rewards), torch.tensor(groups), torch.tensor(valid)


@given(judged())
def test_each_group_sums_to_zero_and_keeps_the_rewards_order(step):
    rewards, groups, valid = step
    got = group_advantages(rewards, groups, valid, clip=100.0, scale=100.0)  # 40 members never reach z = 100
    for group in groups.unique():
        of = (groups == group) & valid
        assert abs(got.values[of].double().sum().item()) < 1e-4
        assert torch.equal(rewards[of].argsort(stable=True), got.values[of].argsort(stable=True))


@pytest.mark.slow
@given(judged(), st.randoms(use_true_random=False))
def test_order_in_the_batch_does_not_matter(step, random):
    rewards, groups, valid = step
    order = list(range(len(rewards)))
    random.shuffle(order)
    straight = group_advantages(rewards, groups, valid)
    shuffled = group_advantages(rewards[order], groups[order], valid[order])
    torch.testing.assert_close(shuffled.values, straight.values[order], rtol=0, atol=1e-7)
    assert (shuffled.zero_variance, shuffled.empty) == (straight.zero_variance, straight.empty)


@pytest.mark.slow
@given(judged(), st.floats(1e3, 1e6))
def test_what_a_failed_judgement_holds_does_not_matter(step, garbage):
    rewards, groups, valid = step
    spoilt = torch.where(valid, rewards, garbage)
    for scope in ("group", "global"):
        straight = group_advantages(rewards, groups, valid, std_scope=scope)
        assert torch.equal(group_advantages(spoilt, groups, valid, std_scope=scope).values, straight.values)


@given(judged(), st.floats(0.5, 4), st.floats(-100, 100))
def test_a_judges_scale_and_offset_do_not_matter(step, factor, offset):
    rewards, groups, valid = step
    straight = group_advantages(rewards, groups, valid, eps=0.0)
    moved = group_advantages(rewards * factor + offset, groups, valid, eps=0.0)
    torch.testing.assert_close(moved.values, straight.values, rtol=0, atol=1e-5)
    assert moved.zero_variance == straight.zero_variance


@given(judged(), st.integers(0, 2**30))
def test_each_group_is_what_it_is_alone(step, shift):
    rewards, groups, valid = step
    together = group_advantages(rewards, groups + shift, valid)
    for group in groups.unique():
        of = groups == group
        alone = group_advantages(rewards[of], groups[of], valid[of])
        torch.testing.assert_close(together.values[of], alone.values, rtol=0, atol=1e-7)


def test_combine_is_the_weighted_sum():
    rewards = {"task": doubles(1, 2), "consistency": doubles(-1, 4), "agent": doubles(7, 7)}
    terms = weighted(rewards, {"task": 1.0, "consistency": 0.5, "agent": 0.0})
    assert {name: term.tolist() for name, term in terms.items()} == {"consistency": [-0.5, 2.0], "task": [1.0, 2.0]}
    total = combine(terms)
    assert total.tolist() == [0.5, 4.0]
    assert total.dtype == torch.float64


def test_a_failure_shows_in_the_sum_unless_its_weight_is_zero():
    rewards = {"task": doubles(1, float("nan")), "agent": doubles(float("nan"), 1)}
    assert torch.isnan(combine(weighted(rewards, {"task": 1.0, "agent": 0.0}))).tolist() == [False, True]
    assert torch.isnan(combine(weighted(rewards, {"task": 1.0, "agent": 0.1}))).tolist() == [True, True]


def test_a_misspelt_reward_is_an_error():
    with pytest.raises(ValidationError, match="tsak"):
        RewardOptions(tsak=1.0)
    with pytest.raises(KeyError, match="tsak"):
        weighted({"task": doubles(1)}, {"tsak": 1.0})


@given(st.lists(st.lists(st.floats(-1e3, 1e3), max_size=6), min_size=1, max_size=8))
def test_the_running_std_is_that_of_all_values_seen(batches):
    normaliser = RewardNormaliser()
    for batch in batches:
        normaliser.update({"task": doubles(*batch, float("nan"))})
    values = [value for batch in batches for value in batch]
    std = doubles(*values).std(correction=0).item() if len(values) > 1 else 0.0
    if abs(std - 1e-6) > 1e-9:
        assert normaliser.std("task") == pytest.approx(std if std > 1e-6 else 1.0, rel=1e-7, abs=1e-9)


def test_normalised_rewards_count_by_their_weights_whatever_their_scale():
    rewards = {"task": doubles(-3, 3), "distill": doubles(-0.01, 0.01)}
    normaliser = RewardNormaliser()
    normaliser.update(rewards)
    total = combine(weighted(rewards, {"task": 1.0, "distill": 0.5}, normaliser=normaliser))
    torch.testing.assert_close(total, doubles(-1.5, 1.5))
    assert rewards["task"].tolist() == [-3, 3]


def test_the_normaliser_survives_a_checkpoint_to_the_bit():
    normaliser = RewardNormaliser()
    normaliser.update({"task": doubles(0.1, 0.7, 1 / 3), "distill": doubles(-1e-9, 2e5)})
    stored = json.loads(json.dumps(normaliser.state_dict()))
    resumed = RewardNormaliser()
    resumed.load_state_dict(stored)
    assert resumed == normaliser
    for each in (normaliser, resumed):
        each.update({"task": doubles(5)})
    assert resumed.std("task") == normaliser.std("task")


def test_a_foreign_normaliser_state_is_refused():
    with pytest.raises(KeyError, match="count"):
        RewardNormaliser().load_state_dict({"task": {"mean": 0, "var": 1}})


# -- best and worst ----------------------------------------------------------------------------------------------------


def test_only_the_best_and_the_worst_of_each_group_keep_their_advantage():
    rewards = doubles(3, 1, 2, 0, 9, 9, 9, 1)
    groups = torch.tensor([0, 0, 0, 0, 5, 5, 5, 5])
    advantages = group_advantages(rewards, groups, all_valid(rewards)).values
    kept = best_and_worst(advantages, rewards, groups, all_valid(rewards), 1, 2)
    assert (kept != 0).tolist() == [True, True, False, True, True, False, True, True]
    assert torch.equal(kept[kept != 0], advantages[kept != 0]), "the z-scores are those of the whole group"
    assert best_and_worst(advantages, rewards, groups, all_valid(rewards), 0, 0) is advantages


def test_choosing_passes_over_failed_rollouts_and_keeps_a_small_group_whole():
    rewards = doubles(float("nan"), 1, 2, 3, 5)
    groups, valid = torch.tensor([0, 0, 0, 0, 1]), torch.isfinite(rewards)
    ones = torch.ones(5)
    assert best_and_worst(ones, rewards, groups, valid, 1, 1).tolist() == [0, 1, 0, 1, 1]
    assert best_and_worst(ones, rewards, groups, valid, 5, 5).tolist() == [0, 1, 1, 1, 1]
    assert best_and_worst(ones, rewards, groups, valid, 0, 2).tolist() == [0, 1, 1, 0, 1]
