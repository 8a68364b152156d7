"""Known defects of the official evaluator: both numbers, a note, status 0; and its exit status after success."""

import pytest

from evaluation.benchmarks.vbvr import __main__ as command
from evaluation.benchmarks.vbvr import evaluator, steps
from evaluation.benchmarks.vbvr.defects import DEFECTS, WITHOUT, known
from evaluation.benchmarks.vbvr.results import SampleScore
from tests.evaluation.benchmarks import layouts
from tests.evaluation.benchmarks.vbvr.test_vbvr_table import config
from tests.evaluation.benchmarks.vbvr.vbvr_rig import FAKE, generated, options, say

NAME_ERROR = "name 'safe_distance' is not defined"


@pytest.fixture
def with_g24(tmp_path):
    """Tasks G-24, G-25, O-24 and O-25, of two samples each; the stand-in scores samples .1 and .2."""
    return layouts.vbvr(tmp_path / "VBVR-Bench", tasks=2, each=2, first=24)


def test_a_known_defect_gives_both_numbers_a_note_and_status_0(with_g24, tmp_path, monkeypatch, capsys):
    say(monkeypatch, "defect")
    run = generated(tmp_path / "base", with_g24)
    chosen = {"run": str(run), "benchmark": str(with_g24), "allow_partial": True, "evaluator": {"command": FAKE}}
    for step in ("score", "table"):
        assert command.main(["--config", config(tmp_path / "c", step=step, **chosen)]) == 0
    (row,) = steps.table_step(options("table", run=run, allow_partial=True)).rows
    assert row.parts["All"].value == pytest.approx(0.9 / 8) and row.parts["All"].samples == 8
    assert row.parts[WITHOUT].value == pytest.approx(0.15) and row.parts[WITHOUT].samples == 6
    assert any("G-24_sort_things" in note and "275472f" in note for note in row.notes)
    assert "All without defects" in capsys.readouterr().out


def test_another_task_with_the_same_error_still_fails(with_g24, tmp_path, monkeypatch):
    say(monkeypatch, "defect and another")
    chosen = {"run": generated(tmp_path / "base", with_g24), "allow_partial": True}
    steps.score_step(options("score", benchmark=with_g24, **chosen))
    with pytest.raises(ValueError, match=r"failed on 1 samples.*O-25.*safe_distance"):
        steps.table_step(options("table", **chosen))


@pytest.mark.parametrize(
    ("task", "error", "explained"),
    [
        ("G-24_separate_objects_no_spin_data-generator", NAME_ERROR, True),
        ("G-54_connecting_color_data-generator", NAME_ERROR, True),
        ("G-240_add_borders_to_unbordered_shapes_data-generator", NAME_ERROR, False),
        ("G-24_separate_objects_no_spin_data-generator", "division by zero", False),
        ("G-24_separate_objects_no_spin_data-generator", f"{NAME_ERROR}, and more", False),
        ("G-24_separate_objects_no_spin_data-generator", "", False),
    ],
)
def test_a_defect_explains_its_own_task_and_message_alone(task, error, explained):
    assert bool(known([SampleScore("Out-of-Domain_50", task, "00000", "", 0.0, error)])) == explained
    assert all(defect.versions and defect.why for defect in DEFECTS)


def test_a_weighted_scoring_that_ends_with_1_after_success_counts(with_g24, tmp_path, monkeypatch):
    """The installed vbvr-evaluate does `sys.exit(main())`, and main returns a dict; so does the stand-in."""
    say(monkeypatch, "")
    chosen = {"run": generated(tmp_path / "base", with_g24), "allow_partial": True}
    weighted = {"scoring": "weighted"}
    steps.score_step(options("score", benchmark=with_g24, evaluator=weighted, **chosen))
    (row,) = steps.table_step(options("table", **chosen)).rows
    assert row.scoring == "weighted" and row.parts["All"].value == pytest.approx(0.15)


@pytest.mark.parametrize("wrong", ["crash", "nothing", "sums", "nan"])
def test_a_weighted_scoring_that_fails_is_told_and_an_older_result_does_not_count(
    wrong, with_g24, tmp_path, monkeypatch
):
    run = generated(tmp_path / "base", with_g24)
    weighted = options("score", benchmark=with_g24, run=run, allow_partial=True, evaluator={"scoring": "weighted"})
    say(monkeypatch, "")
    steps.score_step(weighted)
    (run / "vbvr" / steps.EVALUATION).unlink()
    say(monkeypatch, wrong)
    with pytest.raises(evaluator.EvaluatorFailed, match="exit status 1" if wrong != "nothing" else "left no"):
        steps.score_step(weighted)
