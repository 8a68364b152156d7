"""A strip of an episode's frames as one picture: a row a view, time from left to right."""

import numpy as np

GUTTER_PX = 2
PAPER = 255


def contact_sheet(frames: np.ndarray, every: int = 8, zoom: int = 3) -> np.ndarray:
    """Frames uint8 [n, V, H, W, 3] RGB -> uint8 [rows, columns, 3]: each `every`th, `zoom` times as large."""
    shown = frames[::every].repeat(zoom, axis=2).repeat(zoom, axis=3)
    framed = np.pad(shown, ((0, 0), (0, 0), (0, GUTTER_PX), (0, GUTTER_PX), (0, 0)), constant_values=PAPER)
    return np.concatenate([np.concatenate(list(framed[:, view]), axis=1) for view in range(frames.shape[1])], axis=0)
