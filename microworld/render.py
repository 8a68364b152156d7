"""Drawing: scenes and motions to pixels, whole batches at once, anti-aliased at any size."""

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np

from microworld.motion import STILL, Program, states
from microworld.scene import SHORT_SIDE, Background, Scene
from microworld.shapes import coverage

ORDER = {"landmark": 0, "stone": 1, "agent": 2}  # what lies over what
REACH = 0.5  # cells: no shape reaches further from its centre


def picture_size(rows: int, cols: int, size: int) -> tuple[int, int]:
    """(height, width) in pixels of a grid whose shorter side is `size` pixels."""
    return round(rows * size / SHORT_SIDE), round(cols * size / SHORT_SIDE)


def render_scene(scene: Scene, size: int = 256) -> np.ndarray:
    """The scene at rest: uint8 [H, W, 3] RGB, `size` pixels along the shorter side."""
    return render_batch([scene], [STILL], 1, size)[0, 0]


def render_batch(scenes: Sequence[Scene], programs: Sequence[Program], frames: int, size: int = 256) -> np.ndarray:
    """Clips of scenes carrying out programs: uint8 [B, T, H, W, 3] RGB, `size` pixels along the shorter side.

    Raises ValueError when the scenes do not share one grid, or the two lists differ in length.
    """
    grids = {(scene.layout.rows, scene.layout.cols) for scene in scenes}
    if len(grids) != 1 or len(scenes) != len(programs):
        raise ValueError(
            f"{len(scenes)} scenes on grids {sorted(grids)} with {len(programs)} programs: one grid for all"
        )
    height, width = picture_size(*grids.pop(), size)
    cell_px = size / SHORT_SIDE
    margin = int(np.ceil((REACH + 0.5) * cell_px)) + 2  # things may be half out of the picture
    batch = len(scenes)
    still = np.zeros((batch, 1, height + 2 * margin, width + 2 * margin, 3), np.uint8)
    for b, scene in enumerate(scenes):
        still[b, 0, margin:-margin, margin:-margin] = background(scene.background, height, width, cell_px)
    moving = [{leg.thing for leg in program.legs} for program in programs]
    order = [sorted(range(len(s.layout.things)), key=lambda i, s=s: ORDER[s.layout.things[i].kind]) for s in scenes]
    # What never moves is drawn once. Movers are agents, which lie above all else and never cross one another.
    fixed = [[i for i in order[b] if i not in moving[b]] for b in range(batch)]
    _draw(still, scenes, [states(scene.layout, STILL, 1) for scene in scenes], fixed, cell_px, margin)
    canvas = np.repeat(still, frames, axis=1)
    placed = [states(scene.layout, program, frames) for scene, program in zip(scenes, programs, strict=True)]
    _draw(canvas, scenes, placed, [[i for i in order[b] if i in moving[b]] for b in range(batch)], cell_px, margin)
    return np.ascontiguousarray(canvas[:, :, margin:-margin, margin:-margin])


def _draw(canvas: np.ndarray, scenes: Sequence[Scene], placed: list, drawn: list, cell_px: float, margin: int) -> None:
    """Draws things `drawn[b]`, in that order, at `placed[b]` (motion.states) into `canvas` uint8 [B, T, H, W, 3]."""
    batch, frames = canvas.shape[:2]
    flat = canvas.reshape(batch * frames, *canvas.shape[2:])
    window = np.arange(int(np.ceil(2 * REACH * cell_px)) + 2)
    limits = np.array(canvas.shape[2:4]) - len(window)
    for layer in range(max(map(len, drawn), default=0)):
        shapes: dict[str, list[int]] = {}
        for b in range(batch):
            if layer < len(drawn[b]):
                shapes.setdefault(scenes[b].layout.things[drawn[b][layer]].shape, []).append(b)
        for shape, members in shapes.items():
            centre = np.concatenate([placed[b][0][:, drawn[b][layer]] for b in members]) * cell_px + margin
            colour = np.concatenate([placed[b][1][:, drawn[b][layer]] for b in members])
            index = (np.array(members)[:, None] * frames + np.arange(frames)).ravel()
            corner = np.clip(np.floor(centre - REACH * cell_px - 0.5).astype(int), 0, limits)
            ys, xs = (corner[:, axis, None] + window for axis in (0, 1))
            dy = ((ys + 0.5 - centre[:, :1]) / cell_px)[:, :, None].astype(np.float32)
            dx = ((xs + 0.5 - centre[:, 1:]) / cell_px)[:, None, :].astype(np.float32)
            cover = coverage(shape, *np.broadcast_arrays(dy, dx), cell_px)[..., None]
            at = (index[:, None, None], ys[:, :, None], xs[:, None, :])
            below = flat[at]
            flat[at] = (below + (colour[:, None, None] - below) * cover + 0.5).astype(np.uint8)


@lru_cache(maxsize=256)
def background(kind: Background, height: int, width: int, cell_px: float) -> np.ndarray:
    """The background alone: uint8 [H, W, 3] RGB. Treat as read-only. Raises ValueError for an unknown kind."""
    rng = np.random.Generator(np.random.PCG64(kind.seed))
    y, x = np.meshgrid((np.arange(height) + 0.5) / cell_px, (np.arange(width) + 0.5) / cell_px, indexing="ij")
    angle = rng.uniform(0, np.pi)
    across = np.cos(angle) * x + np.sin(angle) * y
    match kind.kind:
        case "flat":
            mix = np.zeros_like(x)
        case "gradient":
            mix = (across - across.min()) / (across.max() - across.min())
        case "checker":
            # Products of waves, cut soft at one pixel: squares of half a cell without a staircase at any size.
            waves = np.sin(2 * np.pi * x) * np.sin(2 * np.pi * y)
            mix = 0.45 * np.clip(0.5 + waves * cell_px / 6, 0, 1)
        case "stripes":
            pitch = rng.uniform(0.35, 0.6)
            mix = 0.45 * np.clip(0.5 + np.sin(2 * np.pi * across / pitch) * cell_px * pitch / 6, 0, 1)
        case "noise":
            grid = rng.uniform(0, 1, (round(3 * height / cell_px), round(3 * width / cell_px))).astype(np.float32)
            mix = np.clip(cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC), 0, 1) * 0.9
        case other:
            raise ValueError(f"{other!r} is not a background: use flat, gradient, checker, stripes or noise")
    base, accent = np.array(kind.base, np.float32), np.array(kind.accent, np.float32)
    return (base + (accent - base) * mix[..., None] + 0.5).astype(np.uint8)
