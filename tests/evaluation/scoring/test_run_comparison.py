"""Runs compared in pairs or refused with every reason; curves over steps; the command; checks."""

import json
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import yaml

from evaluation.checks import WORST_FAILURE_RATE, constant_judge, failure_rate, no_missing_video, same_judge
from evaluation.preference.pickscore_file import PICKSCORES, PickScored, write_skipped
from evaluation.records import PART, SCORES, write_lines
from evaluation.score import COMPARISONS, TABLES, ScoreOptions, score_runs
from evaluation.scoring.comparing import NotComparable, compare_runs, differences
from evaluation.scoring.judged_run import Incomplete, load_run
from evaluation.scoring.markdown import comparisons_markdown, scores_markdown
from evaluation.scoring.run_scores import score
from evaluation.scoring.score_file import ALIKE, read_scores
from evaluation.scoring.training_curve import curve
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


def with_pickscores(made, raw: np.ndarray, model="pickscore:0", frames=8):
    """The run's folder with a pickscore.jsonl of raw float [N, K], NaN where it failed."""
    folder = made.write()
    lines = []
    for video, value in zip(made.videos, raw.ravel(), strict=True):
        failed = {"failure": "undecodable: x"} if np.isnan(value) else {"raw": float(value), "scaled": value / 26}
        lines.append(
            PickScored(video.video_id, video.sample_id, video.sha256, model, "task", frames, (0, 15), **failed)
        )
    write_lines(folder / PICKSCORES, lines)
    return folder


def test_pickscore_is_in_scores_and_comparisons_raw_and_over_26(run_folder, drawn):
    rng = np.random.default_rng(0)
    base = rng.normal(19.7, 0.5, (30, 2))
    better = base + rng.normal(0.1, 0.05, (30, 2))
    better[0, 0] = np.nan
    first = with_pickscores(run_folder("a", drawn(13, 30, 2)), better)
    second = with_pickscores(run_folder("b", drawn(14, 30, 2)), base)
    scores = score(load_run(first))
    assert scores.pickscore.raw.value == pytest.approx(np.nanmean(better))
    assert scores.pickscore.scaled.value == pytest.approx(np.nanmean(better) / 26)
    assert (scores.pickscore.videos, scores.pickscore.frames, scores.pickscore.prompt) == (59, 8, "task")
    got = compare_runs(first, second)
    assert got.pickscore_raw.value == pytest.approx(np.nanmean(better - base))
    assert 0 < got.pickscore_raw.low < got.pickscore_raw.value < got.pickscore_raw.high
    assert got.pickscore_scaled.high == pytest.approx(got.pickscore_raw.high / 26, abs=1e-8)
    third = with_pickscores(run_folder("c", drawn(14, 30, 2)), base, frames=4)
    other = compare_runs(first, third)
    assert other.pickscore_raw is None and "other terms" in other.notes[0]


def test_pickscores_of_other_or_missing_videos_are_refused(run_folder, drawn):
    made = run_folder("a", drawn(15, 10))
    folder = with_pickscores(made, np.full((10, 1), 19.0))
    made.videos[0] = replace(made.videos[0], sha256="1" * 64)
    made.judgements = [
        replace(one, video_sha256="1" * 64) if one.video_id == made.videos[0].video_id else one
        for one in made.judgements
    ]
    made.write()
    with pytest.raises(ValueError, match="not of the manifest's file"):
        score(load_run(folder))
    whole = (folder / PICKSCORES).read_text().splitlines()
    (folder / PICKSCORES).write_text("\n".join(whole[1:]) + "\n")
    with pytest.raises(Incomplete, match="lacks 1 of 10 videos, 's0000-s0'"):
        score(load_run(folder))
    (folder / PICKSCORES).unlink()
    write_skipped(folder, "no weights")
    assert score(load_run(folder)).pickscore is None


