"""Exports and the official evaluator: what it is given, how it may fail, how it is ended."""

import json
import sys

import pytest

from evaluation.benchmarks.vbvr import evaluator, steps
from evaluation.benchmarks.vbvr.evaluator import EvaluatorFailed, NoEvaluator
from evaluation.benchmarks.vbvr.options import EvaluatorOptions
from evaluation.benchmarks.vbvr.results import SampleScore, check_complete
from evaluation.scoring.judged_run import Incomplete
from tests.evaluation.benchmarks import layouts
from tests.evaluation.benchmarks.vbvr.vbvr_rig import generated, options, say


def test_videos_come_under_the_names_that_the_evaluator_looks_for(vbvr, tmp_path):
    run = generated(tmp_path / "base model", vbvr)
    _, folder, exported = steps.export_step(options("export", run=run))
    assert folder == run / "vbvr" / "videos" / "base_model" and len(exported) == 8
    assert sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.mp4")) == sorted(
        f"{p.parent.relative_to(vbvr)}.mp4" for p in vbvr.rglob("first_frame.png")
    )


@pytest.mark.parametrize(
    ("name", "folder"), [("checkpoint-100", "run-checkpoint-100"), ("../..", "_"), ("a/b c", "a_b_c"), ("..", "run-")]
)
def test_a_runs_name_is_one_folder_that_is_not_taken_for_a_checkpoint(name, folder):
    assert steps.model_name(name) == folder


@pytest.mark.parametrize("scoring", ["task_specific", "weighted"])
def test_a_scored_run_is_a_table_that_says_which_scoring(vbvr, tmp_path, monkeypatch, scoring):
    say(monkeypatch, "")
    run = generated(tmp_path / "base", vbvr)
    chosen = {"run": run, "allow_partial": True, "evaluator": {"scoring": scoring}}
    scored = steps.score_step(options("score", benchmark=vbvr, **chosen))
    assert scored.scoring == scoring and len(scored.results) == (1 if scoring == "task_specific" else 2)
    made = steps.table_step(options("table", **chosen))
    (row,) = made.rows
    assert row.scoring == scoring and row.parts["All"].value == pytest.approx(0.15)
    assert row.parts["In-Domain"].samples == 4 and row.parts["Abstraction"].tasks == 2
    assert row.notes == (f"scored by the official evaluator, {scoring}", "PARTIAL: 8 of 500 samples")
    assert "- base: PARTIAL: 8 of 500" in made.to_markdown()
    assert json.loads((run / "vbvr" / "table.json").read_text())["rows"][0]["variant"] == "vanilla"


def test_a_scored_run_is_not_scored_again(vbvr, tmp_path, monkeypatch):
    say(monkeypatch, "")
    chosen = options("score", benchmark=vbvr, run=generated(tmp_path / "base", vbvr), allow_partial=True)
    first = steps.score_step(chosen)
    say(monkeypatch, "crash")
    assert steps.score_step(chosen) == first


def test_fewer_than_all_videos_are_refused_with_their_names(vbvr, tmp_path, monkeypatch):
    say(monkeypatch, "")
    gone = "In-Domain_50--G-1_sort_things_data-generator--00001"
    run = generated(tmp_path / "base", vbvr, failed=[gone])
    with pytest.raises(Incomplete, match=f"{gone}: refused"):
        steps.score_step(options("score", benchmark=vbvr, run=run))
    steps.score_step(options("score", benchmark=vbvr, run=run, allow_partial=True))
    with pytest.raises(Incomplete, match="8 samples instead of 500"):
        steps.table_step(options("table", run=run))


def test_samples_that_the_evaluator_skipped_are_named():
    samples = [layouts.Sample(f"s{n}", f"In-Domain_50/G-1_t/0000{n}/first_frame.png", "t") for n in range(3)]
    scores = [SampleScore("In-Domain_50", "G-1_t", f"0000{n}", "", 1.0) for n in range(2)]
    with pytest.raises(Incomplete, match="1 of 3 samples have no score: In-Domain_50/G-1_t/00002"):
        check_complete(scores, samples)
    with pytest.raises(ValueError, match="not samples of the benchmark"):
        check_complete(scores, samples[:1])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("nan", "NaN"),
        ("large", "less than or equal"),
        ("twice", "scored twice"),
        ("sums", "its samples give"),
        ("error", r"failed on 1 samples.*division by zero"),
    ],
)
def test_results_that_do_not_hold_together_are_refused(vbvr, tmp_path, monkeypatch, wrong, said):
    say(monkeypatch, wrong)
    chosen = {"run": generated(tmp_path / "base", vbvr), "allow_partial": True}
    steps.score_step(options("score", benchmark=vbvr, **chosen))
    with pytest.raises(ValueError, match=said):
        steps.table_step(options("table", **chosen))


def test_evaluator_errors_are_counted_where_they_are_accepted(vbvr, tmp_path, monkeypatch):
    say(monkeypatch, "error")
    chosen = {"run": generated(tmp_path / "base", vbvr), "allow_partial": True}
    steps.score_step(options("score", benchmark=vbvr, **chosen))
    made = steps.table_step(options("table", accept_errors=True, **chosen))
    assert "failed on 1 samples and scored them 0" in made.to_markdown()


@pytest.mark.parametrize(("wrong", "said"), [("crash", "no module called cv2"), ("nothing", "it left no")])
def test_a_failing_evaluator_is_told_with_its_last_words(vbvr, tmp_path, monkeypatch, wrong, said):
    say(monkeypatch, wrong)
    run = generated(tmp_path / "base", vbvr)
    with pytest.raises(EvaluatorFailed, match=said):
        steps.score_step(options("score", benchmark=vbvr, run=run, allow_partial=True))
    with pytest.raises(Incomplete, match="not scored"):
        steps.table_step(options("table", run=run, allow_partial=True))


def test_an_evaluator_that_takes_too_long_is_ended(vbvr, tmp_path, monkeypatch):
    say(monkeypatch, "slow")
    run = generated(tmp_path / "base", vbvr)
    with pytest.raises(EvaluatorFailed, match=r"stopped after 2 s.*(\n.*)?thinking"):
        steps.score_step(options("score", benchmark=vbvr, run=run, allow_partial=True, evaluator={"timeout_s": 2}))


def test_an_absent_evaluator_says_how_to_install_it(tmp_path):
    with pytest.raises(NoEvaluator, match=r"pip install .*VBVR-Bench"):
        evaluator.program(EvaluatorOptions(command=("no-such-program-anywhere",)))
    with pytest.raises(NoEvaluator, match=r"vbvr/bin/vbvr-evaluate"):
        evaluator.program(EvaluatorOptions(scoring="weighted", command=(sys.executable, str(tmp_path / "gone.py"))))


def test_names_are_arguments_and_never_words_of_a_shell(vbvr, tmp_path, monkeypatch):
    say(monkeypatch, "")
    run = generated(tmp_path / "$(touch pwned); rm -rf", vbvr)
    steps.score_step(options("score", benchmark=vbvr, run=run, allow_partial=True))
    assert not list(tmp_path.rglob("pwned"))


def test_videos_that_changed_after_scoring_want_another_scoring(vbvr, tmp_path, monkeypatch):
    say(monkeypatch, "")
    run = generated(tmp_path / "base", vbvr)
    steps.score_step(options("score", benchmark=vbvr, run=run, allow_partial=True))
    generated(run, vbvr, failed=["In-Domain_50--G-1_sort_things_data-generator--00001"])
    steps.export_step(options("export", run=run))
    with pytest.raises(ValueError, match="run the step score again"):
        steps.table_step(options("table", run=run, allow_partial=True))
