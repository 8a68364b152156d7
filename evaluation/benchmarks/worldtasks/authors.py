"""The benchmark in the authors' layout: bench/bench.jsonl with id, task and image, and bench/images.

The names of the keys in the published files are not known for certain, so the likely ones are all taken. A sample
without id is called after its image.
"""

from pathlib import Path, PurePosixPath

from evaluation.benchmarks.benchmark import BadBenchmark, Benchmark, agent_of, check_samples, image_path, version_of
from evaluation.benchmarks.worldtasks.lines import read_objects, text
from evaluation.records import Sample
from storage.files import sha256_file

ID, TASK = ("id", "sample_id"), ("task", "prompt", "compact_task", "instruction")
IMAGE, SOLUTION = ("image", "image_path", "file_name"), ("solution", "detailed_solution", "detailed_prompt")
MISSING = "missing"  # in place of a missing image's hash


def read_authors(folder: Path, file: str = "bench/bench.jsonl", missing_allowed: bool = False) -> Benchmark:
    """The benchmark in `folder`. Images are looked for beside the JSONL file and below `folder`.

    With `missing_allowed` a sample whose image is not there stays, for generation to record. Raises FileNotFoundError
    without the file, and BadBenchmark naming file, line and field: a missing field, an empty task, a doubled id, an
    image that is missing or leaves the folder.
    """
    folder = folder.resolve()
    lines = image_path(folder, file, "the option file", missing_allowed=True)
    samples, places, hashes = [], [], []
    for where, row in read_objects(lines):
        image = _image(folder, lines.parent, text(row, IMAGE, where), where, missing_allowed)
        task = text(row, TASK, where)
        samples.append(
            Sample(
                text(row, ID, where, default=PurePosixPath(image).stem),
                image,
                task,
                text(row, SOLUTION, where, default=""),
                text(row, ("agent",), where, default=agent_of(task)),
                text(row, ("task_type",), where, default="other"),
                text(row, ("agent_category",), where, default="other"),
            )
        )
        places.append(where)
        path = folder / image
        hashes.append(sha256_file(path) if path.is_file() else MISSING)
    check_samples(samples, places)
    return Benchmark("worldtasks", f"authors-{version_of(samples, hashes)}", folder, tuple(samples))


def _image(folder: Path, beside: Path, image: str, where: str, missing_allowed: bool) -> str:
    """The image's path below `folder`."""
    tried = []
    for base in (beside, folder):
        try:
            relative = (base / image).relative_to(folder).as_posix()
        except ValueError:
            raise BadBenchmark(f"{where}, image: {image!r} leaves {folder}: give a path below it") from None
        tried.append(relative)
        if image_path(folder, relative, where, missing_allowed=True).is_file():
            return relative
    if not missing_allowed:
        image_path(folder, tried[0], where)
    return tried[0]
