"""Contacts of upright boxes: how deep two of them lie in each other, and how a pushed one gives way.

Everything is plain floats: a scene has a handful of boxes, and the same numbers give the same bits.
"""

from dataclasses import dataclass
from math import cos, hypot, sin

SLOP = 0.004  # m: corners so close to the deepest one touch with it, as an edge
SPIN = 0.0225**2 * 1.6  # m2: how hard a pushed block is to turn; its square root is the lever that turns it as it moves


@dataclass(frozen=True)
class Box:
    """An upright box: middle, half sizes across (before it is turned by `yaw`), bottom and top height. Metres, rad."""

    x: float
    y: float
    yaw: float
    half_x: float
    half_y: float
    low: float
    high: float

    def axes(self) -> tuple[tuple[float, float], tuple[float, float]]:
        c, s = cos(self.yaw), sin(self.yaw)
        return (c, s), (-s, c)

    def corners(self) -> list[tuple[float, float]]:
        (ax, ay), (bx, by) = self.axes()
        return [
            (self.x + i * self.half_x * ax + j * self.half_y * bx, self.y + i * self.half_x * ay + j * self.half_y * by)
            for i, j in ((1, 1), (1, -1), (-1, -1), (-1, 1))
        ]


def across(a: Box, b: Box) -> tuple[float, float, float] | None:
    """The least shift of `b` that parts the footprints: (depth, x, y), x and y a unit vector; None: they are apart."""
    dx, dy = b.x - a.x, b.y - a.y
    if hypot(dx, dy) >= hypot(a.half_x, a.half_y) + hypot(b.half_x, b.half_y):
        return None
    ours, theirs = a.axes(), b.axes()
    best = None
    for nx, ny in (*ours, *theirs):
        reach = 0.0
        for box, (one, two) in ((a, ours), (b, theirs)):
            reach += box.half_x * abs(nx * one[0] + ny * one[1]) + box.half_y * abs(nx * two[0] + ny * two[1])
        along = nx * dx + ny * dy
        depth = reach - abs(along)
        if depth <= 0:
            return None
        if best is None or depth < best[0] - 1e-9:
            best = (depth, nx, ny) if along >= 0 else (depth, -nx, -ny)
    return best


def beside(a: Box, b: Box) -> bool:
    """Whether both reach through a common height, by more than a touch."""
    return a.low < b.high - 1e-6 and b.low < a.high - 1e-6


def depth_of(a: Box, b: Box) -> float:
    """How deep the boxes lie in each other, in metres: the least shift that parts them; 0 apart."""
    found = across(a, b) if beside(a, b) else None
    return 0.0 if found is None else min(found[0], a.high - b.low, b.high - a.low)


def give_way(a: Box, b: Box, share: float = 1.0) -> tuple[float, float, float] | None:
    """How `b` gives way to `a`, which pushes it: shift x and y (m) and turn (rad); None where they do not touch.

    A block that is pushed off its middle turns about it as on a table with friction: with lever l of the contact and r2
    = SPIN, the contact moves by (1 + l2/r2) of what the middle does. `share` of the depth is given way to.
    """
    found = across(a, b) if beside(a, b) else None
    if found is None:
        return None
    depth, nx, ny = found
    px, py = _contact(a, b, nx, ny)
    lever = (px - b.x) * ny - (py - b.y) * nx
    move = share * depth / (1 + lever * lever / SPIN)
    return move * nx, move * ny, move * lever / SPIN


def _contact(a: Box, b: Box, nx: float, ny: float) -> tuple[float, float]:
    """Where `a` touches `b`, n pointing from `a` to `b`: the corner that touches, or the middle of touching edges."""
    front = _deepest(a.corners(), nx, ny)
    back = _deepest(b.corners(), -nx, -ny)
    if len(front) == 1:
        return front[0]
    if len(back) == 1:
        return back[0]
    tx, ty = -ny, nx
    ours = sorted(tx * x + ty * y for x, y in front)
    theirs = sorted(tx * x + ty * y for x, y in back)
    along = (max(ours[0], theirs[0]) + min(ours[-1], theirs[-1])) / 2
    level = nx * back[0][0] + ny * back[0][1]
    return along * tx + level * nx, along * ty + level * ny


def _deepest(corners: list[tuple[float, float]], nx: float, ny: float) -> list[tuple[float, float]]:
    levels = [nx * x + ny * y for x, y in corners]
    return [corner for corner, level in zip(corners, levels, strict=True) if level > max(levels) - SLOP]
