"""VBench: the flat folder of custom input, and its results."""

import json

import pytest

from evaluation.benchmarks.named_videos import read_run
from evaluation.benchmarks.vbench import __main__ as command
from evaluation.benchmarks.vbench import outputs
from evaluation.benchmarks.vbench.results import read_results
from evaluation.records import Sample
from evaluation.scoring.judged_run import Incomplete
from tests.evaluation.benchmarks import layouts

IDS = ("plain-1", "split/task/00000", "../../evil", "<b>", "..")


def results(path, value) -> list:
    path.write_text(json.dumps(value))
    return [path]


def rows(*scores) -> list[dict]:
    return [{"video_path": f"/data/{n}.mp4", "video_results": score} for n, score in enumerate(scores)]


def test_an_export_is_one_flat_folder_with_a_manifest(tmp_path):
    samples = [Sample(name, "gr1_env/0_x.png", "a task") for name in IDS]
    out = tmp_path / "out"
    exported = outputs.export_videos(read_run(layouts.run(tmp_path / "run", samples)), out)
    assert len(list(out.glob("*.mp4"))) == len(IDS) and not [path for path in out.iterdir() if path.is_dir()]
    assert exported[0].path == "plain-1.mp4" and all("/" not in one.path for one in exported)
    assert len((out / "manifest.jsonl").read_text().splitlines()) == len(IDS)


def test_commands_name_one_dimension_each(tmp_path):
    made = outputs.commands(tmp_path, tmp_path / "out")
    assert len(made) == 6 and made[0][:4] == ("vbench", "evaluate", "--videos_path", str(tmp_path))
    with pytest.raises(ValueError, match="human_action"):
        outputs.commands(tmp_path, tmp_path, ["human_action"])


def test_results_are_read_with_their_oddities(tmp_path):
    whole = {
        "dynamic_degree": [0.5, rows(True, False)],
        "imaging_quality": [0.6, rows(50.0, 70.0)],  # the mean as a share, the videos in percent
        "motion_smoothness": [0.98, rows(0.97, 0.99)],
    }
    found = read_results(results(tmp_path / "x_eval_results.json", whole))
    assert found["dynamic_degree"].videos == {"0.mp4": 1.0, "1.mp4": 0.0}
    assert found["imaging_quality"].mean == pytest.approx(0.6) and found["imaging_quality"].videos["0.mp4"] == 0.5
    whole = {"imaging_quality": [60.0, rows(50.0, 70.0)]}
    assert read_results(results(tmp_path / "y", whole))["imaging_quality"].mean == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("whole", "said"),
    [
        ([], "an object"),
        ({}, "an object"),
        ({"colour": [1, rows(1)]}, "colour"),
        ({"dynamic_degree": [1.0]}, "mean, videos"),
        ({"dynamic_degree": [1.0, rows(1), rows(1)]}, "mean, videos"),
        ({"dynamic_degree": [1.0, []]}, "no video"),
        ({"dynamic_degree": [1.0, rows("1")]}, "'1'"),
        ({"dynamic_degree": [1.0, rows(float("nan"))]}, "NaN"),
        ({"dynamic_degree": [0.9, rows(True, False)]}, "its 2 videos give"),
        ({"dynamic_degree": [1.0, rows(True) * 2]}, "twice"),
        ({"dynamic_degree": [1.0, [{"video_results": 1}]]}, "video_path"),
    ],
)
def test_results_of_another_form_are_refused(tmp_path, whole, said):
    with pytest.raises(ValueError, match=said):
        read_results(results(tmp_path / "r.json", whole))


def test_videos_without_a_score_are_named(tmp_path):
    run = read_run(layouts.run(tmp_path / "run", [Sample(str(n), "gr1_env/0_x.png", "t") for n in range(3)]))
    exported = outputs.export_videos(run, tmp_path / "out")
    paths = results(tmp_path / "r.json", {"dynamic_degree": [1.0, rows(True, True)]})
    with pytest.raises(Incomplete, match=r"1 videos have no score: 2\.mp4"):
        read_results(paths, exported)


def told(capsys, tmp_path, **options) -> tuple[int, str, str]:
    """(exit status, standard output, standard error) of the command."""
    config = tmp_path / "config.json"
    config.write_text(json.dumps(options))
    status = command.main(["--config", str(config)])
    return (status, *capsys.readouterr())


