"""Altered copies: pictures that are another one mirrored, cropped, with black bars, a logo or a subtitle.

A perceptual hash of the whole picture does not see them. So each picture gets many hashes, made of its luma without
black bars: of the picture, of crops, of the mirror of each, and of the four parts that a border strip was cut from. Two
pictures are altered copies when

- the whole of one is near the whole, a crop or a mirror of the other, either way round, or
- the same part of both is near: a logo or subtitle spoils some parts and leaves one as it was.

Near means at most `distance` bits of 64. docs/curation.md has what `python tests/bench/bench_copies.py` measured.

The relation keeps train and benchmark apart, and drops nothing else: a mirrored picture may well stay beside its
original in train. It is asked of each benchmark image against all others, which are few enough to compare directly.
"""

from collections.abc import Callable

import numpy as np

GRID = 32
BITS = 64
SHORT_SIDE_PX = 112  # at which crops are cut: more changes no hash and costs time
# A bar is a border of rows or columns that are nearly black but for a logo. Opposite there is another as wide, but for
# a subtitle.
BAR_LUMA, BAR_SHARE, OPPOSITE_SHARE, WIDEST_BAR = 20, 0.9, 0.8, 0.35

# Parts of a picture: (left, top, right, bottom) in shares of its size.
CENTRES = [(x, x, 1 - x, 1 - x) for x in (0.02, 0.04, 0.06, 0.08)]
CORNERS = [(x, y, x + 0.91, y + 0.91) for x in (0, 0.045, 0.09) for y in (0, 0.045, 0.09) if (x, y) != (0.045, 0.045)]
STRETCHED = [(0, y, 1, 1 - y) for y in (0.05, 0.09, 0.13)] + [(x, 0, 1 - x, 1) for x in (0.05, 0.125)]
CROPS = [*CENTRES, *CORNERS, *STRETCHED]
PARTS = [(0, 0, 1, 0.75), (0, 0.25, 1, 1), (0, 0, 0.75, 1), (0.25, 0, 1, 1)]
# Columns of the hashes: whole, whole mirrored, crops, crops mirrored, parts.
SHAPES = 2 * (1 + len(CROPS))
HASHES = SHAPES + len(PARTS)
WAYS = ("alike", "mirrored", "cropped", "cropped and mirrored", "alike but for a part")


def _frequencies() -> tuple[np.ndarray, np.ndarray]:
    """The flat indices of the 64 lowest frequencies without the mean, and which of them a mirror negates."""
    down, across = np.divmod(np.arange(GRID * GRID), GRID)
    lowest = np.argsort(down**2 + across**2, kind="stable")[1 : BITS + 1]
    return lowest, np.where(across[lowest] % 2 == 1, -1.0, 1.0)


def without_bars(luma: np.ndarray) -> np.ndarray:
    """`luma` (uint8 [H, W]) without black bars at top and bottom, or left and right; itself where it has none."""
    dark = luma <= BAR_LUMA
    for axis in (1, 0):
        lines = dark.mean(axis=axis)
        black, most = lines >= BAR_SHARE, int(WIDEST_BAR * len(lines))
        bar = max(_run(black[:most]), _run(black[::-1][:most]))
        # A night sky is dark at one side only; a subtitle may stand in one of two bars.
        if bar and min(lines[:bar].mean(), lines[::-1][:bar].mean()) >= OPPOSITE_SHARE:
            kept = slice(bar, len(lines) - bar)
            luma, dark = (luma[kept], dark[kept]) if axis else (luma[:, kept], dark[:, kept])
    return luma


def _run(flags: np.ndarray) -> int:
    """How many of the first `flags` are true."""
    return int(np.argmin(flags)) if not flags.all() else len(flags)


def hashes_of(luma: np.ndarray) -> np.ndarray:
    """uint64 [HASHES] of a picture's luma, uint8 [H, W]. The same on every machine: the DCT is float64 and rounded."""
    import cv2
    from scipy.fft import dctn

    shrink = SHORT_SIDE_PX / min(luma.shape)
    if shrink < 1:
        size = [max(1, round(side * shrink)) for side in luma.shape[::-1]]
        luma = cv2.resize(luma, size, interpolation=cv2.INTER_AREA)
    luma = without_bars(luma)
    height, width = luma.shape
    cells = []
    for left, top, right, bottom in [(0, 0, 1, 1), *CROPS, *PARTS]:
        x, y = int(left * width), int(top * height)
        part = luma[y : max(round(bottom * height), y + 1), x : max(round(right * width), x + 1)]
        cells.append(cv2.resize(part, (GRID, GRID), interpolation=cv2.INTER_AREA))
    lowest, negated = _frequencies()
    spectrum = dctn(np.array(cells, np.float64), axes=(1, 2)).reshape(len(cells), -1)[:, lowest].round(4)
    whole, parts = spectrum[: 1 + len(CROPS)], spectrum[1 + len(CROPS) :]
    ordered = np.concatenate([whole[:1], whole[:1] * negated, whole[1:], whole[1:] * negated, parts])
    bits = ordered > np.median(ordered, axis=1, keepdims=True)
    return np.ascontiguousarray(np.packbits(bits, axis=1)).view(">u8").ravel().astype(np.uint64)


def apart(one: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(bits uint8 [n], ways int [n], into WAYS): by how many bits `others` (uint64 [n, HASHES]) differ from `one`
    (uint64 [HASHES]) in the nearest pair of hashes that may be compared, and which pair that is."""
    there = np.bitwise_count(others[:, :SHAPES] ^ one[0])
    back = np.bitwise_count(others[:, :1] ^ one[None, :SHAPES])
    shapes = np.minimum(there, back)
    parts = np.bitwise_count(others[:, SHAPES:] ^ one[None, SHAPES:])
    crops = 2 + len(CROPS)
    kinds = [shapes[:, :1], shapes[:, 1:2], shapes[:, 2:crops], shapes[:, crops:], parts]
    nearest = np.stack([kind.min(axis=1) for kind in kinds])
    return nearest.min(axis=0), nearest.argmin(axis=0)


def find_copies(
    hashes: np.ndarray,
    known: np.ndarray,
    bench: np.ndarray,
    distance: int,
    found: Callable[[int, np.ndarray, np.ndarray, np.ndarray], None],
) -> None:
    """Calls `found(frame, others, bits, ways)` for each frame of `bench` with its altered copies among all others.

    `hashes` (uint64 [F, HASHES]) hold for the frames where `known` (bool [F]) says so.
    """
    present = np.flatnonzero(known)
    compared = hashes[present]
    for frame in bench[known[bench]].tolist():
        bits, ways = apart(hashes[frame], compared)
        near = np.flatnonzero((bits <= distance) & (present != frame))
        if len(near):
            found(frame, present[near], bits[near], ways[near])
