"""A run of generation: what it leaves, that it is resumed, what it refuses, what it records instead of a video."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace

import pytest

from evaluation.benchmarks.benchmark import BadBenchmark
from evaluation.generation import folder as run_folder
from evaluation.generation import generate_runs as generating
from evaluation.generation.folder import ChangedRun
from evaluation.generation.generate_runs import generate, generate_runs
from evaluation.generation.names import video_paths
from evaluation.generation.options import GenerateCommand
from evaluation.generation.writing import Solution
from evaluation.records import MANIFEST, RUN, SAMPLES, RunRecord, Sample, VideoRecord, read_lines, read_one
from evaluation.strips import strip_path
from evaluation.videos import read_frames, write_video
from storage.files import exclusive, sha256_file


def manifest(folder) -> list[VideoRecord]:
    return list(read_lines(folder / MANIFEST, VideoRecord))


def hashes(folder) -> list[str]:
    return [record.sha256 for record in manifest(folder)]


def alike(one, other) -> list[bool]:
    """Whether the videos of two runs are the same but for what the order of sums leaves open: a value off by 1 or 2."""
    both = [[read_frames(folder / r.path).astype(int) for r in manifest(folder)] for folder in (one, other)]
    return [abs(a - b).max() <= 2 and (a != b).mean() < 1e-3 for a, b in zip(*both, strict=True)]


@pytest.fixture
def unloadable(monkeypatch):
    """No model can be loaded any more."""
    import models.video.build_video_model

    def refuse(*_):
        raise AssertionError("a model was loaded")

    return lambda: monkeypatch.setattr(models.video.build_video_model, "build_video_model", refuse)


def test_a_run_leaves_its_record_its_samples_its_videos_and_a_manifest(bench, tmp_path, quiet):
    done = generate(bench.options(tmp_path / "run", seeds=[1, 5], role="base"), quiet)
    assert (done.videos, done.made, done.failures) == (6, 6, 0)
    records = manifest(tmp_path / "run")
    assert [(one.sample_id, one.seed) for one in records] == [(f"{n}_1", s) for n in range(3) for s in (1, 5)]
    assert records[0].path == "videos/000000_Red_disc_Move_to_the_blue_frame_s1.mp4"
    for one in records:
        path = tmp_path / "run" / one.path
        assert sha256_file(path) == one.sha256 and (one.height, one.width, one.fps) == (256, 256, 4.0)
        assert read_frames(path, one.frames).shape == (8, 32, 32, 3)
        assert one.seconds > 0 and one.vlm_seconds == 0 and not one.failure
        assert strip_path(tmp_path / "run", one.sha256).read_bytes().startswith(b"\xff\xd8")
    assert len(set(hashes(tmp_path / "run"))) == 6
    record = read_one(tmp_path / "run" / RUN, RunRecord)
    assert (record.name, record.role, record.samples, record.seeds) == ("run", "base", 3, (1, 5))
    assert record.identity.startswith("wan:") and record.sampler == {"kind": "ode", "steps": 2}
    assert [s.agent for s in read_lines(tmp_path / "run" / SAMPLES, Sample)] == [
        "Red disc",
        "Green cross",
        "Purple square",
    ]


def test_a_finished_run_loads_nothing_and_makes_nothing(bench, tmp_path, quiet, unloadable):
    options = bench.options(tmp_path / "run")
    generate(options, quiet)
    before = (tmp_path / "run" / MANIFEST).read_bytes()
    unloadable()
    again = generate(options, quiet)
    assert (again.videos, again.made) == (3, 0)
    assert (tmp_path / "run" / MANIFEST).read_bytes() == before


def test_only_what_is_missing_or_damaged_is_made_again_and_comes_out_the_same(bench, tmp_path, quiet):
    options = bench.options(tmp_path / "run")
    generate(options, quiet)
    first = hashes(tmp_path / "run")
    one, two, _ = (tmp_path / "run" / record.path for record in manifest(tmp_path / "run"))
    one.unlink()
    two.write_bytes(two.read_bytes()[:-40])
    assert generate(options, quiet).made == 2
    assert hashes(tmp_path / "run") == first


def test_no_batch_decides_a_video(bench, tmp_path, quiet):
    for size in (1, 2, 3):
        generate(bench.options(tmp_path / f"batch {size}", name="run", batch=size), quiet)
    assert all(alike(tmp_path / "batch 1", tmp_path / "batch 2") + alike(tmp_path / "batch 1", tmp_path / "batch 3"))


class Clock:
    """Stands for the module `time`; what is timed moves it on."""

    def __init__(self):
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now

    monotonic = perf_counter


@pytest.fixture
def sampled(monkeypatch):
    """Every call of the sampler as (videos, whether it was a warm-up), on a clock: 10 s of sampling, 1 s of writing."""
    calls, clock, sample = [], Clock(), generating.sample_videos

    def sampling(model, jobs, sampler, steps=None):
        calls.append((len(jobs), steps is not None))
        clock.now += 10
        return sample(model, jobs, sampler, steps)

    def written(path, video, fps):
        clock.now += 1
        return write_video(path, video, fps)

    monkeypatch.setattr(generating, "time", clock)
    monkeypatch.setattr(generating, "sample_videos", sampling)
    monkeypatch.setattr(generating, "write_video", written)
    return calls


def test_seconds_are_a_share_of_the_batch_and_the_writing_after_a_warm_up(bench, tmp_path, quiet, sampled):
    generate(bench.options(tmp_path / "run", batch=2), quiet)
    assert sampled == [(1, True), (2, True), (2, False), (1, False)]
    assert [one.seconds for one in manifest(tmp_path / "run")] == [6.0, 6.0, 11.0]


def test_the_time_in_which_a_vlm_wrote_the_prompt_is_part_of_a_videos_seconds(
    bench, tmp_path, quiet, sampled, monkeypatch
):
    def told(asked, *_):
        return {name: Solution("Go.", seconds=5.0 + place) for place, name in enumerate(asked)}

    monkeypatch.setattr(run_folder, "write_solutions", told)
    generate(bench.options(tmp_path / "run", conditioning="vlm", batch=3), quiet)
    found = [(one.seconds, one.vlm_seconds) for one in manifest(tmp_path / "run")]
    assert found == [pytest.approx((10 / 3 + 1 + vlm, vlm)) for vlm in (5.0, 6.0, 7.0)]


def test_every_number_of_videos_at_once_is_warmed_up_before_it_is_timed(bench, tmp_path, quiet, sampled):
    generate(bench.options(tmp_path / "a"), quiet)
    (tmp_path / "a" / manifest(tmp_path / "a")[0].path).unlink()
    sampled.clear()
    generate_runs([bench.options(tmp_path / "a"), bench.options(tmp_path / "b", batch=3)], quiet)
    assert sampled == [(1, True), (1, False), (3, True), (3, False)]


def test_where_and_in_which_batches_videos_were_made_is_recorded(bench, tmp_path, quiet, monkeypatch):
    generate(bench.options(tmp_path / "run", notes=["mine"]), quiet)
    first = read_one(tmp_path / "run" / RUN, RunRecord)
    assert first.extra["made_on"] == [{"hardware": first.hardware, "batch": 2}] and first.notes == ("mine",)
    monkeypatch.setattr(run_folder, "hardware", lambda device: "another GPU")
    generate(bench.options(tmp_path / "run", notes=["mine"], batch=3), quiet)
    assert read_one(tmp_path / "run" / RUN, RunRecord) == first, "nothing was made there"
    (tmp_path / "run" / manifest(tmp_path / "run")[0].path).unlink()
    for _ in range(2):
        generate(bench.options(tmp_path / "run", notes=["mine"], batch=3), quiet)
        second = read_one(tmp_path / "run" / RUN, RunRecord)
        assert second.hardware == "another GPU"
        assert second.extra["made_on"] == [*first.extra["made_on"], {"hardware": "another GPU", "batch": 3}]
        mixed = f"not all measured alike: {first.hardware}, 2 at once; another GPU, 3 at once"
        assert second.notes[0] == "mine" and mixed in second.notes[1] and len(second.notes) == 2


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
        with pytest.raises(BadBenchmark, match=rf"'run' would be over .* samples .*: {wrong['expected']} are expected"):
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


def test_what_cannot_be_made_is_a_failure_with_a_reason(bench, tmp_path, quiet):
    rows = bench.lines()
    (bench.folder / "bench" / "images" / "0_1.png").write_bytes(b"\x89PNG\r\n\x1a\n no picture")
    (bench.folder / "bench" / "images" / "1_1.png").unlink()
    bench.write([rows[0], rows[1], rows[2] | {"solution": ""}])
    source = {"kind": "authors", "path": str(bench.folder), "missing_images": True}
    done = generate(bench.options(tmp_path / "run", benchmark=source, conditioning="demonstrator"), quiet)
    assert (done.videos, done.made, done.failures) == (3, 0, 3)
    kinds = [one.failure.partition(":")[0] for one in manifest(tmp_path / "run")]
    assert kinds == ["image_unreadable", "image_missing", "no_solution"]
    assert not any(one.sha256 for one in manifest(tmp_path / "run"))


def test_a_benchmark_without_any_solution_has_no_demonstrator(bench, tmp_path, quiet):
    bench.write([{key: row[key] for key in ("id", "task", "image")} for row in bench.lines()])
    with pytest.raises(ValueError, match="no sample of worldtasks has a solution"):
        generate(bench.options(tmp_path / "run", conditioning="demonstrator"), quiet)


def test_a_video_that_is_not_finite_is_a_failure_and_no_later_run_makes_it_again(
    bench, tmp_path, quiet, monkeypatch, unloadable
):
    from models.video.wan.adapter import Wan

    decode, noise = Wan.decode, Wan.noise

    def spoiled(self, seeds):
        states = noise(self, seeds)
        states[0, 0, 0, 0, 0] = float("nan")
        return states

    def checked(self, x):
        assert x.isfinite().all()
        return decode(self, x)

    monkeypatch.setattr(Wan, "noise", spoiled)
    monkeypatch.setattr(Wan, "decode", checked)
    done = generate(bench.options(tmp_path / "run"), quiet)
    assert (done.made, done.failures) == (1, 2)
    assert [one.failure.partition(":")[0] for one in manifest(tmp_path / "run")] == ["not_finite", "", "not_finite"]
    before = (tmp_path / "run" / MANIFEST).read_bytes()
    unloadable()
    again = generate(bench.options(tmp_path / "run"), quiet)
    assert (again.videos, again.made, again.failures) == (3, 0, 2)
    assert (tmp_path / "run" / MANIFEST).read_bytes() == before


HOSTILE = (
    "[../../etc]: ../../../passwd/..",
    "[<b>Agent</b>]: <script>alert('x')</script> & \"quotes\".",
    "[Agent]: " + "very " * 60 + "long.",
    "[\u00c9clair \u4e2d\u6587 \U0001f600]: \u0395\u03bb\u03bb\u03ac\u03b4\u03b1 \u202egnp.4pm.",
    "no grammar at all\nand two lines",
    "[-rf]: -rf *",
    "...",
)


def test_hostile_tasks_give_tame_names_and_come_back_whole(bench, tmp_path, quiet):
    image = bench.lines()[0]["image"]
    bench.write([{"id": f"../{n}", "task": task, "image": image} for n, task in enumerate(HOSTILE)])
    done = generate(bench.options(tmp_path / "run", batch=7), quiet)
    assert (done.made, done.failures) == (len(HOSTILE), 0)
    records = manifest(tmp_path / "run")
    assert [one.prompt for one in records] == list(HOSTILE)
    assert [one.sample_id for one in records] == [f"../{n}" for n in range(len(HOSTILE))]
    files = sorted(path.name for path in (tmp_path / "run" / "videos").iterdir())
    assert files == [one.path.removeprefix("videos/") for one in records]
    for name in files:
        assert name.isascii() and len(name) <= 160 and not set(name) & set("/\\<>&\"' \n:*")
    assert files[3].startswith("000003_Eclair_gnp_4pm") and files[6] == "000006.mp4"


def test_tasks_alike_have_files_apart():
    samples = [Sample(str(n), "i", "[A]: Go " + "on " * 100 + f"to {n}.", agent="A") for n in range(3)]
    paths = [path for *_, path in video_paths(samples, (0, 1))]
    assert len(set(paths)) == 6 and all(len(path) < 170 for path in paths)


def test_sde_is_drawn_from_the_sample_and_the_seed_alone(bench, tmp_path, quiet):
    sampler = {"kind": "sde", "steps": 3, "eta": 0.5}
    for name, size in (("a", 3), ("b", 1)):
        generate(bench.options(tmp_path / name, name="run", sampler=sampler, batch=size), quiet)
    generate(bench.options(tmp_path / "c", sampler={"kind": "ode", "steps": 3}), quiet)
    assert all(alike(tmp_path / "a", tmp_path / "b")) and not any(alike(tmp_path / "a", tmp_path / "c"))
    assert read_one(tmp_path / "a" / RUN, RunRecord).sampler == sampler


def test_a_damaged_record_is_named(bench, tmp_path, quiet):
    generate(bench.options(tmp_path / "run"), quiet)
    record = json.loads((tmp_path / "run" / RUN).read_text())
    (tmp_path / "run" / RUN).write_text(json.dumps(record | {"unknown": 1}))
    with pytest.raises(ValueError, match=r"run\.json: RunRecord: unknown fields \['unknown'\]"):
        generate(bench.options(tmp_path / "run"), quiet)


def test_options_are_strict(bench, tmp_path):
    with pytest.raises(ValueError, match="two runs with output"):
        GenerateCommand(runs=[bench.block(tmp_path / "run"), bench.block(tmp_path / "run")])
    for wrong in (
        {"seeds": [1, 1]},
        {"seeds": [-1]},
        {"seeds": []},
        {"name": "../x"},
        {"batch": 0},
        {"lora_revision": "main"},
        {"benchmark": {"kind": "nothing", "path": "x"}},
        {"sampler": {"steps": 0}},
        {"prompt": "x"},
    ):
        with pytest.raises(ValueError):
            bench.options(tmp_path / "run", **wrong)


def test_records_do_not_depend_on_when_they_are_made(bench, tmp_path, quiet):
    for name in ("a", "b"):
        generate(bench.options(tmp_path / name, name="run"), quiet)
    strip = [replace(one, seconds=0.0) for one in manifest(tmp_path / "a")]
    assert strip == [replace(one, seconds=0.0) for one in manifest(tmp_path / "b")]
