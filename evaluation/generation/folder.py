"""A run's folder while its videos are made: what is asked of it, what it has, what is left; resumed after any end.

    .generation.sqlite     the journal: a VideoRecord for each video that is finished or failed, and a VLM's solutions

A video is finished when its file is in place and journaled. The manifest is only written whole.
"""

import shutil
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from evaluation.benchmarks.benchmark import Benchmark
from evaluation.generation.names import video_id, video_paths
from evaluation.generation.options import GenerateOptions
from evaluation.generation.run_record import MADE_ON, ChangedRun, refuse_changes
from evaluation.generation.writing import Solution, write_solutions
from evaluation.images import UnreadableImage, read_image
from evaluation.records import (
    IMAGE_MISSING,
    MANIFEST,
    OK,
    RUN,
    SAMPLES,
    VIDEOS,
    RunRecord,
    Sample,
    VideoRecord,
    make,
    read_one,
    write_lines,
    write_one,
)
from storage.files import confined, exclusive, sha256_bytes, sha256_file, sweep
from storage.journal import Journal

JOURNAL, LOCK = ".generation.sqlite", ".generation.lock"


@dataclass(frozen=True)
class Job:
    """A video to be made."""

    sample: Sample
    seed: int
    path: str
    prompt: str
    image: Path
    image_sha256: str
    vlm_seconds: float = 0.0

    @property
    def video_id(self) -> str:
        return video_id(self.sample.sample_id, self.seed)

    def made(self, sha256: str, frames: int, height: int, width: int, fps: float, **measured: Any) -> VideoRecord:
        """The record of its video's file; `measured`: further fields of VideoRecord."""
        told = (self.video_id, self.sample.sample_id, self.seed, self.path, self.prompt, self.image_sha256)
        return VideoRecord(*told, sha256, frames, height, width, fps, **measured)

    def failed(self, why: str) -> VideoRecord:
        return VideoRecord(
            self.video_id,
            self.sample.sample_id,
            self.seed,
            self.path,
            self.prompt,
            self.image_sha256,
            vlm_seconds=self.vlm_seconds,
            failure=why,
        )


