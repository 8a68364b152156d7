"""What VBench writes: `{name}_eval_results.json`, {dimension: [mean, [{video_path, video_results}]]}; read strictly.

VBench-I2V writes the same, with the `image_path` that each video was compared with; its picture has the video's name.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from evaluation.benchmarks.foreign import read_json
from evaluation.benchmarks.named_videos import Exported, listed
from evaluation.benchmarks.vbench.options import I2V_DIMENSIONS, KNOWN
from evaluation.benchmarks.vbench.outputs import INDEX
from evaluation.scoring.judged_run import Incomplete

PERCENT = "imaging_quality"  # videos are scored 0 to 100, and some versions write the mean as a share
AGREES = 1e-4  # between its mean and ours; it works in float32


@dataclass(frozen=True)
class DimensionScore:
    """One dimension: the mean over videos and each video's score by its file's name; shares between 0 and 1."""

    dimension: str
    mean: float
    videos: dict[str, float]


def read_results(paths: Iterable[Path], exported: Iterable[Exported] = ()) -> dict[str, DimensionScore]:
    """The scores in `*_eval_results.json` files by dimension.

    Raises OSError; ValueError naming the file for anything not of that form, a dimension in two files, a video twice, a
    mean that does not follow from the videos; Incomplete, naming them, when videos of `exported` have no score.
    """
    names = {PurePosixPath(one.path).name for one in exported}
    found: dict[str, DimensionScore] = {}
    for path in paths:
        whole = read_json(path)
        if not isinstance(whole, dict) or not whole:
            raise ValueError(f"{path} must hold an object {{dimension: [mean, videos]}}")
        for dimension, value in whole.items():
            if dimension in found:
                raise ValueError(f"{path}: another file also has {dimension}: remove old results")
            found[dimension] = _dimension(path, dimension, value)
            missing = sorted(names - found[dimension].videos.keys())
            if missing:
                raise Incomplete(f"{path}: {dimension}: {len(missing)} videos have no score: {listed(missing)}")
    return found


def _dimension(path: Path, dimension: str, value: Any) -> DimensionScore:
    if dimension not in KNOWN:
        raise ValueError(f"{path}: dimension {dimension!r} is not known: choose from {', '.join(KNOWN)}")
    if not (isinstance(value, list) and len(value) == 2 and isinstance(value[1], list)):
        raise ValueError(f"{path}: {dimension} must be [mean, videos]")
    scale = 100.0 if dimension == PERCENT else 1.0
    videos: dict[str, float] = {}
    for row in value[1]:
        if not (isinstance(row, dict) and isinstance(row.get("video_path"), str)):
            raise ValueError(f"{path}: {dimension}: a video has no video_path")
        name = PurePosixPath(row["video_path"]).name
        if name in videos:
            raise ValueError(f"{path}: {dimension}: {name} is scored twice")
        if dimension in I2V_DIMENSIONS:
            _check_picture(f"{path}: {dimension}: {name}", name, row.get("image_path"))
        # dynamic_degree is true or false for a video.
        videos[name] = float(_number(f"{path}: {dimension}: {name}", row.get("video_results"), 0, scale)) / scale
    if not videos:
        raise ValueError(f"{path}: {dimension}: no video is scored")
    said, mean = _number(f"{path}: {dimension}", value[0], 0, scale), sum(videos.values()) / len(videos)
    if min(abs(said - mean), abs(said / scale - mean)) > AGREES:
        raise ValueError(f"{path}: {dimension} says {said}, but its {len(videos)} videos give {mean:.4f}")
    return DimensionScore(dimension, mean, videos)


def _check_picture(where: str, video: str, image: Any) -> None:
    """Raises ValueError where a video was compared with another one's picture, or with none that is named."""
    expected = PurePosixPath(video).stem.removesuffix(INDEX)
    if not isinstance(image, str) or PurePosixPath(image).stem != expected:
        raise ValueError(f"{where}: was compared with {image!r}, but its picture is {expected}.png: export again")


def _number(where: str, value: Any, low: float, high: float) -> float:
    if not isinstance(value, bool | int | float) or not low - AGREES <= value <= high + AGREES:
        raise ValueError(f"{where}: {value!r} must be a number from {low:g} to {high:g}")
    return float(value)
