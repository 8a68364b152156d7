"""Win rates: exact for single pairs, by whole samples for several."""

import math

import numpy as np
import pytest

from stats.wins import BOOTSTRAP, CLOPPER_PEARSON, clopper_pearson, wins


def test_the_papers_votes_have_its_p_value_and_the_exact_interval():
    """174 of 217: two-sided 7.0e-20; Clopper-Pearson 74.3 % from below."""
    found = wins(np.array([1.0] * 174 + [-1.0] * 43), [str(n) for n in range(217)])
    assert found.p_value == pytest.approx(7.03e-20, rel=1e-2)
    assert found.low == pytest.approx(0.743, abs=5e-4) and found.interval == CLOPPER_PEARSON


def test_ties_and_missing_values_are_left_out():
    found = wins(np.array([1.0, 0.0, -1.0, math.nan, 2.0]), list("abcde"))
    assert (found.won, found.lost, found.tied, found.share) == (2, 1, 1, pytest.approx(2 / 3))


def test_pairs_of_one_sample_count_as_one():
    """Ten pairs of each of four samples, all won: p is that of four coins."""
    found = wins(np.ones(40), [str(n % 4) for n in range(40)])
    assert found.p_value == pytest.approx(2 / 2**4)
    assert (found.low, found.high) == pytest.approx(clopper_pearson(4, 4))
    mixed = wins(np.array([1.0, 1, 1, -1, -1, 1]), list("aabbcc"))
    assert mixed.interval == BOOTSTRAP and mixed.low < mixed.share < mixed.high


def test_no_pairs_say_nothing():
    found = wins(np.array([]), [])
    assert math.isnan(found.share) and (found.low, found.high, found.p_value) == (0.0, 1.0, 1.0)
    with pytest.raises(ValueError, match="give a sample for each gain"):
        wins(np.ones(2), ["a"])
