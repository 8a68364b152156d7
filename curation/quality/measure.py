"""Five numbers and a perceptual hash from a frame's luma.

Which pixels: the Y plane of the written JPEG (BT.601, full range 0..255), as the JPEG decoder hands it out, so that
nothing is converted back from RGB. At which size: scaled down by area averaging, never up, to a short side of at most
720 px. 720 is the height of the authors' own frames, so that their threshold of 12.0 keeps its meaning.

A smaller picture is not scaled up, but its variance of the Laplacian is multiplied by (short side / 720) squared.
Halving a picture leaves this variance as it is where the picture is sharp down to the pixel (natural spectra fall as
1/f^2), and multiplies it by up to 16 where it is smooth: the square root of that is taken. Measured on 8 real pictures
at 720 to 180 lines: those blurred with sigma = 3.5/720 of the height read 1 to 11, the sharp ones 14 and more. Without
it the blurred ones read up to 170 at 180 lines. Scaled up to 720 lines instead, most sharp pictures of 180 lines read
less than 12 too.
"""

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

WORKING_SHORT_SIDE_PX = 720
# The paper gives no definition of near-black and near-white. Ours: what video's limited range calls black and white
# (16 and 235), a little wider at the top because JPEG ringing lifts and lowers a white area by a few levels.
NEAR_BLACK = 16  # luma <= 16 is near-black
NEAR_WHITE = 239  # luma >= 239 is near-white

HASH_GRID = 32
HASH_BITS = 64
HASH_BOXES = (8, 4, 2)


class UnreadableImage(ValueError):
    """Bytes that no image decoder takes."""


@dataclass(frozen=True)
class Quality:
    """What `measure` reads from one frame. Field names are the columns of curation.schemas.QUALITY."""

    laplacian_var: float
    mean_luma: float
    luma_std: float
    black_ratio: float
    white_ratio: float


def decode_luma(data: bytes) -> np.ndarray:
    """The Y plane of a JPEG: uint8 [H, W], full range. Raises UnreadableImage.

    Orientation tags are ignored: frames are written upright, and a stored table must not depend on a tag.
    """
    return decode(data, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION)


def decode(data: bytes, flags: int) -> np.ndarray:
    """`cv2.imdecode` that raises UnreadableImage, where that returns None or raises cv2.error."""
    if not data:
        raise UnreadableImage("the file is empty")
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:  # e.g. more pixels than OpenCV allows
        raise UnreadableImage(f"OpenCV: {error.err}") from error
    if image is None:
        raise UnreadableImage(f"{len(data)} bytes that start with {data[:4].hex()} are no image OpenCV reads")
    return image


def at_working_size(luma: np.ndarray) -> np.ndarray:
    """`luma` (uint8 [H, W]) with a short side of at most 720 px; the array itself when it is small enough."""
    height, width = luma.shape
    short = min(height, width)
    if short <= WORKING_SHORT_SIDE_PX:
        return luma
    size = (max(1, round(width * WORKING_SHORT_SIDE_PX / short)), max(1, round(height * WORKING_SHORT_SIDE_PX / short)))
    return cv2.resize(luma, size, interpolation=cv2.INTER_AREA)


def moments(values: np.ndarray) -> tuple[float, float]:
    """(mean, population variance) of a uint8 or int16 array [H, W].

    Exact integer sums, so the result is the same on every machine. cv2.meanStdDev takes 15 times longer on int16,
    because it squares in float64; the sum of squares as an L2 norm is vectorised, and within far less than one half
    of the integer that it stands for.
    """
    total = round(cv2.sumElems(values)[0])
    squares = round(cv2.norm(values, cv2.NORM_L2SQR))
    count = values.size
    return total / count, (count * squares - total * total) / (count * count)


def measure(luma: np.ndarray) -> Quality:
    """The five numbers of a frame from its luma, uint8 [H, W], at the working size.

    laplacian_var is the variance of the 3x3 four-neighbour Laplacian with mirrored borders (the edge pixel is not
    repeated), in squared luma levels, as of a picture of 720 lines (see above); mean_luma and luma_std are in levels
    0..255; the ratios are shares of all pixels.
    Raises ValueError for another dtype or shape.
    """
    if luma.dtype != np.uint8 or luma.ndim != 2 or not luma.size:
        raise ValueError(f"luma is {luma.dtype} {list(luma.shape)}: uint8 [H, W] with H, W > 0 is expected")
    luma = at_working_size(luma)
    # int16 holds every value exactly: they lie within -1020..1020.
    _, laplacian_var = moments(cv2.Laplacian(luma, cv2.CV_16S))
    laplacian_var *= (min(luma.shape) / WORKING_SHORT_SIDE_PX) ** 2
    mean, variance = moments(luma)
    _, mask = cv2.threshold(luma, NEAR_BLACK, 255, cv2.THRESH_BINARY_INV)
    black = cv2.countNonZero(mask)
    cv2.threshold(luma, NEAR_WHITE - 1, 255, cv2.THRESH_BINARY, dst=mask)
    white = cv2.countNonZero(mask)
    return Quality(laplacian_var, mean, variance**0.5, black / luma.size, white / luma.size)


@cache
def _hash_basis() -> tuple[np.ndarray, np.ndarray]:
    """The DCT-II basis, float64 [32, 32], and the flat indices of the 64 lowest frequencies without the mean."""
    k, x = np.arange(HASH_GRID)[:, None], np.arange(HASH_GRID)[None, :]
    basis = np.cos(np.pi * (2 * x + 1) * k / (2 * HASH_GRID))
    radius = (k**2 + x**2).ravel()
    lowest = np.argsort(radius, kind="stable")[1 : HASH_BITS + 1]
    return basis, lowest


def perceptual_hash(luma: np.ndarray) -> str:
    """A 64-bit DCT hash of luma (uint8 [H, W]) as 16 hexadecimal digits; near-duplicates differ in few bits.

    The frame is area-averaged to 32x32; bit i says whether the i-th lowest frequency (the mean left out, by distance
    from it) lies above the median of the 64. A frame without structure hashes to zeros. The DCT is done in float64 and
    rounded, so that no bit hangs on the last digits of a sum.
    """
    height, width = luma.shape
    # Averaging by a whole factor has a fast path, ten times faster than straight to 32x32 from 720p.
    for box in HASH_BOXES:
        if height % box == 0 and width % box == 0 and min(height, width) >= box * HASH_GRID:
            luma = cv2.resize(luma, (width // box, height // box), interpolation=cv2.INTER_AREA)
            break
    small = cv2.resize(luma, (HASH_GRID, HASH_GRID), interpolation=cv2.INTER_AREA).astype(np.float64)
    basis, lowest = _hash_basis()
    frequencies = np.round((basis @ small @ basis.T).ravel()[lowest], 6)
    bits = frequencies > np.median(frequencies)
    return np.packbits(bits).tobytes().hex()
