"""VBench-I2V: videos with the pictures that they were made of, as its custom input pairs them, and its results."""

import json
import os
import re
import shlex
from pathlib import Path

import cv2
import numpy as np
import pytest

from evaluation.benchmarks.vbench import __main__ as command
from stats.bootstrap import percentiles, resampled_means
from tests.evaluation.benchmarks import given_rig

IDS = ("gr1_object-12", "gr1_object-13", "split/task/00000", "a.b", "12")
WANTED = ["i2v_subject", "i2v_background"]


def told(capsys, tmp_path, **options) -> tuple[int, str, str]:
    """(exit status, standard output, standard error) of the command."""
    config = tmp_path / "config.json"
    config.write_text(json.dumps(options))
    status = command.main(["--config", str(config)])
    return (status, *capsys.readouterr())


def official_pairs(videos: Path, images: Path) -> dict[str, Path]:
    """Video's file name -> its picture, as `build_full_info_json` of VBench finds it for custom input."""
    pictures = {os.path.splitext(name)[0]: images / name for name in os.listdir(images)}
    return {name: pictures[re.sub(r"-\d+$", "", Path(name).stem)] for name in os.listdir(videos) if name.endswith("4")}


def scored(place: Path, subject: list[float], background: list[float]) -> dict:
    """What the official tool writes about an export: one file with both dimensions."""
    pairs = sorted(official_pairs(place / "videos", place / "images").items())
    whole = {}
    for name, scores in (("i2v_subject", subject), ("i2v_background", background)):
        rows = [
            {"image_path": str(image), "video_path": str(place / "videos" / video), "video_results": score}
            for (video, image), score in zip(pairs, scores, strict=True)
        ]
        whole[name] = [sum(scores) / len(scores), rows]
    return whole


def written(place: Path, whole: dict) -> None:
    (place / "results").mkdir(exist_ok=True)
    (place / "results" / "results_2026-01-01-10:00:00_eval_results.json").write_text(json.dumps(whole))


def exported(capsys, tmp_path, ids=IDS, name="run") -> Path:
    run, benchmark, _ = given_rig.run(tmp_path, ids, name)
    status, _, said = told(capsys, tmp_path, step="export", run=str(run), dimensions=WANTED, benchmark=str(benchmark))
    assert status == 0 and f"{len(ids)} videos with their pictures" in said
    return run


def test_the_official_tool_pairs_every_video_with_its_own_picture(capsys, tmp_path):
    run = exported(capsys, tmp_path)
    place = run / "vbench" / "i2v"
    manifest = [json.loads(line) for line in (place / "videos" / "manifest.jsonl").read_text().splitlines()]
    pairs = official_pairs(place / "videos", place / "images")
    assert len(pairs) == len(IDS) == len(set(pairs.values()))
    for one in manifest:
        picture = cv2.imread(str(pairs[one["path"]]))  # BGR
        assert picture.shape == (given_rig.HEIGHT, given_rig.WIDTH, 3)  # as the model was given it
        assert picture[0, 0].tolist() == [100, 0, IDS.index(one["sample_id"]) + 1]
    assert not (run / "vbench" / "videos").exists()  # nothing of VBench itself was asked for


def test_the_command_is_the_official_scripts_in_custom_input(capsys, tmp_path):
    run, benchmark, _ = given_rig.run(tmp_path, ["x"])
    wanted = ["imaging_quality", *WANTED]
    _, out, _ = told(capsys, tmp_path, step="export", run=str(run), dimensions=wanted, benchmark=str(benchmark))
    plain, i2v = map(shlex.split, out.splitlines())
    assert plain[:2] == ["vbench", "evaluate"] and i2v[:2] == ["python", "evaluate_i2v.py"]
    assert i2v[i2v.index("--mode") + 1] == "custom_input" and i2v[-3:] == ["--dimension", *WANTED]
    assert i2v[i2v.index("--custom_image_folder") + 1] == str(run.resolve() / "vbench" / "i2v" / "images")


def test_its_results_are_read_with_n_and_intervals(capsys, tmp_path):
    run = exported(capsys, tmp_path)
    subject, background = [0.9, 0.8, 0.95, 0.7, 0.85], [0.99, 0.97, 0.98, 0.96, 1.0]
    written(run / "vbench" / "i2v", scored(run / "vbench" / "i2v", subject, background))
    status, out, _ = told(capsys, tmp_path, step="table", run=str(run), dimensions=WANTED)
    assert status == 0 and "| i2v_subject | 0.840 [" in out
    made = json.loads((run / "vbench" / "table.json").read_text())["rows"]
    for row, values in zip(made, (subject, background), strict=True):
        low, high = percentiles(resampled_means(np.array(values)[:, None], np.ones((5, 1)))[:, 0])
        assert row["videos"] == 5 and row["mean"] == pytest.approx(sum(values) / 5)
        assert (row["low"], row["high"]) == pytest.approx((low, high), abs=1e-9) and low < row["mean"] < high


def test_runs_are_compared_video_by_video(capsys, tmp_path):
    base, executor = (exported(capsys, tmp_path, ("a-1", "a-2", "b"), name) for name in ("base", "executor"))
    written(base / "vbench" / "i2v", scored(base / "vbench" / "i2v", [0.5, 0.6, 0.7], [0.9, 0.9, 0.9]))
    written(executor / "vbench" / "i2v", scored(executor / "vbench" / "i2v", [0.6, 0.8, 0.7], [0.9, 0.9, 0.9]))
    options = {"step": "table", "run": str(base), "others": [str(executor)], "dimensions": WANTED}
    assert told(capsys, tmp_path, **options)[0] == 0
    subject, background = json.loads((base / "vbench" / "table.json").read_text())["compared"]
    assert subject["gain"] == pytest.approx(0.1) and subject["videos"] == 3 and background["gain"] == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda row: row.update(image_path="/images/a.png"), r"compared with '/images/a.png'.*a-1\.png"),
        (lambda row: row.pop("image_path"), "compared with None"),
        (lambda row: row.update(video_results=1.2), "must be a number from 0 to 1"),
    ],
)
def test_a_video_scored_against_another_picture_is_refused(capsys, tmp_path, change, said):
    run = exported(capsys, tmp_path, ("a-1", "a-2"))
    whole = scored(run / "vbench" / "i2v", [0.5, 0.6], [0.9, 0.9])
    change(whole["i2v_subject"][1][0])
    written(run / "vbench" / "i2v", whole)
    status, _, error = told(capsys, tmp_path, step="table", run=str(run), dimensions=WANTED)
    assert status == 1 and re.search(said, error)


def test_a_picture_that_was_not_given_is_refused(capsys, tmp_path):
    run, benchmark, samples = given_rig.run(tmp_path, ["x", "y"])
    options = {"step": "export", "run": str(run), "dimensions": WANTED}
    status, _, said = told(capsys, tmp_path, **options)
    assert status == 2 and "benchmark is not set" in said
    (benchmark / samples[1].image).write_bytes((benchmark / samples[0].image).read_bytes())
    status, _, said = told(capsys, tmp_path, benchmark=str(benchmark), **options)
    assert status == 1 and "y-s0 was made of a picture with" in said
    (benchmark / samples[1].image).unlink()
    status, _, said = told(capsys, tmp_path, benchmark=str(benchmark), **options)
    assert status == 1 and "No such file" in said and "1.png" in said
