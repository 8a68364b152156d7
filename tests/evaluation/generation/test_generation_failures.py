"""What cannot be made is recorded instead of a video; hostile tasks and damaged records are told."""

import json
from dataclasses import replace

import pytest

from evaluation.generation.generate_runs import generate
from evaluation.generation.names import video_paths
from evaluation.generation.options import GenerateCommand
from evaluation.records import MANIFEST, RUN, RunRecord, Sample, read_one
from tests.evaluation.generation.left import alike, manifest


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
    with pytest.raises(ValueError, match="no sample of worldtasks has one"):
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


@pytest.mark.slow
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
    with pytest.raises(ValueError, match="two runs have the output"):
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
