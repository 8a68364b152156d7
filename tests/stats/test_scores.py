"""Scores by number: intervals and tests against published and independently computed values."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.scoring.score_table import ScoreTable
from stats.paired import compare, sign_test
from stats.rates import Rate, interval, rate
from stats.scores import score


# The paper's DreamGen counts; the intervals were computed apart from this code.
@pytest.mark.parametrize(
    "successes, n, low, high",
    [
        (35, 50, 56.2, 80.9),
        (31, 50, 48.2, 74.1),
        (27, 47, 43.3, 70.5),
        (29, 47, 47.4, 74.2),
        (17, 29, 40.7, 74.5),
        (19, 29, 47.3, 80.1),
        (0, 10, 0.0, 27.8),
        (10, 10, 72.2, 100.0),
    ],
)
def test_wilson_intervals_have_their_known_values(successes, n, low, high):
    assert [100 * edge for edge in interval(successes, n)] == pytest.approx([low, high], abs=0.06)


def test_wilson_and_sign_test_agree_with_scipy():
    stats = pytest.importorskip("scipy.stats")
    for successes, n in ((0, 1), (3, 7), (57, 200), (121, 200), (200, 200)):
        theirs = stats.binomtest(successes, n).proportion_ci(method="wilson")
        assert interval(successes, n) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
        assert sign_test(successes, n - successes) == pytest.approx(stats.binomtest(successes, n).pvalue, rel=1e-9)


@settings(deadline=None)
@given(st.integers(0, 400), st.integers(0, 400))
def test_an_interval_holds_its_share_and_stays_within_zero_and_one(a, b):
    successes, n = min(a, b), max(a, b)
    low, high = interval(successes, n)
    assert 0 <= low <= high <= 1
    if n:
        assert low <= successes / n <= high


def test_impossible_counts_are_refused():
    with pytest.raises(ValueError, match="3 successes of 2"):
        interval(3, 2)


def test_success_is_above_zero_and_failures_leave_the_denominator():
    got = rate(np.array([2.0, 0.0, -1.0, np.nan, 0.1]))
    assert got == Rate(2, 4, 1)
    assert got.share == 0.5
    assert math.isnan(rate(np.array([np.nan])).share)


def test_the_sign_test_has_its_textbook_values():
    assert sign_test(0, 0) == 1.0
    assert sign_test(5, 0) == pytest.approx(0.0625)
    assert sign_test(9, 1) == pytest.approx(22 / 1024)
    assert sign_test(1, 9) == sign_test(9, 1)
    assert sign_test(2000, 1000) < 1e-50


def test_a_comparison_counts_pairs_judged_for_both():
    ours = np.array([1.0] * 30 + [-1.0] * 5 + [1.0] * 10 + [np.nan, 1.0])
    theirs = np.array([-1.0] * 30 + [1.0] * 5 + [1.0] * 10 + [1.0, np.nan])
    got = compare(ours, theirs)
    assert (got.pairs, got.better, got.worse) == (45, 30, 5)
    assert got.gain == pytest.approx(25 / 45)
    assert 0.3 < got.low < got.gain < got.high < 0.8
    assert got.p_value == sign_test(30, 5) < 0.001
    back = compare(theirs, ours)
    assert (back.gain, back.p_value) == (-got.gain, got.p_value)


def test_the_bootstrap_interval_of_a_gain_is_that_of_resampled_pairs():
    rng = np.random.default_rng(0)
    ours, theirs = rng.normal(0.5, 1, 200), rng.normal(0, 1, 200)
    difference = (ours > 0).astype(float) - (theirs > 0)
    means = [difference[rng.integers(0, 200, 200)].mean() for _ in range(4000)]
    got = compare(ours, theirs)
    assert [got.low, got.high] == pytest.approx(np.percentile(means, [2.5, 97.5]), abs=0.011)


def test_no_difference_is_no_gain_and_few_pairs_do_not_make_that_certain():
    same = np.array([1.0, -1.0, 2.0])
    got = compare(same, same)
    assert (got.gain, got.p_value) == (0, 1)
    assert (got.low, got.high) == pytest.approx((-0.5615, 0.5615), abs=1e-4)  # z2 / (3 + z2)


@pytest.mark.parametrize(
    "ours, theirs, named", [([1.0], [1.0, 2.0], "shapes"), ([np.nan, 1.0], [1.0, np.nan], "nothing to compare")]
)
def test_comparisons_without_pairs_are_refused(ours, theirs, named):
    with pytest.raises(ValueError, match=named):
        compare(np.array(ours), np.array(theirs))


def test_the_mean_is_over_questions_and_its_interval_about_normal():
    rng = np.random.default_rng(1)
    answers = {"task": rng.normal(0, 1, 200), "agent": rng.normal(0.3, 1, 200), "consistency": rng.normal(1, 1, 200)}
    answers["task"][:6] = np.nan
    got = score("base", answers)
    shares = [(values[~np.isnan(values)] > 0).mean() for values in answers.values()]
    assert got.mean == pytest.approx(np.mean(shares))
    spread = math.sqrt(sum(p * (1 - p) / 200 for p in shares)) / 3
    assert (got.low, got.high) == pytest.approx((got.mean - 1.96 * spread, got.mean + 1.96 * spread), abs=0.008)
    assert score("base", answers) == got
    assert got.rates["task"].failed == 6


def test_a_mean_of_answers_that_are_all_alike_has_the_interval_of_one_of_its_shares():
    got = score("base", {name: np.full(12, -1.0) for name in ("task", "agent", "consistency")})
    assert (got.mean, got.low, got.high) == pytest.approx((0, *interval(0, 12)))
    mixed = score("base", {"task": np.full(12, -1.0), "agent": np.full(12, 1.0)})
    assert (mixed.mean, mixed.low, mixed.high) == pytest.approx(
        (0.5, interval(12, 12)[0] / 2, (1 + interval(0, 12)[1]) / 2)
    )


def test_uneven_questions_are_refused():
    with pytest.raises(ValueError, match="'task': 2, 'agent': 3"):
        score("base", {"task": np.zeros(2), "agent": np.zeros(3)})


def test_the_table_is_the_paper_s_row_in_markdown_and_text():
    values = np.concatenate([np.ones(121), -np.ones(79)])
    broken = np.full(200, np.nan)
    table = ScoreTable((score("WMSD", {"task": values}), score("a|b\n<i>*", {"task": broken})))
    lines = table.to_markdown().splitlines()
    assert lines[0] == "|  | Task | Mean | Videos | Judge failures |"
    assert lines[2].startswith("| WMSD | 0.605 [0.536, 0.670] 121/200 | 0.605 [")
    assert lines[3] == "| a\\|b &lt;i&gt;\\* | none judged 0/0 | none judged | 200 | 200 |"
    text = table.to_text().splitlines()
    assert len({len(line) for line in text}) == 1
    assert len(text) == 3


def test_rows_of_other_questions_do_not_share_a_table():
    with pytest.raises(ValueError, match=r"agent.*task"):
        ScoreTable((score("a", {"task": np.ones(2)}), score("b", {"agent": np.ones(2)})))
    with pytest.raises(ValueError, match="0 rows"):
        ScoreTable(())
