"""A run's videos as the custom inputs of VBench and VBench-I2V take them; and the commands to score them.

VBench takes one flat folder with any names. VBench-I2V finds a video's picture by its name: what ends in a hyphen and
digits loses that end, so that `a-1.mp4` and `a-2.mp4` would both be compared with `a.png`. Its videos therefore get an
end of their own: the picture of `a-1-0.mp4` is `a-1.png`.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from evaluation.benchmarks.named_videos import Exported, Run, export
from evaluation.benchmarks.vbench.options import DIMENSIONS
from evaluation.given import given_picture
from evaluation.records import Sample
from models.vlm.frames import encoded
from storage.files import confined, sha256_bytes, write_bytes

INDEX = "-0"  # what VBench-I2V cuts off a video's name before it looks for the picture
VIDEOS, IMAGES, RESULTS = "videos", "images", "results"
I2V = "i2v"  # the folder of VBench-I2V's three, beside those of VBench


def export_videos(run: Run, out: Path) -> list[Exported]:
    """Every video that `run` has into one flat folder, with `manifest.jsonl` beside them. Raises as `export` does."""
    return export(run, out, video_name)


def video_name(sample: Sample) -> str:
    """A file name of a sample's id: plain letters, with a hash behind it where others had to go."""
    return f"{_stem(sample)}.mp4"


def _stem(sample: Sample) -> str:
    plain = re.sub(r"[^\w.+-]", "_", sample.sample_id, flags=re.ASCII).lstrip(".")[:150]
    if plain == sample.sample_id:
        return plain
    return f"{plain}-{sha256_bytes(sample.sample_id.encode())[:8]}"


def export_pairs(run: Run, benchmark: Path, out: Path) -> list[Exported]:
    """Videos below `out/videos` as `export_videos`, and the picture that each was made of below `out/images`.

    Pictures are fitted to the video, as the model was given them: VBench-I2V cuts both to a square of the middle, and
    would compare different parts of a picture of another shape. Raises NotGiven, and what `export` raises.
    """
    exported = export(run, out / VIDEOS, lambda sample: f"{_stem(sample)}{INDEX}.mp4")
    for one in exported:
        sample = run.samples[one.sample_id]
        picture = given_picture(benchmark, sample, run.videos[one.sample_id])
        write_bytes(confined(out / IMAGES, f"{_stem(sample)}.png"), encoded(picture[None], "png")[0])
    return exported


def i2v_command(place: Path, dimensions: Iterable[str]) -> tuple[str, ...]:
    """The command that scores `export_pairs`; it runs in the folder of VBench's repository."""
    videos, images, results = (str(place / name) for name in (VIDEOS, IMAGES, RESULTS))
    folders = ("--videos_path", videos, "--custom_image_folder", images, "--output_path", results)
    return ("python", "evaluate_i2v.py", *folders, "--mode", "custom_input", "--dimension", *dimensions)


def commands(videos: Path, out: Path, dimensions: Iterable[str] = DIMENSIONS) -> list[tuple[str, ...]]:
    """The commands that score an export, one a dimension. Raises ValueError for a dimension that needs prompts."""
    others = sorted(set(dimensions) - set(DIMENSIONS))
    if others:
        raise ValueError(f"dimensions {others} do not work with custom input: choose from {', '.join(DIMENSIONS)}")
    first, last = (
        ("vbench", "evaluate", "--videos_path", str(videos)),
        ("--mode=custom_input", "--output_path", str(out)),
    )
    return [(*first, "--dimension", dimension, *last) for dimension in dimensions]
