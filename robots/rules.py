"""What is held against an episode when it is read: each rule has a name, and what it finds is told with the figures.

A rule warns or refuses; nothing is mended in silence and no episode disappears.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from media.errors import MediaError
from robots.episode import Episode, Finding, Footage
from robots.frames import count_frames, rate_agrees

RULES: dict[str, str] = {
    # refuse
    "bad_annotation": "its annotation or table is not what it should be",
    "unsafe_path": "an id or a path leads out of the folder",
    "double_id": "another episode has its id",
    "missing_array": "it has no states",
    "state_columns": "its states have other columns than the robot's contract",
    "not_finite": "a state or an action is no finite number",
    "row_order": "its rows are not numbered 0, 1, 2, ...",
    "missing_view": "a view is not in the source",
    "missing_video": "a video file is not there",
    "damaged_video": "a video or a frame of it cannot be read",
    "view_count": "it has another number of views than the model",
    "too_short": "it has fewer frames than the rollout asked for",
    "scene_on_both_sides": "its source scene is in the validation split too",
    # warn
    "frames_and_states": "views and states differ in length: the shortest counts, the others' tails are dropped",
    "fps_tag": "a video's frame rate is not that of the data set, which is right: nothing is rescaled",
    "uneven_times": "its rows' times are not a frame apart: rows are matched to frames by counting",
    "idle": "the robot does not move",
    "wrapped_angles": "angles jump by about a turn from one row to the next",
    "several_texts": "it has several instructions: the first counts",
    "other_text": "its own instruction differs from the recipe's: its own counts",
}
# Less than this between the lowest and the highest value of every column, in metres or radians, is sensor noise.
IDLE_RANGE = 1e-3


class Refused(Exception):
    """An episode cannot be used, by the rule of this name."""

    def __init__(self, rule: str, message: str):
        super().__init__(message)
        self.finding = Finding(rule, message, refused=True)


def states_of(value: object, columns: int, what: str) -> np.ndarray:
    """`value` as float64 [N, columns]. Raises Refused for what is none, or has another shape or no finite number."""
    try:
        states = np.asarray(value, np.float64)
    except (TypeError, ValueError) as error:
        raise Refused("bad_annotation", f"{what} are no table of numbers: {error}") from error
    if states.ndim != 2 or states.shape[1] != columns:
        raise Refused("state_columns", f"{what} have shape {list(states.shape)}: [rows, {columns}] is expected")
    check_finite(states, what)
    return states


def check_finite(values: np.ndarray, what: str) -> None:
    """Raises Refused, naming the first row that holds NaN or an infinite number."""
    bad = ~np.isfinite(values).reshape(len(values), -1).all(axis=1)
    if bad.any():
        row = int(np.argmax(bad))
        raise Refused(
            "not_finite", f"{what}, row {row} of {len(values)}: {values[row].tolist()}; {bad.sum()} such rows"
        )


def footage_findings(footage: Mapping[str, Footage], fps: float) -> tuple[dict[str, int], list[Finding]]:
    """Frames of each video, and what its tag says. Raises Refused for a video that is absent or cannot be read."""
    frames, findings = {}, []
    for view, one in footage.items():
        try:
            count, rate = count_frames(one, fps)
        except MediaError as error:
            raise Refused(video_rule(error), f"view {view}, {one.path}: {error}") from error
        frames[view] = count
        if rate is not None and count > 1 and not rate_agrees(rate, fps):
            told = f"view {view}, {one.path} says {rate:.6g} frames a second, the data set {fps:.6g}, which counts"
            findings.append(Finding("fps_tag", told))
    return frames, findings


def video_rule(error: MediaError) -> str:
    """The rule by which a file or frame that cannot be read refuses its episode."""
    return "missing_video" if error.reason == "absent_file" else "damaged_video"


def damaged(episode: Episode, error: MediaError) -> Finding:
    """What is added to an episode of which a frame turned out to be unreadable."""
    return Finding(video_rule(error), f"episode {episode.episode_id}: {error}", refused=True)


def same_length(states: np.ndarray, frames: Mapping[str, int], said: int | None) -> tuple[np.ndarray, list[Finding]]:
    """The states of the rows that every view, the states and the annotation have: the tail is dropped, and told."""
    counts = {"states": len(states), **frames, **({} if said is None else {"the annotation": said})}
    n = max(min(counts.values()), 0)
    if len(set(counts.values())) == 1:
        return states, []
    told = ", ".join(f"{name} {count}" for name, count in counts.items())
    return states[:n], [Finding("frames_and_states", f"rows differ ({told}): {n} are used")]


def motion_findings(states: np.ndarray, angles: Sequence[int]) -> list[Finding]:
    """Idle arms and angles that jump by about a turn; `angles`: the columns of Euler angles in radians."""
    found = []
    if len(states) > 1:
        ranges = states.max(axis=0) - states.min(axis=0)
        if ranges.max() < IDLE_RANGE:
            found.append(Finding("idle", f"no column changes by more than {ranges.max():.3g} in {len(states)} rows"))
        jumps = int((np.abs(np.diff(states[:, list(angles)], axis=0)) > np.pi).sum())
        if jumps:
            found.append(Finding("wrapped_angles", f"{jumps} jumps of about 2 pi in {len(states)} rows"))
    return found


def too_short(frames: int, wanted: int) -> list[Finding]:
    if frames >= wanted:
        return []
    return [Finding("too_short", f"{frames} frames: a rollout of {wanted} frames is asked for", refused=True)]


def for_views(episode: Episode, views: Sequence[str]) -> list[Finding]:
    """Refuses an episode whose views are not those of a model, in number or name."""
    if tuple(episode.footage) == tuple(views):
        return []
    told = f"views {', '.join(episode.footage) or 'none'}: the model wants {', '.join(views)}"
    return [Finding("view_count", told, refused=True)]


def counted(episodes: Iterable[Episode]) -> dict[str, int]:
    """How many episodes each rule found something in, in the order of RULES; rules that found nothing are left out."""
    found = Counter(rule for episode in episodes for rule in {one.rule for one in episode.findings})
    return {rule: found[rule] for rule in RULES if found[rule]}
