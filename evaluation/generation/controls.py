"""Control runs: videos that no model made, so that a reader sees what doing nothing, or another task, earns.

frozen: the first frame throughout. shuffled: the video that another run made for another task and picture. truth: the
task done, drawn (microworld alone). None loads a model, and no seconds are kept: they would mean nothing.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.benchmarks.benchmark import BadBenchmark
from evaluation.generation.folder import Job, RunFolder
from evaluation.generation.options import GenerateOptions
from evaluation.generation.sources import MicroworldSource
from evaluation.images import read_image
from evaluation.records import MANIFEST, RUN, SAMPLES, RunRecord, Sample, VideoRecord, read_lines, read_one
from evaluation.videos import write_video
from models.video.protocol import VideoShape
from storage.files import confined, sha256_bytes, sha256_file
from storage.links import link_or_copy

Pixels = Callable[[Job], np.ndarray]


def described(options: GenerateOptions) -> dict[str, Any]:
    """What decides a control's videos, for run.json. Raises FileNotFoundError where the run to shuffle is not there."""
    if options.control != "shuffled":
        return {"kind": options.control}
    folder = Path(options.control_of)
    if not (folder / MANIFEST).is_file():
        raise FileNotFoundError(
            f"control run {options.run_name!r} shuffles the videos of {folder.name!r}, and {folder / MANIFEST} is not "
            "there: generate that run first, or name it in the same recipe"
        )
    videos = sorted(f"{one.video_id} {one.sha256}" for one in read_lines(folder / MANIFEST, VideoRecord))
    name = read_one(folder / RUN, RunRecord).name
    return {"kind": "shuffled", "of": name, "videos": sha256_bytes("\n".join(videos).encode())}


def make_control(folder: RunFolder) -> None:
    """Makes the pending videos of a control run. Raises BadBenchmark where the control cannot be had."""
    options = folder.options
    shape = VideoShape(options.model.frames, options.model.height, options.model.width, options.model.fps)
    if options.control == "shuffled":
        others = _others(folder)
        for job in folder.pending:
            _take(folder, job, others.get(job.video_id))
        return
    pixels = _truth(options, shape) if options.control == "truth" else _frozen(shape)
    for job in folder.pending:
        path = folder.folder / job.path
        height, width = write_video(path, pixels(job), shape.fps)
        folder.finish(job.made(sha256_file(path), shape.frames, height, width, shape.fps))


def _frozen(shape: VideoShape) -> Pixels:
    from models.video.pixels import fit

    def pixels(job: Job) -> np.ndarray:
        return np.repeat(fit(read_image(job.image.read_bytes()), shape)[None], shape.frames, axis=0)

    return pixels


def _truth(options: GenerateOptions, shape: VideoShape) -> Pixels:
    from microworld.held_out import held_out_tasks
    from microworld.render import render_batch
    from models.video.pixels import fit

    source = options.benchmark
    if not isinstance(source, MicroworldSource):
        raise BadBenchmark(f"control truth: the benchmark {source.kind} has no drawn videos; microworld is expected")
    known = {one.task_id: one for one in held_out_tasks(source.tasks, source.seed, source.unseen_share)}

    def pixels(job: Job) -> np.ndarray:
        one, size = known[job.sample.sample_id], min(shape.height, shape.width)
        drawn = render_batch([one.scene], [one.task.program], shape.frames, size)[0]
        return np.stack([fit(frame, shape) for frame in drawn])

    return pixels


def _others(folder: RunFolder) -> dict[str, VideoRecord]:
    """video id -> the video of the next sample that has another task and another picture, of the same seed."""
    source = Path(folder.options.control_of)
    made = [one for one in read_lines(source / MANIFEST, VideoRecord) if not one.failure]
    told: dict[str, Sample] = {one.sample_id: one for one in read_lines(source / SAMPLES, Sample)}
    found: dict[str, VideoRecord] = {}
    for job in folder.pending:
        same_seed = [one for one in made if one.seed == job.seed]
        start = next((n for n, one in enumerate(same_seed) if one.sample_id == job.sample.sample_id), 0)
        for one in [*same_seed[start + 1 :], *same_seed[:start]]:
            other = told[one.sample_id]
            if other.task != job.sample.task and one.image_sha256 != job.image_sha256:
                found[job.video_id] = one
                break
    return found


def _take(folder: RunFolder, job: Job, other: VideoRecord | None) -> None:
    if other is None:
        folder.fail(job, "no_other_task: the shuffled run has no video of another task and picture with this seed")
        return
    target = folder.folder / job.path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    link_or_copy(confined(Path(folder.options.control_of), other.path), target)
    folder.finish(job.made(sha256_file(target), other.frames, other.height, other.width, other.fps))
