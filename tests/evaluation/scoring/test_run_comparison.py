"""Runs compared in pairs or refused with every reason."""

from dataclasses import replace

import numpy as np
import pytest

from evaluation.scoring.comparing import NotComparable, compare_runs, differences
from evaluation.scoring.judged_run import load_run
from evaluation.scoring.markdown import comparisons_markdown
from evaluation.scoring.run_scores import score
from evaluation.scoring.score_file import ALIKE
from stats.paired import FLIPS, MCNEMAR, compare, sign_test


def test_a_comparison_is_that_of_pairs_question_by_question(run_folder, drawn):
    ours, theirs = drawn(0, 80, shift=0.5), drawn(1, 80)
    ours[:3, 0, 0] = np.nan
    got = compare_runs(run_folder("a", ours).write(), run_folder("b", theirs).write())
    for q, question in enumerate(("task", "agent", "consistency")):
        one, expected = got.questions[question], compare(ours[:, 0, q], theirs[:, 0, q])
        assert (one.pairs, one.better, one.worse) == (expected.pairs, expected.better, expected.worse)
        assert (one.gain.value, one.gain.low, one.gain.high) == pytest.approx(
            (expected.gain, expected.low, expected.high), abs=1e-8
        )
        assert (one.p_value, one.test) == (sign_test(one.better, one.worse), MCNEMAR)
        assert one.ours - one.theirs == pytest.approx(one.gain.value)
    assert got.questions["task"].pairs == 77
    as_zero = ((ours > 0).mean(axis=(0, 1)) - (theirs > 0).mean(axis=(0, 1)))[0]
    assert got.questions["task"].gain_as_zero.value == pytest.approx(as_zero)
    assert got.average.value == pytest.approx(np.mean([one.gain.value for one in got.questions.values()]))
    assert got.average.low < got.average.value < got.average.high


def test_gains_swap_their_sign_with_the_runs(run_folder, drawn):
    first, second = run_folder("a", drawn(2, 40, 3, shift=0.4)).write(), run_folder("b", drawn(3, 40, 3)).write()
    there, back = compare_runs(first, second), compare_runs(second, first)
    for question, one in there.questions.items():
        other = back.questions[question]
        assert one.test == FLIPS
        assert (one.gain.value, one.gain_soft.value, one.p_value) == (
            -other.gain.value, -other.gain_soft.value, other.p_value,
        )  # fmt: skip
        assert one.samples == 40 and one.pairs == 120
    assert there.average.value == -back.average.value


def test_a_run_gains_nothing_on_itself(run_folder, drawn):
    folder = run_folder("a", drawn(4, 20)).write()
    got = compare_runs(folder, folder)
    assert got.average.value == 0
    assert (got.average.low, got.average.high) == pytest.approx((-0.1611, 0.1611), abs=1e-4)  # 20 pairs, none differs
    assert all(one.p_value == 1 for one in got.questions.values())
    assert got.notes == ("both are the same files",)


@pytest.mark.parametrize(
    ("ours", "theirs", "edges"),
    [
        (2.0, -2.0, (0.5150, 1.0)),  # 12 of 12 pairs won
        (-2.0, -2.0, (-0.2425, 0.2425)),  # none differs
    ],
)
def test_pairs_that_are_all_alike_have_tangos_interval_and_say_so(run_folder, ours, theirs, edges, seeds=2):
    for number, shape in enumerate(((12, 1, 3), (12, seeds, 3))):
        folders = [
            run_folder(f"{who}{number}", np.full(shape, one)).write() for who, one in (("a", ours), ("b", theirs))
        ]
        got = compare_runs(*folders)
        for gain in (got.average, got.average_as_zero, *(one.gain for one in got.questions.values())):
            assert (gain.low, gain.high) == pytest.approx(edges, abs=1e-4) and ALIKE in gain.method
        soft = got.average_soft
        assert soft.low < soft.value < soft.high and soft.high - soft.low > 0.3
        assert ALIKE in comparisons_markdown([got])


def test_nothing_judged_for_both_is_no_gain_but_a_comparison(run_folder, drawn):
    ours, theirs = drawn(5, 20), drawn(6, 20)
    ours[:10, 0, 1], theirs[10:, 0, 1] = np.nan, np.nan
    got = compare_runs(run_folder("a", ours).write(), run_folder("b", theirs).write())
    one = got.questions["agent"]
    assert (one.pairs, one.gain.value, one.p_value, one.ours) == (0, None, None, None)
    assert one.gain_as_zero.value is not None
    assert got.average.value is None


def test_runs_that_differ_in_more_than_the_model_are_refused_with_every_reason(run_folder, drawn):
    ours = run_folder("a", drawn(7, 20))
    theirs = run_folder("b", drawn(8, 20, seeds=2), benchmark_version="2")
    theirs.judgements = [
        replace(one, judge="judge-2", prompt_hash="e" * 16 if one.question == "task" else one.prompt_hash)
        for one in theirs.judgements
    ]
    theirs.samples[0] = replace(theirs.samples[0], sample_id="t0")
    theirs.videos = [replace(one, sample_id="t0") if one.sample_id == "s0000" else one for one in theirs.videos]
    with pytest.raises(NotComparable) as caught:
        compare_runs(ours.write(), theirs.write())
    said = "; ".join(caught.value.differences)
    for reason in (
        "benchmark versions '1' and '2'",
        "judges 'judge-1' and 'judge-2'",
        f"prompts of 'task': {'a' * 16} and {'e' * 16}",
        "sample sets: 1 only in 'a' (s0000) and 1 only in 'b' (t0)",
        "seeds [0] and [0, 1]",
    ):
        assert reason in said
    assert len(caught.value.differences) == 5
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "change, reason",
    [
        (lambda one: setattr(one, "record", replace(one.record, benchmark="dreamgen")), "benchmarks"),
        (lambda one: one.samples.__setitem__(0, replace(one.samples[0], task="other")), "same ids with other tasks"),
        (
            lambda one: setattr(one, "judgements", [j for j in one.judgements if j.question != "agent"]),
            "prompts of 'agent': bbbbbbbbbbbbbbbb and none",
        ),
    ],
)
def test_each_difference_is_seen_in_runs_and_in_their_scores(change, reason, run_folder, drawn):
    ours, theirs = run_folder("a", drawn(9, 20)), run_folder("b", drawn(10, 20))
    change(theirs)
    first, second = load_run(ours.write()), load_run(theirs.write())
    (found,) = differences(first, second)
    assert reason in found
    assert len(differences(score(first), score(second))) == 1
    assert not differences(first, score(first))


def test_other_numbers_of_frames_before_the_judge_are_noted(run_folder, drawn):
    ours, theirs = run_folder("a", drawn(11, 20)), run_folder("b", drawn(12, 20))
    theirs.judgements = [replace(one, frames=(0, 15)) for one in theirs.judgements]
    (note,) = compare_runs(ours.write(), theirs.write()).notes
    assert note == "the judge saw [3] frames of a video of 'a', [2] of 'b'"
