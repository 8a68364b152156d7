"""Kappa by its closed forms, intervals that draw whole samples, and flags for judges that say nothing."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.judging.agreement import agreement, constant
from stats.agreement import cohen, fleiss
from tests.evaluation.judging.judge_rig import judgement


def answered(*columns: str, **fields) -> list:
    """Judgements of one question from a string a wording, a character a video: y, n, or . for a failure."""
    return [
        judgement(video, {"y": True, "n": False}.get(answer), variant, **fields)
        for variant, answers in enumerate(columns, 1)
        for video, answer in enumerate(answers)
    ]


def test_cohens_kappa_of_a_textbook_table():
    # 20 both yes, 5 and 10 apart, 15 both no: agreement .7, by chance .5.
    value = cohen(np.array(20.0), np.array(25.0), np.array(30.0), np.array(50.0))
    assert value == pytest.approx(0.4, abs=1e-12)


def test_fleiss_kappa_of_two_raters_is_scotts_pi():
    yes = np.array([15.0, 15.0, 20.0])  # none, one, both of 50 subjects
    share = 55 / 100
    chance = share**2 + (1 - share) ** 2
    assert fleiss(yes, 2) == pytest.approx((0.7 - chance) / (1 - chance), abs=1e-12)


def test_fleiss_kappa_by_hand_for_three_raters():
    # 4 subjects yyy, 3 nnn, 2 yyn, 1 ynn: pairs agree in 1, 1, 1/3, 1/3; yes 17 of 30.
    agreed, share = (4 + 3 + 2 / 3 + 1 / 3) / 10, 17 / 30
    chance = share**2 + (1 - share) ** 2
    found = agreement(answered("yyyynnnyyy", "yyyynnnyyn", "yyyynnnnnn"))["task"]
    assert found.fleiss.value == pytest.approx((agreed - chance) / (1 - chance), abs=1e-12)
    assert (found.videos, found.disagreeing, found.share) == (10, 3, 0.3)
    assert found.shares == {"1": 0.7, "2": 0.6, "3": 0.4}
    assert found.low is (found.fleiss.value < 0.6) is True
    assert list(found.pairs) == ["1-2", "1-3", "2-3"]
    assert found.low_share < 0.3 < found.high_share


def test_wordings_that_always_agree_have_kappa_one_and_are_not_flagged():
    found = agreement(answered("yynnyn", "yynnyn", "yynnyn"))["task"]
    assert found.fleiss.value == 1 and all(pair.value == 1 for pair in found.pairs.values())
    assert (found.disagreeing, found.low) == (0, False)


def test_wordings_that_always_contradict_have_kappa_minus_one():
    found = agreement(answered("yyynnn", "nnnyyy"))["task"]
    assert found.pairs["1-2"].value == found.fleiss.value == -1
    assert found.low and found.disagreeing == 6


def test_the_same_answer_to_everything_has_no_kappa():
    found = agreement(answered("yyyyyy", "yyyyyy"))["task"]
    assert found.fleiss.value is found.pairs["1-2"].low is None
    assert not found.low  # it is flagged as constant instead


def test_a_video_without_an_answer_in_some_wording_is_left_out_and_counted():
    found = agreement(answered("yynn.y", "yynny.", "yynnyy"))["task"]
    assert (found.videos, found.left_out, found.fleiss.value) == (4, 2, 1)


def test_questions_are_apart_and_one_wording_gives_none():
    both = answered("yynn", "ynnn") + answered("yyyn", question="agent")
    assert list(agreement(both)) == ["task"]


def test_videos_of_one_sample_are_drawn_together():
    columns = ("yynn" * 10, "ynnn" * 10)
    apart = agreement(answered(*columns))["task"].fleiss
    joined = [judgement(v, c[v] == "y", n, sample_id=f"s{v % 4}") for n, c in enumerate(columns, 1) for v in range(40)]
    together = agreement(joined)["task"].fleiss
    assert together.value == apart.value
    assert together.high - together.low > 1.5 * (apart.high - apart.low)


def test_runs_are_joined_though_their_videos_are_named_alike():
    first, second = answered("yn", "yn"), answered("nn", "yn")
    assert agreement(first, second)["task"].videos == 4
    with pytest.raises(ValueError, match="v0: task in wording 1 appears twice"):
        agreement(first + second)
    with pytest.raises(ValueError, match=r"\['j', 'k'\]"):
        agreement(first, answered("nn", "yn", judge="k"))


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(*[st.booleans()] * 3), min_size=2, max_size=12), st.randoms())
def test_kappa_is_what_counting_gives_and_its_interval_does_not_depend_on_order(rows, random):
    judged = [judgement(v, yes, n) for v, row in enumerate(rows) for n, yes in enumerate(row, 1)]
    found = agreement(judged)["task"]
    for a, b in itertools.combinations(range(3), 2):
        pair = found.pairs[f"{a + 1}-{b + 1}"]
        agreed = np.mean([row[a] == row[b] for row in rows])
        first, second = (np.mean([row[place] for row in rows]) for place in (a, b))
        chance = first * second + (1 - first) * (1 - second)
        if math.isclose(chance, 1):
            assert pair.value is None
        else:
            assert pair.value == pytest.approx((agreed - chance) / (1 - chance))
            assert -1 - 1e-9 <= pair.low <= pair.high <= 1 + 1e-9
    random.shuffle(judged)
    again = agreement(judged)["task"]
    assert (again.fleiss.value, again.disagreeing) == (found.fleiss.value, found.disagreeing)


def test_the_interval_covers_what_the_raters_are():
    """Two raters with chance-corrected agreement of .6, 80 videos: 95 % intervals hold it about so often."""
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(60):
        truth, other = rng.random(80) < 0.5, rng.random(80) < 0.5
        second = np.where(rng.random(80) < 0.6, truth, other)
        columns = ["".join("y" if yes else "n" for yes in rater) for rater in (truth, second)]
        pair = agreement(answered(*columns))["task"].pairs["1-2"]
        held += pair.low <= 0.6 <= pair.high
    assert held >= 52


def test_a_constant_judge_is_flagged_from_twenty_answers_on():
    judged = answered("y" * 19 + ".", "n" * 20, "y" * 20 + "n")
    (flag,) = constant(judged)
    assert (flag.question, flag.variant, flag.yes, flag.valid, flag.same_log_odds) == ("task", 2, False, 20, True)
    assert {one.variant for one in constant(judged, least=19)} == {1, 2}
