"""Exports: a run's videos under the names that DreamGen's own scripts read."""

import json
from pathlib import Path

import pytest

from evaluation.benchmarks.dreamgen import steps
from evaluation.benchmarks.dreamgen.options import DreamgenOptions
from evaluation.benchmarks.dreamgen.outputs import warnings
from evaluation.benchmarks.dreamgen.released import instruction, read_benchmark
from evaluation.benchmarks.named_videos import read_run
from tests.evaluation.benchmarks import layouts


def test_videos_come_under_the_benchmarks_names_with_a_manifest(dreamgen, tmp_path):
    _, samples = read_benchmark(dreamgen)
    folder = layouts.run(tmp_path / "run", samples, failed=["gr1_env-2"])
    report = steps.export_step(DreamgenOptions(step="export", run=folder, benchmark=dreamgen))
    place = folder / "dreamgen" / "videos"
    assert len(report.videos) == 8 and report.missing == ["gr1_env-2: refused: no prompt"]
    for one in report.videos:
        # What the benchmark's script makes of the name is the instruction.
        parsed = Path(one.path).stem.split("_", 1)[1].replace("_", " ")
        sample = next(sample for sample in samples if sample.sample_id == one.sample_id)
        assert parsed == instruction(sample) and (place / one.path).is_file()
    assert [one["prompt"] for one in map(json.loads, (place / "manifest.jsonl").read_text().splitlines())] == [
        sample.task for sample in samples[:8]
    ]
    batch = json.loads((folder / "dreamgen" / "batch_input.json").read_text())
    assert len(batch) == 9 and set(batch[0]) == {"input_video", "prompt", "output_video"}
    assert Path(batch[0]["input_video"]).is_file() and Path(batch[0]["output_video"]).is_file()


def test_a_second_export_leaves_no_video_of_the_first_behind(dreamgen, tmp_path):
    _, samples = read_benchmark(dreamgen)
    folder = layouts.run(tmp_path / "run", samples)
    first = steps.export_step(DreamgenOptions(step="export", run=folder))
    layouts.run(folder, samples[:4])
    steps.export_step(DreamgenOptions(step="export", run=folder))
    there = [one.path for one in first.videos if (folder / "dreamgen/videos" / one.path).exists()]
    assert there == [one.path for one in first.videos[:4]]


def test_a_path_that_the_scripts_misread_is_told(tmp_path):
    assert "hunyuan" in warnings(tmp_path / "HunyuanVideo-1.5", [])[0]


def test_a_video_that_changed_after_generation_is_refused(dreamgen, tmp_path):
    _, samples = read_benchmark(dreamgen)
    folder = layouts.run(tmp_path / "run", samples)
    (folder / "videos/0-0.mp4").write_bytes(b"another")
    with pytest.raises(ValueError, match="generate it again"):
        steps.export_step(DreamgenOptions(step="export", run=folder))


def test_several_seeds_want_a_choice(dreamgen, tmp_path):
    _, samples = read_benchmark(dreamgen)
    folder = layouts.run(tmp_path / "run", samples, seeds=(0, 1))
    with pytest.raises(ValueError, match=r"seeds \[0, 1\]"):
        read_run(folder)
    assert len(read_run(folder, 1).videos) == 9
