"""The outlines of things as signed distances: one source for drawing (render.py) and for reading (vision.py).

Every shape has its centroid at the origin, so that the middle of its pixels is its position.
"""

import numpy as np

RADIUS = 0.30  # cells, of an agent: two agents touch at about twice this distance
RIM = 0.05  # cells, half the width of a hollow landmark's line
RIM_AT = 0.415


def distance(shape: str, dy: np.ndarray, dx: np.ndarray) -> np.ndarray:
    """Signed distance in cells (negative inside) of points `dy`, `dx` (any one shape, cells) from the outline.

    Raises ValueError for an unknown shape.
    """
    ay, ax = np.abs(dy), np.abs(dx)
    match shape:
        case "disc":
            return np.hypot(dy, dx) - 0.29
        case "square":
            return np.maximum(ay, ax) - 0.26
        case "triangle":  # points up
            return np.maximum(dy, 0.866 * ax - 0.5 * dy) - 0.18
        case "diamond":
            return (ay + ax - 0.37) * 0.7071
        case "cross":
            return np.minimum(np.maximum(ay - 0.32, ax - 0.125), np.maximum(ay - 0.125, ax - 0.32))
        case "frame":
            return np.abs(np.maximum(ay, ax) - RIM_AT) - RIM
        case "ring":
            return np.abs(np.hypot(dy, dx) - RIM_AT) - RIM
        case "pad":
            return np.hypot(np.maximum(ay - 0.34, 0), np.maximum(ax - 0.34, 0)) - 0.11
        case "stone":
            return np.hypot(dy, dx) - 0.14
    raise ValueError(f"{shape!r} is not a shape of the microworld")


def coverage(shape: str, dy: np.ndarray, dx: np.ndarray, cell_px: float) -> np.ndarray:
    """How much of each pixel (of 1 / `cell_px` cells) the shape covers, 0..1: anti-aliasing over one pixel."""
    return np.clip(0.5 - distance(shape, dy, dx) * cell_px, 0.0, 1.0)
