"""Exact motion: what each thing does over a clip, and where everything is in each frame.

Clip time runs from 0 (first frame) to 1 (last frame). Things rest until START, act until END, then rest. Each leg of a
motion eases in and out.
"""

from dataclasses import dataclass, replace

import numpy as np

from microworld.scene import PALETTE, Layout

START, END = 0.04, 0.74


@dataclass(frozen=True)
class Leg:
    """One thing follows `path` ((y, x) points in cells, the first its place before) and turns `colour`, in a time span.

    `start` and `end` are in 0..1 of the active part of the clip, later where it is not done in time (`slowed`).
    `colour` is None where it keeps its own.
    """

    thing: int
    start: float
    end: float
    path: tuple[tuple[float, float], ...]
    colour: str | None = None


@dataclass(frozen=True)
class Program:
    """All legs of a clip, in time order for each thing."""

    legs: tuple[Leg, ...] = ()


STILL = Program()


def ease(t: np.ndarray) -> np.ndarray:
    """Smoothstep: 0 to 1 with no speed at either end; its peak speed is 1.5."""
    t = np.clip(t, 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def states(layout: Layout, program: Program, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Where and how everything is in each of T frames.

    Positions float32 [T, N, 2] (y, x in cells) and colours float32 [T, N, 3] (RGB 0..255).
    One frame is the first one, at rest. Raises ValueError for fewer.
    """
    if frames < 1:
        raise ValueError(f"{frames} frames: ask for at least 1")
    time = np.linspace(0.0, 1.0, frames) if frames > 1 else np.zeros(1)
    active = (time - START) / (END - START)
    positions = np.tile(np.array([(t.y, t.x) for t in layout.things], np.float32).reshape(1, -1, 2), (frames, 1, 1))
    colours = np.tile(
        np.array([PALETTE[t.colour] for t in layout.things], np.float32).reshape(1, -1, 3), (frames, 1, 1)
    )
    for leg in program.legs:
        begun = active > leg.start
        share = ease((active[begun] - leg.start) / (leg.end - leg.start))
        positions[begun, leg.thing] = along(np.array(leg.path), share)
        if leg.colour is not None:
            before = colours[begun, leg.thing]
            colours[begun, leg.thing] = before + (np.array(PALETTE[leg.colour]) - before) * share[:, None]
    return positions, colours


def along(path: np.ndarray, share: np.ndarray) -> np.ndarray:
    """The points at `share` (0..1, [K]) of the length of the polyline `path` ([P, 2]): float [K, 2]."""
    if len(path) == 1:
        return np.repeat(path, len(share), 0)
    steps = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])
    return np.stack([np.interp(share * steps[-1], steps, path[:, axis]) for axis in (0, 1)], axis=-1)


def slowed(program: Program, pace: float) -> Program:
    """The same motion at `pace` (above 0) of its speed: below (END - START) / (1 - START), the clip ends before it."""
    return Program(tuple(replace(leg, start=leg.start / pace, end=leg.end / pace) for leg in program.legs))


def end_state(layout: Layout, program: Program) -> tuple[np.ndarray, tuple[str, ...]]:
    """Positions float32 [N, 2] and colour names [N] of the last frame."""
    colours = [thing.colour for thing in layout.things]
    for leg in program.legs:
        if leg.colour is not None:
            colours[leg.thing] = leg.colour
    return states(layout, program, 2)[0][-1], tuple(colours)
