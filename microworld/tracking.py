"""Following things through a video: who is where in every frame, who is missing, who is too many."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from microworld.fitting import CELL_PX, hide
from microworld.scene import Layout, Thing
from microworld.vision import Observation, observe_all, opponent, small

STRANGER = 1.2  # cells a change of shape or of colour costs when things are matched between frames
TOO_FAR = 3.0  # cost above which two sightings are not the same thing


class Untraceable(ValueError):
    """A video whose first frame shows nothing of the microworld."""


@dataclass(frozen=True)
class Tracks:
    """Things of the first frame (N of them) through T frames.

    `positions` float [T, N, 2] in cells and `colours` [T][N] hold the last sighting where a thing is not seen;
    `shapes` likewise. `seen` bool [T, N]. `extra` int [T] counts agents and landmarks that were not there at first.
    `background` float [T]: the largest change of the background since the first frame over any half a cell, 0..1.
    """

    layout: Layout
    positions: np.ndarray
    colours: list[list[str]]
    shapes: list[list[str]]
    seen: np.ndarray
    extra: np.ndarray
    background: np.ndarray

    @property
    def last_seen(self) -> np.ndarray:
        """Bool [N]: what is there in the last frame."""
        return self.seen[-1]


def track(frames: Sequence[np.ndarray]) -> Tracks:
    """Follows every thing of the first frame. Frames: uint8 [H, W, 3] RGB, of one size.

    Raises Untraceable when the first frame shows nothing of the microworld.
    """
    # Equal frames are common (a clip rests at its end) and read the same.
    which: dict[bytes, int] = {}
    index = [which.setdefault(frame.tobytes(), len(which)) for frame in frames]
    pixels = [small(frames[index.index(i)]) for i in range(len(which))]
    read = observe_all(pixels)
    first = read[0]
    if not first.seen:
        raise Untraceable(f"the first frame shows no thing of the microworld: {first.why or 'it is empty'}")
    things = first.layout.things
    count, total = len(things), len(frames)
    positions = np.zeros((total, count, 2))
    seen, extra = np.zeros((total, count), bool), np.zeros(total, int)
    colours: list[list[str]] = []
    shapes: list[list[str]] = []
    current = list(things)
    for t, i in enumerate(index):
        now = read[i].layout.things
        if t == 0 or i != index[t - 1]:
            matched = match(current, list(now))
            extra_now = sum(thing.kind != "stone" for j, thing in enumerate(now) if j not in matched.values())
            current = [now[matched[j]] if j in matched else current[j] for j in range(count)]
        seen[t] = [j in matched for j in range(count)]
        extra[t] = extra_now
        positions[t] = [(thing.y, thing.x) for thing in current]
        colours.append([thing.colour for thing in current])
        shapes.append([thing.shape for thing in current])
    change = background_change(pixels, index, first, positions, seen)
    return Tracks(first.layout, positions, colours, shapes, seen, extra, change)


def match(before: list[Thing], now: list[Thing]) -> dict[int, int]:
    """Pairs sightings, the likeliest first: index in `before` -> index in `now`. Each is used once.

    A thing of the same looks is the same thing however far away (a jump, for the judge to mark down); another look
    must be near.
    """
    costs = sorted(
        (np.hypot(a.y - b.y, a.x - b.x) + STRANGER * ((a.shape != b.shape) + (a.colour != b.colour)), i, j)
        for i, a in enumerate(before)
        for j, b in enumerate(now)
        if a.kind == b.kind
    )
    pairs: dict[int, int] = {}
    for cost, i, j in costs:
        if (cost <= TOO_FAR or before[i].name == now[j].name) and i not in pairs and j not in pairs.values():
            pairs[i] = j
    return pairs


def background_change(
    pixels: Sequence[np.ndarray], index: Sequence[int], first: Observation, positions: np.ndarray, seen: np.ndarray
) -> np.ndarray:
    """How far the background left the first frame's: float [T], 0..1, the largest mean change over any half a cell.

    Frame t is `pixels[index[t]]` (vision.small). Pixels within three pixels (of 16 a cell) of a thing in either frame
    do not count, nor do frames in which a thing is not seen: it may be anywhere (the judge marks that down by itself).
    """
    quiet = np.ones(pixels[0].shape[:2], np.float32)
    for thing in first.layout.things:
        hide(quiet, thing, 3.0)
    changes = np.zeros(len(index))
    block = CELL_PX // 2
    for t, i in enumerate(index):
        if i == 0 or not seen[t].all():
            continue
        if i == index[t - 1]:
            changes[t] = changes[t - 1]
            continue
        clear = quiet.copy()
        for thing, (y, x) in zip(first.layout.things, positions[t].tolist(), strict=True):
            hide(clear, replace(thing, y=y, x=x), 3.0)
        luma, chroma = opponent(pixels[i] - pixels[0])
        change = np.abs(luma) + np.sqrt(np.square(chroma) @ np.ones(2, np.float32))
        weight, total = (_blocks(plane, block) for plane in (clear, change * clear))
        enough = weight > 0.3 * block * block
        changes[t] = float((total[enough] / weight[enough]).max()) if enough.any() else 0.0
    return changes


def _blocks(plane: np.ndarray, size: int) -> np.ndarray:
    """Sums over tiles of `size` pixels a side."""
    rows, cols = plane.shape[0] // size, plane.shape[1] // size
    return plane.reshape(rows, size, cols, size).sum(axis=(1, 3))
