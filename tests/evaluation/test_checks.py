"""Checks of judged runs fail when they should, by name."""

from dataclasses import replace

import numpy as np

from evaluation.checks import WORST_FAILURE_RATE, constant_judge, failure_rate, no_missing_video, same_judge
from evaluation.records import PART
from evaluation.scoring.judged_run import load_run
from evaluation.scoring.run_scores import score


def test_a_missing_or_failed_video_fails_its_check_by_name(run_folder, drawn):
    made = run_folder("a", drawn(0, 12, seeds=2))
    assert no_missing_video(made.write()).passed
    assert not no_missing_video(made.write(), expected=200).passed
    made.videos[3] = replace(made.videos[3], failure="image unreadable")
    del made.videos[0]
    got = no_missing_video(made.write())
    assert not got.passed and got.blocking
    assert got.details == {"expected": 24, "missing": 1, "failed": 1}
    assert "s0000 seed 0" in got.summary and "s0001 seed 1" in got.summary


def test_the_paper_s_worst_failure_rate_passes_and_one_more_does_not(run_folder, counted):
    full = counted(100, 200, 200)
    for valid, passed in ((194, True), (193, False)):
        answers = np.stack([full, counted(100, valid, 200), full], axis=1)
        got = failure_rate(score(load_run(run_folder(f"a{valid}", answers).write())))
        assert got.passed is passed
        assert got.details["failure_rate/agent"] == (200 - valid) / 200
        assert f"agent: {200 - valid} of 200" in got.summary and "malformed" in got.summary
    assert WORST_FAILURE_RATE == 0.03


def test_runs_judged_otherwise_fail_a_blocking_check(run_folder, drawn):
    runs = [score(load_run(run_folder(name, drawn(0, 20)).write())) for name in ("a", "b", "c")]
    good = same_judge(runs)
    assert good.passed and good.blocking
    runs[1] = runs[1].model_copy(update={"judge": "other", "prompts": runs[1].prompts | {"task": "0"}})
    bad = same_judge(runs)
    assert not bad.passed and bad.details["pairs_that_differ"] == 2
    assert "prompts of 'task'" in bad.summary and "judges" in bad.summary


def test_fewer_samples_pass_only_where_they_were_asked_for(run_folder, drawn):
    """A run left over from a shorter benchmark is refused; a row with `samples` of its own and a point are not."""
    base, left = run_folder("base", drawn(0, 20)).write(), run_folder("executor", drawn(1, 15)).write()
    refused = same_judge([score(load_run(folder)) for folder in (base, left)])
    assert not refused.passed and "sample sets: 20 and 15 samples" in refused.summary
    asked = [run_folder(f"n{n}", drawn(n, n), extra={PART: True}).write() for n in (15, 12)]
    point = run_folder("point", drawn(3, 9), step=40).write()
    assert same_judge([score(load_run(folder)) for folder in (base, *asked, point)]).passed
    others = run_folder("others", drawn(4, 15), extra={PART: True})
    others.samples[0] = replace(others.samples[0], task="[Disc]: stay.")
    assert not same_judge([score(load_run(folder)) for folder in (asked[0], others.write())]).passed


def test_a_judge_that_says_the_same_to_everything_is_flagged(run_folder, drawn):
    answers = drawn(0, 30)
    answers[..., 2] = 4.0
    all_yes = score(load_run(run_folder("a", answers).write()))
    got = constant_judge([all_yes])
    assert not got.passed and not got.blocking
    assert got.summary == "judge-1 answered yes to consistency for all 30 videos"
    answers[0, 0, 2] = -1
    mixed = score(load_run(run_folder("b", answers).write()))
    assert constant_judge([all_yes, mixed]).passed
    few = score(load_run(run_folder("c", np.ones((19, 3))).write()))
    assert constant_judge([few]).passed
