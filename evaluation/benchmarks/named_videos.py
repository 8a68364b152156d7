"""A run's videos under the names that another benchmark's tools expect, with a manifest that needs no names."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from evaluation.records import (
    MANIFEST,
    RUN,
    SAMPLES,
    RunRecord,
    Sample,
    VideoRecord,
    read_lines,
    read_one,
    write_lines,
)
from storage.files import confined, sha256_file
from storage.links import link_or_copy

MOST_NAMED = 10  # of missing files in one message


@dataclass(frozen=True)
class Exported:
    """One line of the manifest of an export: `path` below the export's folder, and what it is a video of."""

    path: str
    sample_id: str
    group: str
    seed: int
    prompt: str
    task: str
    sha256: str
    run: str
    identity: str
    lora_sha256: str


@dataclass(frozen=True)
class Run:
    """A run's folder, read: its record, its samples by id in their order, and its videos of one seed by sample id."""

    folder: Path
    record: RunRecord
    samples: dict[str, Sample]
    videos: dict[str, VideoRecord]

    @property
    def missing(self) -> list[str]:
        """Samples without a video, in their order, each with the reason."""
        found = []
        for sample_id in self.samples:
            video = self.videos.get(sample_id)
            if video is None:
                found.append(f"{sample_id}: not generated")
            elif video.failure:
                found.append(f"{sample_id}: {video.failure}")
            elif not confined(self.folder, video.path).is_file():
                found.append(f"{sample_id}: {video.path} does not exist")
        return found


def read_run(folder: Path, seed: int | None = None) -> Run:
    """The run in `folder`, with the videos of `seed`: a benchmark's tools know one video a sample.

    Raises FileNotFoundError when it is none, ValueError when it has several seeds and none is chosen, no videos of the
    chosen one, two different videos of a sample, or videos of samples that it does not know.
    """
    record = read_one(folder / RUN, RunRecord)
    samples = {sample.sample_id: sample for sample in read_lines(folder / SAMPLES, Sample)}
    if not samples:
        raise ValueError(f"{folder / SAMPLES} has no samples: a run has one a line")
    if seed is None:
        if len(record.seeds) != 1:
            raise ValueError(f"{folder} has videos of seeds {list(record.seeds)}: choose one with the option seed")
        seed = record.seeds[0]
    elif seed not in record.seeds:
        raise ValueError(f"seed {seed}: {folder} only has videos of seeds {list(record.seeds)}")
    videos: dict[str, VideoRecord] = {}
    for video in read_lines(folder / MANIFEST, VideoRecord):
        if video.seed != seed or videos.get(video.sample_id) == video:
            continue
        if video.sample_id in videos or video.sample_id not in samples:
            what = "two videos of" if video.sample_id in videos else "a video of the unknown"
            raise ValueError(f"{folder / MANIFEST}: {what} sample {video.sample_id!r}, seed {seed}")
        videos[video.sample_id] = video
    return Run(folder, record, samples, videos)


def read_other(folder: Path, seed: int | None, first: Run) -> Run:
    """`read_run` of a run that is compared with `first`. Raises ValueError also where their samples differ."""
    run = read_run(folder, seed)
    if run.record.benchmark_version != first.record.benchmark_version:
        raise ValueError(f"{run.record.name} and {first.record.name} are of different samples: not comparable")
    return run


def export(run: Run, out: Path, name: Callable[[Sample], str]) -> list[Exported]:
    """Puts the videos of `run` below `out` as `name(sample)` says, by hard link or copy, and writes `manifest.jsonl`.

    Videos that the run does not have are left out: see `Run.missing`. What an earlier export of the same folder left is
    replaced, and its videos that this one has not are removed, so that a tool which takes every file sees no strangers.
    Raises ValueError for a name that leaves `out` or comes twice, or a video whose content is not that of its record.
    """
    rows, taken = [], {}
    earlier = {one.path for one in read_lines(out / MANIFEST, Exported)}
    for sample_id, video in run.videos.items():
        source = confined(run.folder, video.path)
        if video.failure or not source.is_file():
            continue
        if video.sha256 and sha256_file(source) != video.sha256:
            raise ValueError(f"{source} has changed since the run's manifest was written: generate it again")
        relative = name(run.samples[sample_id])
        if relative in taken:
            raise ValueError(f"{relative!r} is the name of two videos, of {taken[relative]} and {sample_id}")
        taken[relative] = sample_id
        target = confined(out, relative)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        link_or_copy(source, target)
        sample = run.samples[sample_id]
        record = run.record
        rows.append(
            Exported(
                relative,
                sample_id,
                sample.group,
                video.seed,
                video.prompt,
                sample.task,
                video.sha256,
                record.name,
                record.identity,
                record.lora_sha256,
            )
        )
    for stale in earlier - taken.keys():
        confined(out, stale).unlink(missing_ok=True)
    out.mkdir(parents=True, exist_ok=True)
    write_lines(out / MANIFEST, rows)
    return rows


def listed(names: Iterable[str], most: int = MOST_NAMED) -> str:
    """The first names of many, and how many more there are."""
    names = list(names)
    return "; ".join(names[:most]) + (f"; and {len(names) - most} more" if len(names) > most else "")
