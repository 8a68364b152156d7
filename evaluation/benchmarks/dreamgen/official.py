"""The CSV files that DreamGen's own scripts write, read back: `video_path,prompt,prediction`.

The scripts quote nothing and take commas out of prompts alone, so a path with commas breaks a line into more cells:
what stands before the last two commas is the path.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from evaluation.benchmarks.foreign import read_csv, read_text
from evaluation.benchmarks.named_videos import Exported, listed
from evaluation.scoring.judged_run import Incomplete

HEADER = "video_path,prompt,prediction"


def read_predictions(path: Path) -> dict[str, bool]:
    """video path -> prediction. Ours, whose paths with commas are quoted, are read too.

    Raises OSError, and ValueError naming file and line for another header, a prediction that is neither 0 nor 1, a
    video with two predictions.
    """
    lines = read_text(path).splitlines()
    if not lines or lines[0].strip() != HEADER:
        raise ValueError(f"{path}: begins with {lines[0][:80] if lines else ''!r}: the header {HEADER} is expected")
    if any(line.startswith('"') for line in lines[1:]):
        rows = [(*cells, "", "")[:3] for cells in read_csv(path)[1:]]
    else:
        rows = [tuple(line.rsplit(",", 2)) for line in lines[1:] if line.strip()]
    found: dict[str, bool] = {}
    for number, cells in enumerate(rows, 2):
        video, prediction = cells[0], cells[-1].strip()
        if len(cells) != 3 or prediction not in ("0", "1"):
            raise ValueError(f"{path}, line {number}: {','.join(cells)[:120]!r}: path, prompt and 0 or 1 are expected")
        if video in found:
            raise ValueError(f"{path}, line {number}: {video} has two predictions; one is expected")
        found[video] = prediction == "1"
    return found


def matched(path: Path, predictions: Mapping[str, bool], exported: Iterable[Exported]) -> dict[str, bool]:
    """Predictions by sample id: one belongs to the exported video whose path ends its own; folders before may differ.

    Raises ValueError for a prediction of no exported video, Incomplete where exported videos have none.
    """
    ids = {one.path: one.sample_id for one in exported}
    found: dict[str, bool] = {}
    for video, prediction in predictions.items():
        name = "/".join(Path(video).as_posix().split("/")[-2:])
        if name not in ids:
            raise ValueError(f"{path}: {video!r} is no exported video of this run")
        found[ids[name]] = prediction
    missing = sorted(set(ids.values()) - found.keys())
    if missing:
        raise Incomplete(f"{path}: {len(missing)} of {len(ids)} exported videos have no prediction: {listed(missing)}")
    return found
