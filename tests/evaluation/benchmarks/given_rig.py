"""A run whose videos were made of pictures that are there: what given pictures are read back from."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from evaluation.records import Sample, VideoRecord, read_lines, write_lines
from tests.evaluation.benchmarks import layouts

SIDE = 40  # of the pictures; the videos are WIDTH x HEIGHT
HEIGHT, WIDTH = 32, 48


def run(root: Path, ids: Sequence[str], name: str = "run", **values) -> tuple[Path, Path, list[Sample]]:
    """(run's folder, benchmark's folder, samples): the picture of sample number n is of the colour (n + 1, 0, 100)."""
    benchmark, samples = root / "benchmark", [Sample(one, f"images/{n}.png", "t") for n, one in enumerate(ids)]
    (benchmark / "images").mkdir(parents=True, exist_ok=True)
    for n, sample in enumerate(samples):
        (benchmark / sample.image).write_bytes(layouts.picture(n + 1, SIDE))
    folder = layouts.run(root / name, samples, **values)
    images = {one.sample_id: hashlib.sha256((benchmark / one.image).read_bytes()).hexdigest() for one in samples}
    videos = [
        replace(one, image_sha256=images[one.sample_id], height=HEIGHT, width=WIDTH)
        for one in read_lines(folder / "manifest.jsonl", VideoRecord)
    ]
    write_lines(folder / "manifest.jsonl", videos)
    return folder, benchmark, samples
