"""A run of generation: what it leaves, and that what is there is not made again."""

import pytest

from evaluation.generation.generate_runs import generate
from evaluation.records import MANIFEST, RUN, SAMPLES, RunRecord, Sample, read_lines, read_one
from evaluation.strips import strip_path
from evaluation.videos import read_frames
from storage.files import sha256_file
from tests.evaluation.generation.left import alike, hashes, manifest


@pytest.mark.slow
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


@pytest.mark.slow
def test_no_batch_decides_a_video(bench, tmp_path, quiet):
    for size in (1, 2, 3):
        generate(bench.options(tmp_path / f"batch {size}", name="run", batch=size), quiet)
    assert all(alike(tmp_path / "batch 1", tmp_path / "batch 2") + alike(tmp_path / "batch 1", tmp_path / "batch 3"))
