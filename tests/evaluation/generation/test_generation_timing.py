"""The seconds of a video: a share of its batch, after a warm-up, with the time of the VLM that wrote its prompt."""

import pytest

from evaluation.generation import folder as run_folder
from evaluation.generation import generate_runs as generating
from evaluation.generation import run_record
from evaluation.generation.generate_runs import generate, generate_runs
from evaluation.generation.writing import Solution
from evaluation.records import RUN, RunRecord, read_one
from evaluation.videos import write_video
from tests.evaluation.generation.left import manifest


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
    monkeypatch.setattr(run_record, "hardware", lambda device: "another GPU")
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