class RunFolder:
    """The folder of one run. Hold its lock (LOCK) around everything. `pending` is filled by `plan`."""

    def __init__(self, options: GenerateOptions, benchmark: Benchmark, record: RunRecord):
        self.options, self.benchmark, self.record = options, benchmark, record
        self.folder = Path(options.output)
        self.here = {"hardware": record.hardware, "batch": options.batch}
        self.samples = benchmark.samples[: options.samples]
        self.pending: list[Job] = []
        self.finished: dict[str, VideoRecord] = {}
        self.failures: dict[str, VideoRecord] = {}
        self.journal: Journal

    def open(self, tell: Callable[[str], None]) -> None:
        """Takes the folder, or finds its own run there.

        Raises ChangedRun when it holds another, which `replace` removes instead, telling what differs.
        """
        if (self.folder / RUN).exists():
            before = read_one(self.folder / RUN, RunRecord)
            try:
                refuse_changes(before, self.record, self.folder)
                self._made_on(before.extra.get(MADE_ON, []))
            except ChangedRun as changed:
                if not self.options.replace:
                    raise
                tell("\n".join([*str(changed).splitlines()[:-1], "It is removed (replace)"]))
                empty(self.folder)
        write_one(self.folder / RUN, self.record)
        write_lines(self.folder / SAMPLES, self.samples)
        self.journal = Journal(self.folder / JOURNAL)
        if (self.folder / VIDEOS).is_dir():
            sweep(self.folder / VIDEOS)  # what a killed writer left

    def plan(self) -> None:
        """Sorts what is asked into finished, pending and failed; a VLM writes the prompts that are missing."""
        images = {sample.sample_id: _look(self.benchmark.folder, sample) for sample in self.samples}
        prompts = self._prompts(images)
        for sample, seed, path in video_paths(self.samples, self.options.seeds):
            image, sha256, wrong = images[sample.sample_id]
            told = prompts[sample.sample_id]
            job = Job(sample, seed, path, told.text, image, sha256, told.seconds)
            done = self._done(job)
            if wrong or told.failure:
                self.failures[job.video_id] = job.failed(wrong or told.failure)
            elif done is not None:
                (self.failures if done.failure else self.finished)[job.video_id] = done
            else:
                self.pending.append(job)

    def finish(self, record: VideoRecord) -> None:
        """Keeps a video whose file is in place, after where and in which batches it was made."""
        if self.here not in self.record.extra[MADE_ON]:
            self._made_on([*self.record.extra[MADE_ON], self.here])
            write_one(self.folder / RUN, self.record)
        self.journal.put(f"video/{record.video_id}", asdict(record))
        self.finished[record.video_id] = record

    def fail(self, job: Job, why: str) -> None:
        """Keeps why a video could not be made: the same options come to the same, so that it is not tried again."""
        record = job.failed(why)
        self.journal.put(f"video/{record.video_id}", asdict(record))
        self.failures[record.video_id] = record

    def write_manifest(self) -> list[VideoRecord]:
        """One record a video, in the benchmark's order. Raises KeyError when one is neither finished nor failed."""
        known = self.finished | self.failures
        ids = [video_id(sample.sample_id, seed) for sample in self.samples for seed in self.options.seeds]
        records = [known[one] for one in ids]
        write_lines(self.folder / MANIFEST, records)
        return records

    def _made_on(self, places: list[dict[str, Any]]) -> None:
        """Notes where the run's videos were made, `places`, in the order of their first ones."""
        extra, notes = self.record.extra | {MADE_ON: places}, self.options.notes
        if len(places) > 1:
            told = "; ".join(f"{one['hardware']}, {one['batch']} at once" for one in places)
            notes = (*notes, f"Seconds a video of run {self.record.name} were not all measured alike: {told}")
        machine = places[-1]["hardware"] if places else self.record.hardware
        self.record = replace(self.record, extra=extra, notes=notes, hardware=machine)

    def _prompts(self, images: Mapping[str, tuple[Path, str, str]]) -> dict[str, Solution]:
        match self.options.conditioning:
            case "task":
                return {sample.sample_id: Solution(sample.task) for sample in self.samples}
            case "demonstrator":
                missing = "no_solution: the benchmark has none for this sample"
                told = {s.sample_id: Solution(s.solution, failure=OK if s.solution else missing) for s in self.samples}
                if all(solution.failure for solution in told.values()):
                    raise ValueError(
                        f"conditioning demonstrator needs solutions, but no sample of {self.benchmark.name} has one "
                        "(the authors' layout has none): use conditioning vlm, or a release of this project"
                    )
                return told
        asked = {s.sample_id: (s.task, images[s.sample_id][0]) for s in self.samples if not images[s.sample_id][2]}
        unseen = {s.sample_id: Solution() for s in self.samples}
        return unseen | write_solutions(asked, self.options.writer, self.journal)

    def _done(self, job: Job) -> VideoRecord | None:
        """The journaled record, when it was made of the same and its file, if there was one, is as it was written."""
        kept = self.journal.get(f"video/{job.video_id}")
        if kept is None:
            return None
        record = make(kept, VideoRecord)
        path = confined(self.folder, record.path)
        same = (record.path, record.prompt, record.image_sha256) == (job.path, job.prompt, job.image_sha256)
        there = bool(record.failure) or (path.is_file() and sha256_file(path) == record.sha256)
        return record if same and there else None


def empty(folder: Path) -> None:
    """Removes a run, when nobody judges it any more; run.json last, so that one that was cut off is known for a run.

    Locks stay: one that was removed would let a second process in beside its holder.
    """
    locks = sorted(folder.glob(".*.lock"))
    with ExitStack() as stack:
        for lock in locks:
            if lock.name != LOCK:  # which is held
                stack.enter_context(exclusive(lock))
        for path in sorted(folder.iterdir(), key=lambda path: path.name == RUN):
            if path not in locks:
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _look(folder: Path, sample: Sample) -> tuple[Path, str, str]:
    """(path, SHA-256, what is wrong with it or "") of a sample's image."""
    path = confined(folder, sample.image)
    try:
        data = path.read_bytes()
    except OSError as error:
        return path, "", f"{IMAGE_MISSING}: {sample.image}: {error.strerror}"
    try:
        read_image(data)
    except UnreadableImage as error:
        return path, sha256_bytes(data), f"image_unreadable: {sample.image}: {error}"
    return path, sha256_bytes(data), OK
