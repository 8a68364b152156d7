"""Ablations come from a reproduction.json, which is read strictly; what did not run is named."""

import json

import pytest

from evaluation.report.reproduction import Experiment, Point, Reference

EVIL = "<script>alert(1)</script><img src=x onerror=alert(1)>"


def reproduction_of(verdicts: dict) -> dict:
    """A reproduction.json with these experiments: name -> (method, changes, share)."""

    def pooled(share):
        return {"mean": share, "low": max(0.0, share - 0.1), "high": min(1.0, share + 0.1), "spread": [share, share]}

    def score(share):
        return {"share": share, "low": 0.0, "high": 1.0, "successes": 5, "valid": 10, "n": 10, "verdicts": "10101-1010"}

    def point(step, share):
        return {"step": step, **{name: score(share) for name in ("task", "agent", "consistency")}, "average": share}

    runs, experiments = [], []
    for name, (method, changes, share) in verdicts.items():
        empty = {"reward": [], "reward_task": [], "reward_consistency": [], "disagreement": []}
        curve = [point(0, 0.2), point(5, share / 2), point(10, share)]
        facts = {"steps": 10, "step": 10, "status": "finished", "reason": "", "seconds": 1.0, "folder": name}
        runs.append({"name": name, "method": method, "seed": 0, "changes": changes, **facts, "curve": curve, **empty})
        scores = {measure: pooled(share) for measure in ("task", "agent", "consistency", "average")}
        experiments.append({"name": name, "method": method, "seeds": [0], "steps": 10, "status": "finished", **scores})
    base = {"name": EVIL, **{name: score(0.2) for name in ("task", "agent", "consistency")}, "average": 0.2}
    claim = {"key": "k", "claim": EVIL, "verdict": "holds", "numbers": "1"}
    head = {"schema_version": 1, "complete": True, "held_out_tasks": 10, "references_alike": True}
    return {**head, "references": [base], "runs": runs, "experiments": experiments, "claims": [claim]}


def test_ablations_are_drawn_from_the_reproduction_and_what_is_absent_is_said(report, four, tmp_path):
    told = reproduction_of(
        {
            "wmsd": ("wmsd", {}, 0.6),
            "rl_only": ("rl_only", {}, 0.5),
            "low": ("wmsd", {"distill": {"beta_d": 0.0}}, 0.4),
            "high": ("wmsd", {"distill": {"beta_d": 0.1}}, 0.55),
            "off": ("wmsd", {"rewards": {"consistency": 0.0}}, 0.3),
        }
    )
    path = tmp_path / "reproduction.json"
    path.write_text(json.dumps(told))
    found = report(four[:1], path)
    ablations = found.section("ablations")
    assert "rewards.consistency 0.0" in ablations and "wmsd: on" in ablations and "off: off" in ablations
    assert "Weight of the anchor: Average at the end by beta_d" in ablations
    assert "Absent: Distillation without rewards" in ablations
    assert "no experiment changes resolution or sampler steps" in ablations
    assert not [tag for tag, _ in found.tags if tag == "img"]


def test_a_reproduction_of_another_form_is_refused(report, four, tmp_path):
    path = tmp_path / "reproduction.json"
    path.write_text(json.dumps(reproduction_of({}) | {"surprise": 1}))
    with pytest.raises(ValueError, match=r"reproduction\.json.*surprise"):
        report(four[:1], path)


def test_the_form_of_version_1_keeps_its_fields_in_their_order():
    """Files that were written before stay readable, and the same runs give the same bytes as before."""
    questions = ("task", "agent", "consistency")
    assert tuple(Point.model_fields) == ("step", *questions, "average")
    assert tuple(Reference.model_fields) == ("name", *questions, "average")
    assert tuple(Experiment.model_fields) == ("name", "method", "seeds", "steps", "status", *questions, "average")


def test_the_usual_beta_d_stands_at_its_value_and_is_marked(report, four, tmp_path):
    told = {"wmsd": ("wmsd", {}, 0.6), "low": ("wmsd", {"distill": {"beta_d": 0.0}}, 0.4)}
    path = tmp_path / "reproduction.json"
    path.write_text(json.dumps(reproduction_of(told)))
    unknown = report(four[:1], path, out="unknown").section("ablations")
    assert "fewer than two values" in unknown
    (tmp_path / "wmsd").mkdir()
    (tmp_path / "wmsd" / "config.yaml").write_text("distill: {beta_d: 0.1}\n")
    known = report(four[:1], path, out="known")
    assert "the usual value, 0.1" in known.section("ablations") and "fewer than two" not in known.section("ablations")
    assert "the usual value, 0.1: 0.6 at 0.1" in known.html and "wmsd, average: 0.4 at 0" in known.html


def test_trainings_before_a_noisy_judge_and_long_ones_have_curves_beside_the_usual_one(report, four, tmp_path):
    noisy = {"rewards": {"judge": {"vlm": {"judge_noise": 1.0, "judge_flip": 0.1}}}}
    told = reproduction_of(
        {
            "wmsd": ("wmsd", {}, 0.6),
            "judge_noise_1": ("wmsd", noisy, 0.4),
            "judge_noise_by_name": ("wmsd", {}, 0.5),
            "wmsd_long": ("wmsd", {}, 0.7),
            "off": ("wmsd", {"rewards": {"consistency": 0.0}}, 0.3),
        }
    )
    for one in (told["runs"][3], told["experiments"][3]):
        one["steps"] = 50
    path = tmp_path / "reproduction.json"
    path.write_text(json.dumps(told))
    ablations = report(four[:1], path).section("ablations")
    assert "wmsd: the usual judge" in ablations and "judge_noise_1: judge flip 0.1, judge noise 1.0" in ablations
    assert "judge_noise_by_name: noisy" in ablations
    assert "Training before a noisy judge: Average" in ablations
    assert "More steps: Task" in ablations and "wmsd_long: 50 steps" in ablations
    assert "Consistency reward on and off: Consistency" in ablations
