"""Intervals and tests by closed forms, by known values, and by simulation."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stats.bootstrap import RESAMPLES, percentiles, resampled, resampled_means, spread, vary
from stats.paired import FLIPS, MCNEMAR, compare, flip_test, sign_test
from stats.rates import Rate, interval, mean_interval, paired_interval


def test_wilson_by_hand():
    """8 of 10 with z = 1.96: (0.8 + 0.19208) / 1.38416 -+ 1.96 / 1.38416 * sqrt(0.016 + 0.009604)."""
    half = 1.96 / 1.38416 * math.sqrt(0.016 + 0.009604)
    assert interval(8, 10) == pytest.approx(
        ((0.8 + 0.19208) / 1.38416 - half, (0.8 + 0.19208) / 1.38416 + half), abs=1e-4
    )


@settings(deadline=None)
@given(st.integers(1, 300), st.data())
def test_wilson_grows_with_successes_narrows_with_n_and_is_symmetric(n, data):
    successes = data.draw(st.integers(0, n))
    low, high = interval(successes, n)
    assert interval(n - successes, n) == pytest.approx((1 - high, 1 - low), abs=1e-12)
    if successes < n:
        assert interval(successes + 1, n) > (low, high)
    wide = interval(4 * successes, 4 * n)
    assert wide[1] - wide[0] < high - low


@pytest.mark.parametrize(
    "better, worse, pairs, low, high",
    [
        # Fagerland, Lydersen and Laake 2014 (Statistics in Medicine 33) and their R package contingencytables.
        (6, 16, 161, -0.1240, -0.0054),
        (1, 7, 21, -0.517, -0.026),
        # In closed form, with z2 = 3.8415: no pair differs, +- z2 / (n + z2); all do, (n - z2) / (n + z2) to 1.
        (0, 0, 12, -0.2425, 0.2425),
        (12, 0, 12, 0.5150, 1),
        (0, 12, 12, -1, -0.5150),
        (0, 0, 0, -1, 1),
    ],
)
def test_tangos_interval_has_its_published_values_and_its_closed_forms(better, worse, pairs, low, high):
    assert paired_interval(better, worse, pairs) == pytest.approx((low, high), abs=5e-5 if pairs != 21 else 5e-4)


@settings(deadline=None)
@given(st.floats(0, 1), st.floats(0, 1), st.integers(1, 300))
def test_tangos_interval_holds_the_gain_and_turns_with_the_runs(one, other, pairs):
    better, worse = pairs * min(one, other), pairs * (1 - max(one, other))
    low, high = paired_interval(better, worse, pairs)
    assert -1 <= low <= (better - worse) / pairs + 1e-12 and (better - worse) / pairs <= high + 1e-12 and high <= 1
    assert paired_interval(worse, better, pairs) == pytest.approx((-high, -low), abs=1e-6)
    with pytest.raises(ValueError, match="their sum must be from 0 to the pairs"):
        paired_interval(pairs, 1, pairs)


def test_a_mean_within_bounds_has_at_most_a_share_s_spread():
    assert mean_interval(0.25, 12) == interval(3, 12)
    assert mean_interval(0.5, 0) == (0, 1)


def test_numbers_that_are_alike_have_no_bootstrap_interval():
    alike = np.array([0.3, 0.1 + 0.2, np.nan])  # two sums of one number
    assert not vary(alike) and not vary(np.array([np.nan])) and vary(np.array([0.3, 0.4]))
    assert np.isnan(spread(alike)).all() and spread(np.array([1.0, 2.0])) == percentiles(np.array([1.0, 2.0]))


def test_failures_are_left_out_of_the_share_and_counted_beside_it():
    rate = Rate(134, 194, 6)
    assert (rate.share, rate.failure_rate) == (134 / 194, 6 / 200)
    for counts in ((3, 2, 0), (-1, 2, 0), (1, 2, -1)):
        with pytest.raises(ValueError, match=r"successes must be from 0 to valid|cannot be below 0"):
            Rate(*counts)


def test_mcnemar_by_hand():
    """10 pairs differ, 9 one way: 2 * (C(10, 0) + C(10, 1)) / 2^10."""
    assert sign_test(9, 1) == pytest.approx(22 / 1024)


@settings(deadline=None)
@given(st.lists(st.integers(-3, 3), max_size=9))
def test_the_flip_test_counts_every_sign_pattern(differences):
    seen = abs(sum(differences))
    sums = [abs(sum(s * d for s, d in zip(signs, differences, strict=True)))
            for signs in itertools.product((-1, 1), repeat=len(differences))]  # fmt: skip
    assert flip_test(np.array(differences, int)) == pytest.approx(np.mean([one >= seen for one in sums]))


@settings(deadline=None)
@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60))
def test_with_one_pair_a_sample_the_flip_test_is_mcnemar_s(better, worse, same):
    differences = np.r_[np.ones(better), -np.ones(worse), np.zeros(same)].astype(int)
    assert flip_test(differences) == pytest.approx(sign_test(better, worse), rel=1e-9)


def test_seeds_that_repeat_each_other_add_no_evidence():
    """Five copies of each answer: the test and the interval stay those of one, where McNemar on videos would not."""
    rng = np.random.default_rng(0)
    ours, theirs = rng.normal(0.3, 1, 60), rng.normal(0, 1, 60)
    once = compare(ours, theirs)
    copied = compare(np.repeat(ours[:, None], 5, 1), np.repeat(theirs[:, None], 5, 1))
    assert (copied.gain, copied.low, copied.high) == pytest.approx((once.gain, once.low, once.high))
    assert copied.p_value == pytest.approx(once.p_value)
    assert (once.test, copied.test) == (MCNEMAR, FLIPS)
    assert (copied.pairs, copied.samples) == (300, 60)
    assert sign_test(copied.better, copied.worse) < once.p_value / 3


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3))
def test_order_of_seeds_and_direction_do_not_matter(seed, seeds):
    rng = np.random.default_rng(seed)
    ours, theirs = rng.normal(0, 1, (2, 25, seeds))
    ours[0, 0] = np.nan
    got = compare(ours, theirs)
    assert got.low <= got.gain <= got.high
    swapped = rng.permutation(seeds)
    assert compare(ours[:, swapped], theirs[:, swapped]) == got
    back = compare(theirs, ours)
    assert (back.gain, back.p_value) == (-got.gain, got.p_value)
    assert (back.low, back.high) == pytest.approx((-got.high, -got.low), abs=1e-12)


def test_resampled_sums_are_those_of_samples_drawn_with_replacement():
    rng = np.random.default_rng(3)
    columns = np.stack([np.ones(40), rng.normal(2, 3, 40)], axis=1)
    sums = resampled(columns)
    assert sums.shape == (RESAMPLES, 2)
    assert (sums[:, 0] == 40).all()
    assert sums[:, 1].mean() == pytest.approx(
        columns[:, 1].sum(), abs=4 * columns[:, 1].std() * math.sqrt(40 / RESAMPLES)
    )
    assert sums[:, 1].std() == pytest.approx(columns[:, 1].std() * math.sqrt(40), rel=0.03)
    assert (resampled(columns) == sums).all()
    assert not (resampled(columns, seed=1) == sums).all()
    both = resampled(np.stack([columns[:, 1], np.full(40, 0.5), columns[:, 1], 2 * columns[:, 1]], axis=1))
    assert both == pytest.approx(np.stack([sums[:, 1], np.full(RESAMPLES, 20), sums[:, 1], 2 * sums[:, 1]], axis=1))
    with pytest.raises(ValueError, match="no samples"):
        resampled(np.empty((0, 2)))


def test_large_benchmarks_are_drawn_in_blocks_without_being_kept():
    values = np.random.default_rng(0).normal(size=(6000, 1))
    assert resampled(values).std() == pytest.approx(values.std() * math.sqrt(6000), rel=0.03)


def test_bootstrap_intervals_cover_the_truth_about_95_times_in_100():
    """40 samples of 3 seeds whose tasks differ in difficulty; seen as 120 videos, the interval would be too narrow."""
    rng = np.random.default_rng(7)
    held, naive, runs = 0, 0, 400
    for _ in range(runs):
        easy = rng.beta(0.5, 0.5, (40, 1))
        wins = (rng.random((40, 3)) < easy).sum(axis=1)
        low, high = percentiles(resampled_means(wins[:, None], np.full((40, 1), 3))[:, 0])
        held += low <= 0.5 <= high
        low, high = interval(int(wins.sum()), 120)
        naive += low <= 0.5 <= high
    assert 0.91 <= held / runs <= 0.98
    assert naive / runs < 0.88