def test_a_curve_is_ordered_by_step_and_comparable_throughout(run_folder, drawn):
    runs = [score(load_run(run_folder(f"at{step}", drawn(step, 30), step=step).write())) for step in (20, 0, 10)]
    points = curve(runs)
    assert [one.step for one in points] == [0, 10, 20]
    assert points[1].questions["task"] == runs[2].questions["task"].rate
    assert points[1].average == runs[2].average.rate and points[1].pickscore is None
    with pytest.raises(ValueError, match="both of step 10"):
        curve([*runs, runs[2].model_copy(update={"name": "again"})])
    with pytest.raises(ValueError, match="base: no step"):
        curve([runs[0], runs[1].model_copy(update={"step": None, "name": "base"})])
    with pytest.raises(NotComparable, match="judges 'judge-1' and 'other'"):
        curve([*runs, runs[2].model_copy(update={"step": 40, "judge": "other"})])


def test_tables_show_intervals_and_escape_names(run_folder, drawn):
    runs = [
        load_run(run_folder("base", drawn(1, 30), name="a|<b>").write()),
        load_run(run_folder("x", drawn(2, 30)).write()),
    ]
    lines = scores_markdown([score(run) for run in runs]).splitlines()
    assert len({line.count(" | ") for line in lines}) == 1
    assert "a\\|&lt;b&gt;" in lines[2] and re.search(r"0\.\d{3} \[0\.\d{3}, 0\.\d{3}\] \d+/30", lines[2])
    rows = comparisons_markdown([compare_runs(*runs)]).splitlines()
    assert len(rows) == 2 + 4
    assert re.search(r"[+-]0\.\d{3} \[[+-]0\.\d{3}, [+-]0\.\d{3}\]", rows[2])


def test_scoring_a_folder_of_runs_writes_scores_comparisons_and_tables(run_folder, drawn, tmp_path):
    folders = [str(run_folder(name, drawn(n, 30)).write()) for n, name in enumerate(("base", "dem", "exe"))]
    out = tmp_path / "out"
    options = ScoreOptions(runs=folders, reference=folders[0], output=str(out), expected=30)
    scores, compared = score_runs(options)
    assert [one.name for one in scores] == ["base", "dem", "exe"]
    assert [(one.ours, one.theirs) for one in compared] == [("dem", "base"), ("exe", "base")]
    held = json.loads((out / COMPARISONS).read_text())["comparisons"]
    assert [one["ours"] for one in held] == ["dem", "exe"]
    assert (out / TABLES).read_text().count("\n| ") >= 3
    first = (out / COMPARISONS).read_bytes()
    score_runs(options)
    assert (out / COMPARISONS).read_bytes() == first
    with pytest.raises(ValueError, match="one of `runs` is expected"):
        ScoreOptions(runs=folders, reference="elsewhere", output="x")


def test_the_command_says_what_is_wrong_and_with_which_status(run_folder, drawn, tmp_path):
    def run(options: dict) -> subprocess.CompletedProcess:
        (tmp_path / "options.yaml").write_text(yaml.safe_dump(options))
        command = [sys.executable, "-m", "evaluation.score", "--config", str(tmp_path / "options.yaml")]
        return subprocess.run(command, capture_output=True, text=True)

    good = run_folder("a", drawn(0, 10)).write()
    made = run_folder("b", drawn(1, 10))
    made.judgements = [replace(one, judge="other") for one in made.judgements]
    other = made.write()
    assert run({"runs": [str(good)]}).returncode == 0
    assert read_scores(good).name == "a"
    refused = run({"runs": [str(good), str(other)], "reference": str(good), "output": str(tmp_path / "out")})
    assert refused.returncode == 1 and "NotComparable" in refused.stderr and "judges" in refused.stderr
    assert (other / SCORES).is_file()
    wrong = run({"runs": [], "rnus": 1})
    assert wrong.returncode == 2 and "rnus" in wrong.stderr and "2 mistakes" in wrong.stderr


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
