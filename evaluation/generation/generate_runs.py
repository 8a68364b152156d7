"""Runs of generation: several may share one loaded model, and each goes on where it was."""

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.generation.controls import described as describe_control
from evaluation.generation.controls import make_control
from evaluation.generation.cutting import check_cut, known_cut, picture_sizes
from evaluation.generation.first_frame import WINDOW, ssim
from evaluation.generation.folder import LOCK, Job, RunFolder
from evaluation.generation.options import GenerateOptions, JudgeAhead
from evaluation.generation.run_record import check_expected, run_record
from evaluation.generation.sampling import sample_videos
from evaluation.generation.sources import open_benchmark
from evaluation.images import read_image
from evaluation.records import RunRecord
from evaluation.strips import keep_strip
from evaluation.videos import write_video
from models.vlm.preflight import Needs, preflight
from storage.files import exclusive, sha256_file

if TYPE_CHECKING:
    import numpy as np

    from models.video.lora import LoRA
    from models.video.protocol import VideoShape

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Generated:
    """What came of a run: `videos` asked for, `made` by this call, `failures` that its manifest holds."""

    folder: Path
    record: RunRecord
    videos: int
    made: int
    failures: int


def to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def generate(options: GenerateOptions, tell: Tell = to_stderr) -> Generated:
    """One run; see `generate_runs`."""
    return generate_runs([options], tell)[0]


def generate_runs(
    runs: Sequence[GenerateOptions], tell: Tell = to_stderr, judges: Sequence[JudgeAhead] = ()
) -> list[Generated]:
    """Makes what each run still lacks, and writes its manifest; the result of each, in the order given.

    Runs with the same options of the model share it: it is loaded once, and each puts its LoRA on and takes it off
    again. First every VLM writes its prompts and is closed, then the models are loaded, one at a time, so that both
    need not fit into memory together. A run that is finished loads nothing. Where a video is to be made, the servers
    of the `judges` that will be asked about it are asked a question first.

    Raises NotReady for a server that cannot answer, ChangedRun, BadBenchmark (CutAway), BadLoRA, TooManyFailures,
    FileNotFoundError and what the model's loading raises; what is finished by then stays.
    """
    known, sizes, cut = {}, {}, {}
    with ExitStack() as stack:
        for output in sorted({str(Path(options.output).absolute()) for options in runs}):
            stack.enter_context(exclusive(Path(output) / LOCK))
        for options in runs:  # all of them, before a VLM writes for the first
            if options.benchmark not in known:
                known[options.benchmark] = open_benchmark(options.benchmark)
            benchmark = known[options.benchmark]
            check_expected(options, benchmark)
            cut[options.output] = known_cut(options, benchmark)
            if cut[options.output] is None:
                if options.benchmark not in sizes:
                    sizes[options.benchmark] = picture_sizes(benchmark)
                cut[options.output] = check_cut(options, benchmark, sizes[options.benchmark])
        modelled = [options for options in runs if not options.control]
        prepared = [_prepare(options, known, cut[options.output], stack, tell) for options in modelled]
        for judge in judges if any(folder.pending for folder, _ in prepared) else ():
            preflight(judge.vlm, Needs(yes_no=judge.frames))
        done: dict[str, Generated] = {}
        for model in dict.fromkeys(options.model for options in modelled):
            sharing = [one for one in prepared if one[0].options.model == model]
            done |= _make(sharing, tell)
        for options in runs:  # last: a control may be made of the videos of a run of the same call
            if options.control:
                folder, _ = _prepare(options, known, cut[options.output], stack, tell)
                make_control(folder)
                done[options.output] = _finish(folder, tell)
        return [done[options.output] for options in runs]


def _prepare(
    options: GenerateOptions, known: dict[Any, Any], cut: dict[str, Any], stack: ExitStack, tell: Tell
) -> tuple[RunFolder, "LoRA | None"]:
    """The run's folder with its plan, and its LoRA. `known`: benchmarks and identities that were looked at before."""
    from models.video.build_video_model import identify
    from models.video.lora import find_lora

    if options.model not in known:
        known[options.model] = identify(options.model)
    benchmark = known[options.benchmark]
    lora = find_lora(options.lora, options.lora_revision) if options.lora else None
    told = (lora.source, lora.sha256) if lora else ("", "")
    controls = describe_control(options) if options.control else {}
    folder = RunFolder(options, benchmark, run_record(options, benchmark, known[options.model], told, cut, controls))
    folder.open(tell)
    stack.callback(folder.journal.close)
    folder.plan()
    counts = f"{len(folder.finished)} finished, {len(folder.pending)} to make, {len(folder.failures)} failed"
    tell(f"{options.run_name}: {benchmark.name} {benchmark.version}, {counts}")
    return folder, lora


