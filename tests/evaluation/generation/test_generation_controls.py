"""Control runs: no model is loaded, videos are what the kind says, and a killed one goes on."""

import numpy as np
import pytest
from pydantic import ValidationError

from evaluation.benchmarks.benchmark import BadBenchmark
from evaluation.generation.generate_runs import generate, generate_runs
from evaluation.generation.run_record import ChangedRun
from evaluation.images import read_image
from evaluation.records import CONTROL, RUN, RunRecord, read_one
from evaluation.videos import read_frames
from tests.evaluation.generation.left import manifest

MICROWORLD = {"kind": "microworld", "tasks": 6, "seed": 3}


def frames(folder, record):
    return read_frames(folder / record.path, record.frames)


def test_a_frozen_control_shows_the_first_frame_throughout(bench, tmp_path, quiet, unloadable):
    unloadable()
    made = generate(bench.options(tmp_path / "frozen", control="frozen"), quiet)
    assert (made.made, made.failures) == (3, 0)
    for number, record in enumerate(manifest(tmp_path / "frozen")):
        video = frames(tmp_path / "frozen", record)
        first = read_image((bench.folder / "bench" / "images" / f"{number}_1.png").read_bytes())
        assert video.shape[0] == 8 and (video == video[0]).all()
        assert np.abs(video[0].astype(int) - first).mean() < 3
        assert record.seconds == 0
    record = read_one(tmp_path / "frozen" / RUN, RunRecord)
    assert record.extra[CONTROL] == {"kind": "frozen"} and record.identity == "control frozen"
    assert generate(bench.options(tmp_path / "frozen", control="frozen"), quiet).made == 0


def test_a_shuffled_control_shows_each_video_under_another_task(bench, tmp_path, quiet):
    base = bench.options(tmp_path / "base")
    control = bench.options(tmp_path / "shuffled", control="shuffled", control_of=base.output)
    generate_runs([control, base], quiet)  # whatever their order
    theirs = {one.sha256: one.sample_id for one in manifest(tmp_path / "base")}
    pairs = [(theirs[one.sha256], one.sample_id) for one in manifest(tmp_path / "shuffled")]
    assert sorted(ours for ours, _ in pairs) == sorted(theirs.values()) and all(a != b for a, b in pairs)


def test_a_shuffled_control_of_videos_that_were_made_anew_is_told(bench, tmp_path, quiet):
    base = bench.options(tmp_path / "base")
    control = bench.options(tmp_path / "shuffled", control="shuffled", control_of=base.output)
    generate_runs([base, control], quiet)
    generate(bench.options(tmp_path / "base", seeds=[1], sampler={"steps": 1}, replace=True), quiet)
    with pytest.raises(ChangedRun, match=r"extra\.control\.videos"):
        generate(control, quiet)


def test_a_video_of_the_same_task_or_picture_is_none_of_another(bench, tmp_path, quiet):
    rows = bench.lines()
    for row in rows:
        row["task"] = rows[0]["task"]
    bench.write(rows)
    base = bench.options(tmp_path / "base")
    control = bench.options(tmp_path / "shuffled", control="shuffled", control_of=base.output)
    assert generate_runs([base, control], quiet)[1].failures == 3
    assert all(one.failure.startswith("no_other_task") for one in manifest(tmp_path / "shuffled"))


def test_a_run_to_shuffle_that_is_not_there_is_named(bench, tmp_path, quiet):
    with pytest.raises(FileNotFoundError, match="'nowhere'"):
        generate(bench.options(tmp_path / "s", control="shuffled", control_of=str(tmp_path / "nowhere")), quiet)


def test_the_truth_does_the_tasks_before_the_exact_judge_and_frozen_does_none(bench, tmp_path, quiet, unloadable):
    from evaluation.judging.judge_runs import judge_runs
    from evaluation.judging.options import JudgingOptions
    from evaluation.records import Judgement, read_lines

    unloadable()
    block = MICROWORLD | {"path": str(tmp_path / "tasks")}
    shares = {}
    for kind in ("truth", "frozen"):
        generate(bench.options(tmp_path / kind, control=kind, benchmark=block), quiet)
        judge_runs([tmp_path / kind], JudgingOptions(questions=("task",)))
        told = [one.yes for one in read_lines(tmp_path / kind / "judgements.jsonl", Judgement)]
        shares[kind] = sum(told) / len(told)
    assert shares == {"truth": 1.0, "frozen": 0.0}


def test_a_benchmark_without_drawn_videos_has_no_truth(bench, tmp_path, quiet):
    with pytest.raises(BadBenchmark, match="microworld is expected"):
        generate(bench.options(tmp_path / "run", control="truth"), quiet)


@pytest.mark.parametrize(
    "wrong",
    [
        {"control": "shuffled"},
        {"control_of": "x"},
        {"control": "frozen", "lora": "x"},
        {"control": "frozen", "conditioning": "vlm"},
        {"control": "melted"},
    ],
)
def test_what_does_not_fit_a_control_is_refused(bench, tmp_path, wrong):
    with pytest.raises(ValidationError, match="control"):
        bench.options(tmp_path / "run", **wrong)
