"""Where ideal outlines lie in pixels: normalised correlation of many small regions with all shapes of a kind at once.

Regions are padded to tiles of one size and correlated by FFT in one batch: the outlines' spectra are computed once, and
a video's regions share each call.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import cv2
import numpy as np
from scipy.fft import ifft, irfft, next_fast_len, rfft2

from microworld.scene import AGENT_SHAPES, LANDMARK_SHAPES, Thing
from microworld.shapes import coverage, distance

SHAPES = {"agent": AGENT_SHAPES, "stone": ("stone",), "landmark": LANDMARK_SHAPES}
CELL_PX = 16  # pixels a cell is read at
HALF = 9  # pixels from a window's centre to its edge: a cell and a pixel around it
WIDE = 2 * HALF + 1
NEIGHBOURHOOD = 3.0  # pixels around an agent
FIT = {"agent": 0.77, "landmark": 0.73, "stone": 0.72}  # least correlation of a thing with its outline
APART = {"agent": 0.45, "landmark": 0.6, "stone": 0.25}  # cells: nearer than this, the better of two fits is kept
OPACITY = 0.45  # least mean share of the colour under the outline
TILES = (32, 36, 40, 45, 48, 54, 64, 80, 96, 128, 160)  # sizes that an FFT likes: few, so that tiles share a batch
EDGE = HALF - 1  # pixels at a region's edge that are no centre of a window, nor beside one
EIGHTHS = 4  # outlines are kept at shifts of up to so many eighths of a pixel
STAMP = 13  # pixels from a thing's centre to the edge of its stamp: 3 pixels around any shape, the triangle's tip too


@dataclass(frozen=True)
class Region:
    """A part of a picture, its corner at pixel (`top`, `left`), as planes float32 [h, w].

    `clear` is 0 where something else hides what may be there, `value` the colour's share and `bright` the luma's
    difference to the background; both are 0 where it is not clear.
    """

    top: int
    left: int
    clear: np.ndarray
    value: np.ndarray
    bright: np.ndarray


@cache
def around(shape: str) -> np.ndarray:
    """The pixels that count against a shape: those near it, so that an agent passing another is still read."""
    at = np.arange(-HALF, HALF + 1) / CELL_PX
    near = distance(shape, *np.meshgrid(at, at, indexing="ij")) * CELL_PX < NEIGHBOURHOOD
    return near.astype(np.float32) if shape in AGENT_SHAPES else np.ones_like(near, np.float32)


@cache
def outline_of(shape: str, down: int = 0, right: int = 0) -> np.ndarray:
    """A shape's coverage [WIDE, WIDE], softened as compression and scaling soften it.

    It is centred but for a shift of `down` and `right` eighths of a pixel.
    """
    y, x = ((np.arange(-HALF, HALF + 1) - shift / 8) / CELL_PX for shift in (down, right))
    fine = coverage(shape, *np.meshgrid(y, x, indexing="ij"), CELL_PX)
    return cv2.GaussianBlur(fine.astype(np.float32), (0, 0), 0.6)


@cache
def outlines(kind: str) -> np.ndarray:
    """Every shape of a kind at every shift: float32 [shapes, shifts down, shifts right, WIDE * WIDE]."""
    shifts = range(-EIGHTHS, EIGHTHS + 1)
    return np.stack([[[outline_of(s, d, r).ravel() for r in shifts] for d in shifts] for s in SHAPES[kind]])


@lru_cache(maxsize=48)
def _spectra(kind: str, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Conjugate spectra [shapes, size, size // 2 + 1] of outlines, their squares, and what counts against them.

    The last has one row only where all shapes share it.
    """

    def spectrum(kernels: list[np.ndarray]) -> np.ndarray:
        tiles = np.zeros((len(kernels), size, size), np.float32)
        tiles[:, :WIDE, :WIDE] = kernels
        return rfft2(np.roll(tiles, (-HALF, -HALF), axis=(1, 2))).conj()

    shapes = [outline_of(shape) for shape in SHAPES[kind]]
    rims = [around(shape) for shape in SHAPES[kind]]
    shared = all(np.array_equal(rim, rims[0]) for rim in rims)
    return spectrum(shapes), spectrum([s**2 for s in shapes]), spectrum(rims[:1] if shared else rims)