def _make(sharing: Sequence[tuple[RunFolder, "LoRA | None"]], tell: Tell) -> dict[str, Generated]:
    """Makes the pending videos of runs that share a model, and finishes each run; results by output folder."""
    from models.video.build_video_model import build_video_model
    from models.video.lora import wearing

    done = {folder.options.output: _finish(folder, tell) for folder, _ in sharing if not folder.pending}
    left = [one for one in sharing if one[0].pending]
    model = build_video_model(left[0][0].options.model) if left else None
    warm: set[int] = set()
    for folder, lora in left:
        options, jobs = folder.options, folder.pending
        with wearing(model.transformer, lora):
            for size in sorted({min(options.batch, len(jobs)), len(jobs) % options.batch} - {0} - warm):
                # Not counted: kernels are chosen for this many videos, memory is taken.
                sample_videos(model, jobs[:size], options.sampler, steps=1)
                warm.add(size)
            progress = _Progress(options.run_name, len(jobs), tell)
            for first in range(0, len(jobs), options.batch):
                batch = jobs[first : first + options.batch]
                _make_batch(model, folder, batch)
                progress.tell(first + len(batch))
        done[options.output] = _finish(folder, tell)
    return done


def _make_batch(model, folder: RunFolder, jobs: Sequence[Job]) -> None:
    began = time.perf_counter()
    videos, finite = sample_videos(model, jobs, folder.options.sampler)
    share = (time.perf_counter() - began) / len(jobs)
    for job, video, fine in zip(jobs, videos, finite, strict=True):
        if not fine:
            folder.fail(job, "not_finite: the sampler came to numbers that are none")
            continue
        began = time.perf_counter()
        path = folder.folder / job.path
        height, width = write_video(path, video, model.shape.fps)
        written, sha256 = time.perf_counter() - began, sha256_file(path)
        keep_strip(folder.folder, sha256, video)  # the report would have to decode every video for it
        folder.finish(
            job.made(
                sha256,
                len(video),
                height,
                width,
                model.shape.fps,
                seconds=share + written + job.vlm_seconds,
                vlm_seconds=job.vlm_seconds,
                first_frame_ssim=kept_picture(job, video[0], model.shape),
            )
        )


def kept_picture(job: Job, frame: "np.ndarray", shape: "VideoShape") -> float | None:
    """SSIM of a video's first frame uint8 [H, W, 3] and the picture that the model was given; None for tiny videos."""
    from models.video.pixels import fit

    given = fit(read_image(job.image.read_bytes()), shape)
    return round(ssim(given, frame), 6) if min(frame.shape[:2]) >= WINDOW else None


def _finish(folder: RunFolder, tell: Tell) -> Generated:
    records = folder.write_manifest()
    kinds = sorted({record.failure.partition(":")[0] for record in records if record.failure})
    failures = sum(bool(record.failure) for record in records)
    tell(
        f"{folder.options.run_name}: {len(records) - failures} videos in {folder.folder}"
        + (f", {failures} failed ({', '.join(kinds)})" if failures else "")
    )
    made = sum(job.video_id in folder.finished for job in folder.pending)
    return Generated(folder.folder, folder.record, len(records), made, failures)


class _Progress:
    """A line now and then: how many are made, how long each takes, how long it will take."""

    def __init__(self, name: str, total: int, tell: Tell, every_s: float = 5.0):
        self._name, self._total, self._tell, self._every_s = name, total, tell, every_s
        self._began = self._told = time.monotonic()

    def tell(self, done: int) -> None:
        now = time.monotonic()
        if now - self._told < self._every_s and done < self._total:
            return
        self._told = now
        each = (now - self._began) / done
        left = each * (self._total - done)
        self._tell(f"{self._name}: {done} of {self._total} videos, {each:.3g} s each, {left:.0f} s left")
