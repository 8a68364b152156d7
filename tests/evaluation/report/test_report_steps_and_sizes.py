"""Runs at other sampler steps or resolutions are points of charts over shared tasks; other benchmarks have tables."""

import json
from dataclasses import replace

import numpy as np
import pytest

from evaluation.report.reading import read_runs
from evaluation.report.steps_and_sizes import parts, settings
from evaluation.scoring.judged_run import load_run
from tests.evaluation.report.made_runs import MadeRun

EVIL = "<script>alert(1)</script>"


def at(folder, movies, samples: int, steps: int, side: int = 32, shift: float = 0.0, **record) -> MadeRun:
    """A run at so many sampler steps and pixels, over the first samples."""
    options = {"model": {"height": side, "width": side, "path": "m"}, "sampler": {"kind": "ode", "steps": steps}}
    return MadeRun(folder, samples, movies, shift, **(options | {"role": "base", "identity": f"made:{side}"} | record))


def test_runs_that_differ_in_steps_alone_are_a_line_over_the_tasks_they_share(report, movies, tmp_path):
    whole = at(tmp_path / "base", movies, 30, 8).write()
    part = at(tmp_path / "base-4", movies, 12, 4, shift=-1.0).write()
    other = at(tmp_path / "strange", movies, 30, 4, lora_sha256="e" * 64, role="other").write()
    runs = read_runs([whole, part, other], {})
    assert [one.name for one in parts(runs)] == ["base-4"]
    (found,) = settings(runs)
    assert (found.title, found.tasks, [line.name for line in found.lines]) == ("Sampler steps", 12, ["Base"])
    four, eight = found.lines[0].points
    assert (four.setting, eight.setting, eight.gain) == ("4", "8", None)
    assert four.scores.samples == eight.scores.samples == 12
    first = load_run(whole)
    yes = [first.log_odds[n, 0, 0] > 0 for n, one in enumerate(first.samples) if one.sample_id < "s0012"]
    assert eight.scores.questions["task"].rate.value == pytest.approx(np.mean(yes))
    gain = four.scores.average.rate.value - eight.scores.average.rate.value
    assert abs(four.gain.average.value - gain) < 1e-9
    page = report([whole, part, other])
    assert "Sampler steps in evaluation" in page.section("ablations") and "12 tasks that all of them share" in page.text
    assert "base-4" not in page.section("leaderboard") and "base-4" not in page.section("compared")
    assert "Base (base-4) charts only" in page.section("evaluated")
    assert len(page.data["rows"][0][3]) == 2


def test_resolution_is_an_axis_of_its_own_and_whole_runs_keep_their_rows(report, movies, tmp_path):
    folders = [at(tmp_path / f"r{side}", movies, 21, 8, side, shift=side / 64).write() for side in (32, 48)]
    folders.append(at(tmp_path / "unlike", movies, 21, 4, 64).write())
    runs = read_runs(folders, {})
    assert parts(runs) == []
    (found,) = settings(runs)
    assert found.title == "Resolution" and [point.setting for point in found.lines[0].points] == ["32 x 32", "48 x 48"]
    assert not found.few
    page = report(folders)
    assert "No runs here differ" not in page.text and "r48" in page.section("leaderboard")


def test_nothing_is_charted_where_judges_or_weights_differ(report, movies, tmp_path):
    folders = [
        at(tmp_path / "a", movies, 6, 8).write(),
        at(tmp_path / "b", movies, 6, 4, identity="made:other").write(),
    ]
    judged_otherwise = at(tmp_path / "c", movies, 6, 2)
    judged_otherwise.judgements = [replace(one, judge="judge-2") for one in judged_otherwise.judgements]
    assert settings(read_runs([*folders, judged_otherwise.write()], {})) == []
    assert "No runs here differ only in sampler steps" in report(folders).section("ablations")


def test_a_noisy_judges_effect_is_told_for_each_run_with_the_corrected_score(report, movies, tmp_path):
    made = [MadeRun(tmp_path / name, 60, movies, shift, role=name) for name, shift in (("base", -1.0), ("vlm", 1.0))]
    for one in made:
        one.write()
        one.judged_again(flip=10)
    trust = report([one.folder for one in made]).section("trust")
    assert "Corrected score" in trust and "What these errors do to each run's score" in trust
    alone = report([made[0].folder], out="alone").section("trust")
    assert "Corrected score" in alone and "not known" in alone  # no other run's videos to count errors on


def test_results_of_other_benchmarks_have_tables_with_intervals_and_denominators(report, movies, tmp_path):
    made = MadeRun(tmp_path / "dream", 2, movies, role="base", benchmark="dreamgen")
    made.judgements = []
    folder = made.write()
    rate = {"successes": 35, "valid": 50, "failed": 0, "share": 0.7, "low": 0.562, "high": 0.809}
    row = {"group": "object", "videos": 50, "expected": 50, "rates": {"IF (default)": rate}}
    row |= {"pa": None, "pa_low": None, "pa_high": None}
    table = {"run": "dream", "judge": "j", "rows": [row], "notes": [EVIL]}
    mean = {"value": 0.5, "low": 0.4, "high": 0.6, "samples": 250, "tasks": 50}
    vbvr = {"run": "dream", "variant": "vanilla", "scoring": "task_specific", "parts": {"In-Domain": mean}}
    bench = {"dimension": "dynamic_degree", "mean": 0.25, "low": 0.1, "high": 0.4, "videos": 50}
    for name, value in (
        ("dreamgen", table),
        ("vbvr", {"rows": [vbvr | {"difference": None, "notes": []}]}),
        ("vbench", {"run": "dream", "rows": [bench], "notes": []}),
    ):
        (folder / name).mkdir()
        (folder / name / "table.json").write_text(json.dumps(value))
    page = report([folder])
    told = page.section("others")
    assert "object 0.700 0.562 to 0.809 35 / 50 50 of 50 0" in told and "WMSD LTX-2" in told
    assert "vanilla 0.500 0.400 to 0.600 250 samples, 50 tasks" in told and "task_specific" in told
    assert "0.250 0.100 to 0.400 50 videos" in told
    assert EVIL in told and len(page.scripts) == 2
    assert "has no scores" not in page.text and "Its own table stands under" in page.section("leaderboard")
    (folder / "vbench" / "table.json").write_text('{"surprise": 1}')
    assert "vbench/table.json is left out" in report([folder], out="wrong").section("others")


def test_a_table_that_a_step_wrote_is_read(tmp_path):
    """The strict reader follows the form that DreamGen's table writes; the others share theirs."""
    from evaluation.benchmarks.dreamgen import table as dreamgen
    from evaluation.report import others as ours
    from stats.rates import Rate

    row = dreamgen.Row("object", 2, 50, {"PA-I": Rate(0, 0, 2), "PA-II": Rate(1, 2, 0)}, 0.5, 0.1, 0.9)
    ours.DreamgenTable.model_validate_json(json.dumps(dreamgen.Table("r", "j", (row,), ("n",)).to_json()))