def fits(regions: Sequence[Region], kind: str) -> list[np.ndarray]:
    """How well each shape of `kind` fits around each pixel: float32 [shapes, h - 2 EDGE, w - 2 EDGE] a region, 0..1.

    The correlation of the colour's share with the outline, over what is clear; 0 where too little is clear or coloured.
    Entry [y, x] is about pixel [y + EDGE, x + EDGE] of the region. A window one pixel over a region's edge, for
    the neighbours of a peak, sees nothing there.
    """
    groups: dict[int, list[int]] = {}
    for i, region in enumerate(regions):
        # One row and column of nothing, so that a window one pixel out does not see the other side.
        least = max(region.value.shape) + 1
        size = next((tile for tile in TILES if tile >= least), next_fast_len(least, real=True))
        groups.setdefault(size, []).append(i)
    found: list[np.ndarray] = [np.empty(0)] * len(regions)
    for size, members in groups.items():
        clear, value = np.zeros((2, len(members), size, size), np.float32)
        for tile, i in enumerate(members):
            height, width = regions[i].value.shape
            clear[tile, :height, :width] = regions[i].clear
            value[tile, :height, :width] = regions[i].value
        for i, fit in zip(members, _fit_tiles(clear, value, kind), strict=True):
            height, width = regions[i].value.shape
            found[i] = fit[:, : height - 2 * EDGE, : width - 2 * EDGE]
    return found


def _fit_tiles(clear: np.ndarray, value: np.ndarray, kind: str) -> np.ndarray:
    """`fits` of tiles [N, size, size]: [N, shapes, size - 2 EDGE, size - 2 EDGE]."""
    size = value.shape[-1]
    shape, square, rim = _spectra(kind, size)
    inside = slice(EDGE, size - EDGE)

    def slide(planes: np.ndarray, kernels: np.ndarray) -> np.ndarray:
        # The inverse transform in two steps, the second for the wanted rows alone.
        rows = ifft(rfft2(planes)[:, None] * kernels, axis=-2, overwrite_x=True)[..., inside, :]
        return irfft(rows, size, axis=-1)[..., inside]

    dot, norm, energy = slide(value, shape), slide(clear, square), slide(value * value, rim)
    whole = np.array([(outline_of(s) ** 2).sum() for s in SHAPES[kind]], np.float32)[:, None, None]
    enough = (norm > 0.4 * whole) & (dot > OPACITY * norm)
    return np.where(enough, dot / np.sqrt(np.maximum(energy * norm, 1e-6)), 0)


def peaks(fit: np.ndarray, kind: str) -> list[tuple[int, int]]:
    """Where the best of a kind's `fits` peaks high enough: (y, x), the highest first, none near a higher one."""
    best = fit[:, 1:-1, 1:-1].max(axis=0)  # windows lie in the region
    reach = int(APART[kind] * CELL_PX)
    found = []
    while True:
        y, x = divmod(int(best.argmax()), best.shape[1])
        if best[y, x] < FIT[kind]:
            return found
        found.append((y + 1, x + 1))
        best[max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1] = 0


def vertex(three: np.ndarray) -> np.ndarray:
    """Where between -0.5 and 0.5 the parabola through three neighbours [..., 3] peaks; 0 where it has no peak."""
    before, at, after = np.moveaxis(three, -1, 0)
    bend = before - 2 * at + after
    peaked = (bend < -1e-6) & (np.minimum(before, after) > 0)
    return np.where(peaked, np.clip((before - after) / np.where(peaked, 2 * bend, 1), -0.5, 0.5), 0).astype(np.float64)


def cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cosines along the last axis of arrays of one shape, or that broadcast to one; 0 where one is all 0."""
    return (a * b).sum(-1) / np.maximum(np.sqrt((a * a).sum(-1) * (b * b).sum(-1)), 1e-9)


@lru_cache(maxsize=4096)
def stamp(shape: str, y: float, x: float, grow: float) -> tuple[int, int, np.ndarray]:
    """The pixels within `grow` (up to 3) pixels of a shape at (y, x) cells: top, left, and read-only bool [n, n]."""
    top, left = (int(np.floor(at * CELL_PX)) - STAMP for at in (y, x))
    span = np.arange(2 * STAMP + 1)
    dy, dx = (span + top + 0.5) / CELL_PX - y, (span + left + 0.5) / CELL_PX - x
    near = distance(shape, dy[:, None], dx[None, :]) * CELL_PX < grow
    near.flags.writeable = False
    return top, left, near


def hide(plane: np.ndarray, thing: Thing, grow: float, origin: int = 0) -> None:
    """Sets the pixels of `plane` [H, W] within `grow` (up to 3) pixels of a thing to 0, in place.

    The picture's first pixel is `plane[origin, origin]`; what lies outside of the plane is left out.
    """
    top, left, near = stamp(thing.shape, thing.y, thing.x, grow)
    top, left = top + origin, left + origin
    up, aside = max(-top, 0), max(-left, 0)
    part = plane[top + up : max(top + len(near), 0), left + aside : max(left + len(near), 0)]
    part[near[up : up + part.shape[0], aside : aside + part.shape[1]]] = 0
