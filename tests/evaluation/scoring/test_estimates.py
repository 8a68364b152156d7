"""What a run's numbers are estimated with: rates, probabilities, medians, seconds of a video."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.scoring.duration import median, seconds_of
from evaluation.scoring.run_scores import BOOTSTRAP, WILSON, WILSON_SAMPLES, probability, rate_estimate
from stats.bootstrap import resampled_means
from stats.rates import interval


def test_the_interval_of_a_rate_fits_how_many_judgements_a_sample_has():
    once = rate_estimate(np.array([1, 0, 1]), np.array([1, 1, 1]), np.empty(0))
    assert (once.method, once.low, once.high) == (WILSON, *(round(edge, 9) for edge in interval(2, 3)))
    all_alike = rate_estimate(np.array([3, 3]), np.array([3, 3]), np.ones(10))
    assert (all_alike.method, all_alike.low) == (WILSON_SAMPLES, round(interval(2, 2)[0], 9))
    drawn = resampled_means(np.array([[3], [1]]), np.array([[3], [3]]))[:, 0]
    several = rate_estimate(np.array([3, 1]), np.array([3, 3]), drawn)
    assert (several.method, several.low, several.high) == (BOOTSTRAP, pytest.approx(1 / 3), 1.0)
    nothing = rate_estimate(np.array([0]), np.array([0]), np.empty(0))
    assert (nothing.value, nothing.low, nothing.high) == (None, 0, 1)


@settings(deadline=None)
@given(st.floats(-700, 700))
def test_probability_is_that_of_the_two_answers(log_odds):
    assert probability(np.array(log_odds)) == pytest.approx(1 / (1 + math.exp(-log_odds)), rel=1e-9, abs=1e-12)


def test_the_median_lies_between_order_statistics_by_the_binomial():
    """n = 10: P(at most 1 of 10 below the median) = 11/1024 each side, so the 2nd and the 9th value."""
    got = median(np.arange(1.0, 11))
    assert (got.value, got.low, got.high) == (5.5, 2, 9)
    few = median(np.array([3.0, 1, 2]))
    assert (few.value, few.low, few.high) == (2, 1, 3)
    assert "too few" in few.method


def test_seconds_leave_out_what_was_not_made_and_tell_the_vlm_s_share():
    seconds = np.array([[2.0], [4.0], [np.nan], [6.0]])
    got = seconds_of(seconds, np.array([[1.0], [1.0], [np.nan], [1.0]]))
    assert (got.videos, got.median.value, got.mean.value, got.vlm_share) == (3, 4, 4, 0.25)
    assert got.mean.low <= 4 <= got.mean.high
    assert seconds_of(np.full((2, 1), np.nan), np.zeros((2, 1))) is None
