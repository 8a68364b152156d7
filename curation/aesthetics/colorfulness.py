"""The weight-free scorer: how colourful a picture is.

Hasler and Suesstrunk, "Measuring colourfulness in natural images", SPIE Human Vision and Electronic Imaging VIII, 2003,
metric M3. With the opponent channels rg = R - G and yb = (R + G) / 2 - B of sRGB pixels 0..255:

    C = sqrt(var(rg) + var(yb)) + 0.3 sqrt(mean(rg)^2 + mean(yb)^2)

In their experiment 15 reads as slightly, 45 as averagely and 82 as highly colourful. It is no aesthetic judgement; it
stands in where no CLIP weights are at hand, and its name in every row says so.
"""

import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np

from curation.quality.measure import UnreadableImage, decode, moments


def colorfulness(bgr: np.ndarray) -> float:
    """Metric M3 of a picture, uint8 [H, W, 3] in OpenCV's order blue, green, red. 0 for grey, about 0..180."""
    blue, green, red = cv2.split(bgr)
    rg_mean, rg_var = moments(cv2.subtract(red, green, dtype=cv2.CV_16S))
    # Twice yb stays an integer, so its sums stay exact.
    both = cv2.add(red, green, dtype=cv2.CV_16S)
    yb2_mean, yb2_var = moments(cv2.subtract(both, cv2.add(blue, blue, dtype=cv2.CV_16S)))
    return math.sqrt(rg_var + yb2_var / 4) + 0.3 * math.hypot(rg_mean, yb2_mean / 2)


class Colorfulness:
    """`colorfulness` as a scorer: the same interface as models.clip.ClipAesthetics, without embeddings."""

    name = "colorfulness"

    def __init__(self, workers: int | None = None):
        self.workers = workers or os.cpu_count() or 1

    def score(self, images: Sequence[bytes]) -> tuple[np.ndarray, None]:
        """(scores float64 [N], None) of encoded images; NaN for one that does not decode."""
        with ThreadPoolExecutor(self.workers, initializer=cv2.setNumThreads, initargs=(1,)) as pool:
            return np.array(list(pool.map(_score, images)), np.float64), None


def _score(data: bytes) -> float:
    try:
        return colorfulness(decode(data, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION))
    except UnreadableImage:
        return math.nan