def test_the_command_exports_prints_the_commands_and_makes_a_table_of_all_results(capsys, tmp_path):
    run = layouts.run(tmp_path / "run", [Sample(str(n), "gr1_env/0_x.png", "t") for n in range(2)])
    wanted = ["dynamic_degree", "motion_smoothness"]
    status, out, said = told(capsys, tmp_path, step="export", run=str(run), dimensions=wanted)
    assert status == 0 and "2 videos in" in said
    assert [line.split()[:2] for line in out.splitlines()] == [["vbench", "evaluate"]] * 2
    place = run / "vbench"
    (place / "results").mkdir()
    results(place / "results" / "a_eval_results.json", {"dynamic_degree": [0.5, rows(True, False)]})
    status, _, said = told(capsys, tmp_path, step="table", run=str(run), dimensions=wanted)
    assert status == 1 and "motion_smoothness" in said and not (place / "table.json").exists()
    results(place / "results" / "b_eval_results.json", {"motion_smoothness": [0.98, rows(0.97, 0.99)]})
    status, out, _ = told(capsys, tmp_path, step="table", run=str(run), dimensions=wanted)
    assert status == 0 and "| dynamic_degree | 0.500 [0.000, 1.000] | 2 |" in out
    made = json.loads((place / "table.json").read_text())
    assert [row["dimension"] for row in made["rows"]] == wanted and made["rows"][1]["mean"] == pytest.approx(0.98)


def test_a_table_of_other_videos_than_the_runs_is_refused(capsys, tmp_path):
    run = layouts.run(tmp_path / "run", [Sample("0", "gr1_env/0_x.png", "t")])
    status, _, said = told(capsys, tmp_path, step="table", run=str(run))
    assert status == 1 and "run the step export" in said
    told(capsys, tmp_path, step="export", run=str(run))
    (run / "vbench" / "results").mkdir()
    results(run / "vbench" / "results" / "a_eval_results.json", {"dynamic_degree": [0.5, rows(True, False)]})
    status, _, said = told(capsys, tmp_path, step="table", run=str(run), dimensions=["dynamic_degree"])
    assert status == 1 and "1.mp4" in said
    assert told(capsys, tmp_path, step="table", run=str(run), dimensions=["human_action"])[0] == 2


def scored(capsys, tmp_path, name: str, degrees: list[bool], smooth: list[float]):
    run = layouts.run(tmp_path / name, [Sample(str(n), "gr1_env/0_x.png", "t") for n in range(len(smooth))])
    assert told(capsys, tmp_path, step="export", run=str(run))[0] == 0
    (run / "vbench" / "results").mkdir()
    whole = {
        "dynamic_degree": [sum(degrees) / len(degrees), rows(*degrees)],
        "motion_smoothness": [sum(smooth) / len(smooth), rows(*smooth)],
    }
    results(run / "vbench" / "results" / "a_eval_results.json", whole)
    return run


def test_runs_are_compared_video_by_video(capsys, tmp_path):
    from stats.rates import paired_interval

    base = scored(capsys, tmp_path, "base", [False] * 4, [0.9, 0.5, 0.7, 0.3])
    executor = scored(capsys, tmp_path, "executor", [True] * 4, [0.95, 0.45, 0.85, 0.4])
    wanted = {"step": "table", "dimensions": ["dynamic_degree", "motion_smoothness"]}
    status, out, _ = told(capsys, tmp_path, run=str(base), others=[str(executor)], **wanted)
    assert status == 0 and "| executor - base | dynamic_degree | +1.000 [" in out
    degree, smooth = json.loads((base / "vbench" / "table.json").read_text())["compared"]
    assert degree["gain"] == 1 and (degree["low"], degree["high"]) == pytest.approx(paired_interval(4, 0, 4))
    assert smooth["gain"] == pytest.approx((0.05 - 0.05 + 0.15 + 0.1) / 4) and smooth["videos"] == 4
    assert -0.05 <= smooth["low"] < smooth["gain"] < smooth["high"] <= 0.15
    assert told(capsys, tmp_path, run=str(base), others=[str(executor)], out=str(tmp_path / "x"), **wanted)[0] == 2
