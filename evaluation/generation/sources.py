"""Where the samples of a run come from: options, and the benchmark that they name."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from evaluation.benchmarks.benchmark import Benchmark
from storage.options import Options


class ReleaseSource(Options):
    """The benchmark split of a release of ours."""

    kind: Literal["release"] = "release"
    path: str = Field(min_length=1, description="Folder of the release, e.g. data/NAME/published/latest.")
    extracted: str = Field("", description="Folder for pictures that the release does not hold as files.")
    collection: str = Field("", description="Folder of the collection, for frames that the release may not contain.")
    missing_images: bool = Field(False, description="Continue when pictures are missing. Their videos count as failed.")


class AuthorsSource(Options):
    """The layout of the published benchmark."""

    kind: Literal["authors"] = "authors"
    path: str = Field(min_length=1, description="Folder that holds bench/.")
    file: str = Field("bench/bench.jsonl", min_length=1, description="JSONL file below it.")
    missing_images: bool = Field(False, description="Continue when images are missing. Their videos fail.")


class MicroworldSource(Options):
    """The microworld's held-out tasks; the same options as training's held-out split give the same tasks."""

    kind: Literal["microworld"] = "microworld"
    path: str = Field(min_length=1, description="Folder for tasks and pictures.")
    tasks: int = Field(200, ge=1, le=100_000)
    seed: int = Field(1, ge=0, description="Seed of scenes and tasks.")
    unseen_share: float = Field(0.25, ge=0, le=1, description="Share of tasks whose combination training never saw.")


class DreamgenSource(Options):
    """DreamGen Bench as downloaded."""

    kind: Literal["dreamgen"] = "dreamgen"
    path: str = Field(min_length=1, description="The downloaded data set.")
    groups: tuple[Literal["object", "behavior", "environment", "robocasa"], ...] = Field(
        ("object", "behavior", "environment"), min_length=1, description="Groups to make videos for."
    )


class VbvrSource(Options):
    """VBVR-Bench as downloaded and unpacked."""

    kind: Literal["vbvr"] = "vbvr"
    path: str = Field(min_length=1, description="The downloaded data set.")
    rewrites: str = Field("", description="Folder of shortened queries (evaluation.benchmarks.vbvr, step rewrite).")


AnySource = Annotated[
    ReleaseSource | AuthorsSource | MicroworldSource | DreamgenSource | VbvrSource, Field(discriminator="kind")
]


def open_benchmark(source: AnySource) -> Benchmark:
    """The benchmark that a source names. Raises FileNotFoundError, and ValueError (BadBenchmark) saying where."""
    path = Path(source.path)
    match source:
        case ReleaseSource():
            from evaluation.benchmarks.worldtasks.release import read_release

            return read_release(path, _folder(source.extracted), _folder(source.collection), source.missing_images)
        case AuthorsSource():
            from evaluation.benchmarks.worldtasks.authors import read_authors

            return read_authors(path, source.file, source.missing_images)
        case MicroworldSource():
            from evaluation.benchmarks.worldtasks.microworld import read_microworld

            return read_microworld(path, source.tasks, source.seed, source.unseen_share)
        case DreamgenSource():
            from evaluation.benchmarks.dreamgen import released as dreamgen

            version, samples = dreamgen.read_benchmark(path, source.groups)
        case VbvrSource():
            from evaluation.benchmarks.vbvr import released as vbvr
            from evaluation.benchmarks.vbvr.rewriting import read_rewrites, rewritten

            version, samples = vbvr.read_benchmark(path)
            if source.rewrites:
                added, samples = rewritten(samples, read_rewrites(Path(source.rewrites)))
                version = f"{version}+{added}"
    return Benchmark(source.kind, version, path, tuple(samples))


def _folder(path: str) -> Path | None:
    return Path(path) if path else None
