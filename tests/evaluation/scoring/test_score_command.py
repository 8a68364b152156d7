"""Curves over steps, tables, and the command that scores a folder of runs."""

import json
import re
import subprocess
import sys
from dataclasses import replace

import pytest
import yaml

from evaluation.records import SCORES
from evaluation.scoring.comparing import NotComparable, compare_runs
from evaluation.scoring.judged_run import load_run
from evaluation.scoring.markdown import comparisons_markdown, scores_markdown
from evaluation.scoring.options import ScoreOptions
from evaluation.scoring.run_scores import score
from evaluation.scoring.score_file import read_scores
from evaluation.scoring.score_runs import COMPARISONS, TABLES, score_runs
from evaluation.scoring.training_curve import curve


def test_a_curve_is_ordered_by_step_and_comparable_throughout(run_folder, drawn):
    runs = [score(load_run(run_folder(f"at{step}", drawn(step, 30), step=step).write())) for step in (20, 0, 10)]
    points = curve(runs)
    assert [one.step for one in points] == [0, 10, 20]
    assert points[1].questions["task"] == runs[2].questions["task"].rate
    assert points[1].average == runs[2].average.rate and points[1].pickscore is None
    with pytest.raises(ValueError, match="both of step 10"):
        curve([*runs, runs[2].model_copy(update={"name": "again"})])
    with pytest.raises(ValueError, match=r"base: run.json has no step"):
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
    with pytest.raises(ValueError, match="choose one of `runs`"):
        ScoreOptions(runs=folders, reference="elsewhere", output="x")


@pytest.mark.slow
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
