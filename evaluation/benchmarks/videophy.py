"""VideoPhy and VideoPhy-2 through their files: the CSV that their scripts take, and the ones that they write.

Their models need an old transformers, so they run elsewhere. Version 1 writes lines `videopath,caption,score` without a
header and appends to the file that is there; the score is P(Yes), 1 from 0.5 on. Version 2 writes pandas' index in a
first column without a name, and a `score` from 1 to 5, of which 4 and 5 count; an answer that it cannot read becomes 0,
which is a failure here.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from evaluation.benchmarks.foreign import harmless, read_csv, write_csv
from evaluation.benchmarks.named_videos import Exported, listed

COLUMNS = ("videopath", "caption")
THRESHOLD = {1: 0.5, 2: 4.0}
RANGE = {1: (0.0, 1.0), 2: (0.0, 5.0)}
Version = Literal[1, 2]


@dataclass(frozen=True)
class PhysicsScore:
    """The score of one video: P(Yes) of version 1, 1 to 5 of version 2; None where version 2 read no answer."""

    videopath: str
    caption: str
    score: float | None
    version: int

    @property
    def good(self) -> bool | None:
        """Whether it counts as 1 (P(Yes) >= 0.5; score >= 4), None where there is no score."""
        return None if self.score is None else self.score >= THRESHOLD[self.version]


def write_input(path: Path, videos: Iterable[tuple[str | Path, str]]) -> int:
    """Writes (videopath, caption) rows with their header, for both versions. Returns how many.

    Captions come on one line, with a space before what a spreadsheet would take for a formula. Raises ValueError for a
    path that comes twice.
    """
    rows = [(str(video), harmless(caption)) for video, caption in videos]
    _once(path, [video for video, _ in rows])
    write_csv(path, COLUMNS, rows)
    return len(rows)


def captions(exported: Iterable[Exported], folder: Path) -> list[tuple[str, str]]:
    """(videopath, caption) of an export in `folder`: captions are the tasks, which the benchmark gave."""
    return [(str(folder / one.path), one.task) for one in exported]


def read_output(path: Path, version: Version = 1) -> list[PhysicsScore]:
    """The scores in an output CSV.

    Raises OSError, and ValueError naming file and row for rows without the columns, scores that are no number of the
    version's range, and paths with two different scores (version 1 appends: the same row twice counts once).
    """
    lines = read_csv(path)
    if version == 2:
        header, *lines = lines or [[]]
        lacking = {"videopath", "score"} - set(header)
        if lacking:
            raise ValueError(f"{path}: columns {header} lack {', '.join(sorted(lacking))}")
    else:
        header = [*COLUMNS, "score"]
        lines = [cells for cells in lines if [cell.strip().lower() for cell in cells] != header]
    found: dict[str, PhysicsScore] = {}
    for number, cells in enumerate(lines, 2 if version == 2 else 1):
        if len(cells) != len(header):
            raise ValueError(f"{path}, row {number}: {len(cells)} cells instead of {len(header)} ({', '.join(header)})")
        row = dict(zip(header, cells, strict=True))
        score = _score(f"{path}, row {number}", row["score"], version)
        one = PhysicsScore(row["videopath"], row.get("caption", ""), score, version)
        if found.setdefault(one.videopath, one).score != one.score:
            raise ValueError(
                f"{path}, row {number}: a second, different score of {one.videopath}: delete the file and run it again"
            )
    if not found:
        raise ValueError(f"{path} has no scores: it needs {', '.join(header)}, one row for each video")
    return list(found.values())


def matched(scores: Sequence[PhysicsScore], exported: Iterable[Exported]) -> dict[str, PhysicsScore]:
    """Scores by sample id: a score belongs to the exported video whose path ends its `videopath`.

    Folders before that may differ, since the scripts run on another machine. Raises ValueError naming the videos
    without a score, and the scores that belong to no video or to several.
    """
    exported = list(exported)
    by_path: dict[str, PhysicsScore] = {}
    names = {one.path for one in exported}
    for score in scores:
        parts = Path(score.videopath).as_posix().split("/")
        fits = [tail for tail in ("/".join(parts[i:]) for i in range(len(parts))) if tail in names]
        if len(fits) != 1 or fits[0] in by_path:
            what = "is no video of this run" if not fits else "is scored twice, under two folders or two names"
            raise ValueError(f"{score.videopath!r} {what}")
        by_path[fits[0]] = score
    missing = sorted(names - by_path.keys())
    if missing:
        raise ValueError(
            f"{len(missing)} of {len(names)} videos have no score: {listed(missing)} "
            "(version 2's script has been seen to read the first 20 rows only)"
        )
    return {one.sample_id: by_path[one.path] for one in exported}


def _score(where: str, text: str, version: int) -> float | None:
    low, high = RANGE[version]
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    whole = version == 1 or value == int(value) if math.isfinite(value) else False
    if not (whole and low <= value <= high):
        raise ValueError(
            f"{where}: score {text!r} must be {'from 0 to 1' if version == 1 else 'a whole number from 1 to 5'}"
        )
    return None if version == 2 and value == 0 else value


def _once(path: Path, videos: list[str]) -> None:
    if len(set(videos)) < len(videos):
        twice = next(video for video in videos if videos.count(video) > 1)
        raise ValueError(f"{path.name} would have {twice} twice, but scores are told apart by path")
