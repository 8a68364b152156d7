"""What a microworld picture holds: agents, landmarks and stones on a small grid, over a quiet background.

Positions are in cells: (y, x) with (0, 0) the picture's top left corner, y down, x right, and 0.5 the centre of the
first cell. The picture's shorter side spans SHORT_SIDE cells, so cells are square at every size. Agent and landmark
colours are disjoint, and so are their shapes: pixels alone say what can act and what can be reached.
"""

import hashlib
from dataclasses import dataclass, replace

import numpy as np

SHORT_SIDE = 4  # cells along the shorter side of a picture

# Hues lie at least 29 degrees apart in the Cb-Cr plane, where vision.py tells them by their direction.
AGENT_COLOURS = {"red": (226, 38, 42), "orange": (246, 116, 8), "green": (34, 158, 58), "purple": (128, 44, 204)}
LANDMARK_COLOURS = {"blue": (24, 96, 232), "yellow": (248, 226, 30), "cyan": (8, 190, 202), "pink": (240, 62, 164)}
STONE_COLOUR = {"grey": (44, 45, 52)}
PALETTE = AGENT_COLOURS | LANDMARK_COLOURS | STONE_COLOUR

AGENT_SHAPES = ("disc", "square", "triangle", "diamond", "cross")
LANDMARK_SHAPES = ("frame", "ring", "pad")
BACKGROUNDS = ("flat", "gradient", "checker", "stripes", "noise")

HELD_OUT_SHARE = 0.15


@dataclass(frozen=True)
class Thing:
    """An agent (filled, may move), a landmark (hollow or flat, never moves) or a stone (small, grey, in the way)."""

    kind: str  # "agent", "landmark" or "stone"
    shape: str
    colour: str
    y: float
    x: float

    @property
    def name(self) -> str:
        return f"{self.colour} {self.shape}"

    @property
    def cell(self) -> tuple[int, int]:
        """(row, column), counted from 0."""
        return int(self.y), int(self.x)


@dataclass(frozen=True)
class Background:
    """A quiet background. `base` and `accent` are RGB 0..255 of low saturation; `seed` places the texture."""

    kind: str
    base: tuple[int, int, int]
    accent: tuple[int, int, int]
    seed: int


@dataclass(frozen=True)
class Layout:
    """Things on a grid: what a task is about, whether drawn from a generator or read from pixels."""

    rows: int
    cols: int
    things: tuple[Thing, ...]

    def of_kind(self, kind: str) -> tuple[Thing, ...]:
        return tuple(thing for thing in self.things if thing.kind == kind)

    @property
    def agents(self) -> tuple[Thing, ...]:
        return self.of_kind("agent")

    @property
    def landmarks(self) -> tuple[Thing, ...]:
        return self.of_kind("landmark")

    def index(self, name: str) -> int:
        """The place in `things` of the only thing called `name`. Raises ValueError when there is none or several."""
        found = [i for i, thing in enumerate(self.things) if thing.name == name]
        if len(found) != 1:
            names = ", ".join(thing.name for thing in self.things) or "nothing"
            raise ValueError(f"{len(found)} things are called {name!r}, but exactly one must be. The scene has {names}")
        return found[0]


@dataclass(frozen=True)
class Scene:
    """A layout over its background: everything render.py needs."""

    layout: Layout
    background: Background


def sample_scene(
    rng: np.random.Generator,
    rows: int = SHORT_SIDE,
    cols: int = SHORT_SIDE,
    agents: tuple[int, int] = (2, 3),
    landmarks: tuple[int, int] = (2, 3),
    stones: tuple[int, int] = (0, 2),
) -> Scene:
    """A scene of one thing a cell at most, every agent and landmark with a name of its own.

    The pairs are the least and most of each kind. The same generator state gives the same scene. Raises ValueError when
    the grid has too few cells, or its shorter side is not SHORT_SIDE cells (pictures could not be read back).
    """
    if min(rows, cols) != SHORT_SIDE:
        raise ValueError(f"a grid of {rows} x {cols} cells: the shorter side must be {SHORT_SIDE}")
    if agents[1] + landmarks[1] + stones[1] > rows * cols // 2:
        raise ValueError(f"up to {agents[1] + landmarks[1] + stones[1]} things: at most half of {rows * cols} cells")
    wanted = [int(rng.integers(low, high + 1)) for low, high in (agents, landmarks, stones)]
    cells = rng.permutation(rows * cols)[: sum(wanted)]
    names = _names(rng, AGENT_COLOURS, AGENT_SHAPES, wanted[0])
    names += _names(rng, LANDMARK_COLOURS, LANDMARK_SHAPES, wanted[1])
    names += [("grey", "stone")] * wanted[2]
    kinds = ["agent"] * wanted[0] + ["landmark"] * wanted[1] + ["stone"] * wanted[2]
    reach = {"agent": 0.12, "landmark": 0.02, "stone": 0.2}  # jitter, in cells: neighbours never touch
    things = []
    for kind, (colour, shape), cell in zip(kinds, names, cells, strict=True):
        dy, dx = rng.uniform(-reach[kind], reach[kind], 2).round(2)
        at = (round(float(cell // cols + 0.5 + dy), 2), round(float(cell % cols + 0.5 + dx), 2))
        things.append(Thing(kind, shape, colour, *at))
    return Scene(Layout(rows, cols, tuple(things)), sample_background(rng))


def _names(rng: np.random.Generator, colours: dict, shapes: tuple[str, ...], count: int) -> list[tuple[str, str]]:
    pairs = [(colour, shape) for colour in colours for shape in shapes]
    return [pairs[i] for i in rng.permutation(len(pairs))[:count]]


def sample_background(rng: np.random.Generator) -> Background:
    """A background of any hue, light to middle grey, too pale to be taken for a thing."""
    kind = BACKGROUNDS[int(rng.integers(len(BACKGROUNDS)))]
    hue = rng.uniform()
    value = rng.uniform(0.76, 0.97)
    saturation = rng.uniform(0.03, 0.15)
    base = _rgb(hue, saturation, value)
    shift = rng.uniform(0.07, 0.12) * (1 if value < 0.86 else -1)
    accent = _rgb((hue + rng.uniform(-0.08, 0.08)) % 1, min(saturation + 0.03, 0.16), value + shift)
    return Background(kind, base, accent, int(rng.integers(1 << 31)))


def _rgb(hue: float, saturation: float, value: float) -> tuple[int, int, int]:
    """HSV (all 0..1) to RGB 0..255."""
    phase = (np.array([5.0, 3.0, 1.0]) + hue * 6) % 6
    rgb = value - value * saturation * np.clip(np.minimum(phase, 4 - phase), 0, 1)
    return tuple(round(float(c) * 255) for c in rgb)


def moved(layout: Layout, positions: np.ndarray, colours: tuple[str, ...]) -> Layout:
    """`layout` with its things at `positions` (float [N, 2], cells) in `colours` (N names): where a motion ended."""
    things = [
        replace(thing, y=round(float(y), 3), x=round(float(x), 3), colour=colour)
        for thing, (y, x), colour in zip(layout.things, positions, colours, strict=True)
    ]
    return replace(layout, things=tuple(things))


def held_out(combination: str) -> bool:
    """Whether a combination ("red disc|blue frame|movement") is kept from training, for the test of unseen ones.

    A hash decides, so that the split is the same in every process and version.
    """
    draw = int.from_bytes(hashlib.sha256(combination.encode()).digest()[:8], "big") / 2**64
    return draw < HELD_OUT_SHARE
