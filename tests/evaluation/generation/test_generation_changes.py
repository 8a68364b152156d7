"""What a run's folder is held to: another benchmark, model or number of samples is refused or told."""

import shutil
from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from evaluation.benchmarks.benchmark import BadBenchmark
from evaluation.generation import folder as run_folder
from evaluation.generation.generate_runs import generate, generate_runs
from evaluation.generation.run_record import ChangedRun
from evaluation.records import RUN, RunRecord, read_one
from storage.files import exclusive
from tests.evaluation.generation.left import alike, hashes, manifest


def test_a_run_that_is_replaced_is_told_with_what_differs_and_its_locks_stay(bench, tmp_path, quiet):
    generate(bench.options(tmp_path / "run"), quiet)
    lock, lines = tmp_path / "run" / ".judging.lock", []
    lock.touch()
    before = lock.stat().st_ino
    generate(bench.options(tmp_path / "run", seeds=[2], replace=True), lines.append)
    assert "seeds: [1] -> [2]" in lines[0] and "removed (replace)" in lines[0]
    assert lock.stat().st_ino == before
    assert [one.seed for one in manifest(tmp_path / "run")] == [2, 2, 2]


def test_a_run_is_not_removed_under_a_judge(bench, tmp_path, quiet):
    generate(bench.options(tmp_path / "run"), quiet)
    with ThreadPoolExecutor(1) as other:
        with exclusive(tmp_path / "run" / ".judging.lock"):
            removing = other.submit(run_folder.empty, tmp_path / "run")
            assert wait([removing], 0.3).not_done and manifest(tmp_path / "run")
        removing.result(60)
    assert [path.name for path in (tmp_path / "run").iterdir() if path.suffix != ".lock"] == []


def test_runs_share_a_model_and_the_noise_of_a_sample(bench, tmp_path, quiet, monkeypatch):
    """Where D is T, the Demonstrator's video is the base's: nothing else differs."""
    from models.video import build_video_model as building

    built, build = [], building.build_video_model
    monkeypatch.setattr(building, "build_video_model", lambda options: built.append(1) or build(options))
    base = bench.options(tmp_path / "base")
    demonstrator = bench.options(tmp_path / "demonstrator", conditioning="demonstrator", batch=1)
    generate_runs([base, demonstrator], quiet)
    assert len(built) == 1
    assert alike(tmp_path / "base", tmp_path / "demonstrator") == [False, True, False]
    assert [one.prompt for one in manifest(tmp_path / "demonstrator")][1] == bench.lines()[1]["task"]


def test_fewer_samples_are_the_benchmarks_first_with_the_same_videos(bench, tmp_path, quiet):
    generate(bench.options(tmp_path / "all"), quiet)
    generate(bench.options(tmp_path / "two", samples=2), quiet)
    assert hashes(tmp_path / "two") == hashes(tmp_path / "all")[:2]


def test_another_number_of_samples_than_expected_is_refused_before_anything_is_made(
    bench, tmp_path, quiet, monkeypatch, unloadable
):
    def write(*_):
        raise AssertionError("a VLM was asked")

    monkeypatch.setattr(run_folder, "write_solutions", write)
    unloadable()
    first = bench.options(tmp_path / "vlm", conditioning="vlm", expected=3)
    for wrong in ({"expected": 200}, {"expected": 200, "part": True}, {"expected": 3, "samples": 2}):
        with pytest.raises(BadBenchmark, match=rf"'run' would have .* samples .*`expected` is {wrong['expected']}"):
            generate_runs([first, bench.options(tmp_path / "run", **wrong)], quiet)
    assert not (tmp_path / "vlm" / RUN).exists()


def test_a_part_of_the_benchmark_and_a_point_of_a_curve_are_not_held_to_the_whole(bench, tmp_path, quiet):
    asked = {"samples": 2, "expected": 3}
    generate_runs(
        [bench.options(tmp_path / "part", part=True, **asked), bench.options(tmp_path / "point", step=5, **asked)]
    )
    part, point = (read_one(tmp_path / name / RUN, RunRecord) for name in ("part", "point"))
    assert (part.samples, part.part, part.aside) == (2, True, True) and (point.part, point.aside) == (False, True)
    whole = bench.options(tmp_path / "part", samples=2)  # asked for otherwise, with the same videos
    assert generate(whole, quiet).made == 0 and not read_one(tmp_path / "part" / RUN, RunRecord).part


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"seeds": [2]}, r"seeds: \[1\] -> \[2\]"),
        ({"sampler": {"steps": 3}}, "sampler.steps: 2 -> 3"),
        ({"sampler": {"steps": 2, "kind": "sde"}}, 'sampler.kind: "ode" -> "sde"'),
        ({"conditioning": "demonstrator"}, 'conditioning: "task" -> "demonstrator"'),
        ({"samples": 2}, "samples: 3 -> 2"),
    ],
)
def test_a_changed_run_in_the_same_folder_is_refused_with_what_differs(bench, tmp_path, quiet, change, told):
    generate(bench.options(tmp_path / "run"), quiet)
    with pytest.raises(ChangedRun, match=told):
        generate(bench.options(tmp_path / "run", **change), quiet)
    assert len(manifest(tmp_path / "run")) == 3


def test_another_benchmark_in_the_same_folder_is_refused(bench, tmp_path, quiet):
    generate(bench.options(tmp_path / "run"), quiet)
    rows = bench.lines()
    bench.write([rows[0] | {"task": "[Red disc]: Turn green."}, *rows[1:]])
    with pytest.raises(ChangedRun, match="benchmark_version"):
        generate(bench.options(tmp_path / "run"), quiet)


def test_labels_and_places_may_change(bench, tmp_path, quiet, tiny_model, unloadable):
    generate(bench.options(tmp_path / "run"), quiet)
    shutil.copytree(tiny_model["path"], tmp_path / "moved")
    moved = tiny_model | {"path": str(tmp_path / "moved"), "vae_batch": 2}
    unloadable()
    assert generate(bench.options(tmp_path / "run", role="base", step=20, batch=3, model=moved), quiet).made == 0
    assert read_one(tmp_path / "run" / RUN, RunRecord).step == 20
