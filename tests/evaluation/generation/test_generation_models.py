"""The same path with tiny checkpoints of the other models: real classes, and pictures of real clips."""

import pytest

from evaluation.generation.generate_runs import generate
from evaluation.records import MANIFEST, VideoRecord, read_lines
from evaluation.videos import read_frames
from tests.evaluation.generation.conftest import Bench
from tests.models.video import tiny_video


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "sampler"), [("ltx2", "ode"), ("ltx2", "sde"), ("wan-held", "ode"), ("hunyuan15", "ode")]
)
def test_every_model_makes_videos_of_its_size(kind, sampler, bench: Bench, tmp_path, quiet):
    block = tiny_video.options_for(kind, tiny_video.BUILDERS[kind](tmp_path / "checkpoint"))
    options = bench.options(
        tmp_path / "run", model=block, samples=2, sampler={"kind": sampler, "steps": 2}, max_cut_share=1.0
    )
    assert generate(options, quiet).made == 2
    for record in read_lines(tmp_path / "run" / MANIFEST, VideoRecord):
        frames = read_frames(tmp_path / "run" / record.path, record.frames)
        assert frames.shape == (block["frames"], block["height"], block["width"], 3)
        assert record.fps == 24.0


def test_the_distilled_schedule_has_its_own_number_of_steps(bench: Bench, tmp_path, quiet):
    path = tiny_video.BUILDERS["ltx2"](tmp_path / "checkpoint")
    block = tiny_video.options_for("ltx2", path, ltx2={"schedule": "distilled"})
    options = bench.options(tmp_path / "run", model=block, samples=1, sampler={"steps": 8}, max_cut_share=1.0)
    assert generate(options, quiet).made == 1


@pytest.mark.slow
def test_published_pictures_of_any_size_are_fitted(shared_data, tmp_path, quiet):
    images = shared_data / "worldtasks_images"
    folder = tmp_path / "benchmark"
    (folder / "bench").mkdir(parents=True)
    (folder / "bench" / "images").symlink_to(images)
    lines = [f'{{"image": "images/{path.name}", "task": "[First-person view]: Walk on."}}' for path in images.iterdir()]
    (folder / "bench" / "bench.jsonl").write_text("\n".join(lines))
    block = tiny_video.options_for("ltx2", tiny_video.BUILDERS["ltx2"](tmp_path / "checkpoint"))
    bench = Bench(folder, block)
    from evaluation.benchmarks.benchmark import BadBenchmark

    with pytest.raises(BadBenchmark, match="leaves"):
        generate(bench.options(tmp_path / "run"), quiet)
    (folder / "bench" / "images").unlink()
    (folder / "bench" / "images").mkdir()
    for path in images.iterdir():
        (folder / "bench" / "images" / path.name).write_bytes(path.read_bytes())
    assert generate(bench.options(tmp_path / "run", max_cut_share=1.0), quiet).made == len(lines)
