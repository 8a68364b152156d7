"""Reading a picture: pixels in, layout out. Nothing here knows how a picture was made but for shapes and colours.

The picture is brought to 16 pixels a cell. A pixel that mixes background and one colour lies, in the Cb-Cr plane, on
the line between the two, so its share of the colour is a projection: one matte per colour. A thing is where its
blurred outline correlates with its colour's matte. Agents are read first, landmarks where no agent hides them.
"""

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from microworld.scene import (
    AGENT_COLOURS,
    AGENT_SHAPES,
    LANDMARK_COLOURS,
    LANDMARK_SHAPES,
    SHORT_SIDE,
    STONE_COLOUR,
    Layout,
    Thing,
)
from microworld.shapes import coverage, distance

SHAPES = {"agent": AGENT_SHAPES, "stone": ("stone",), "landmark": LANDMARK_SHAPES}
CELL_PX = 16
HALF = 9  # pixels from a window's centre to its edge: a cell and a pixel around it
LEAST_PX = 24  # pictures smaller than this along the shorter side are refused
PALE = 0.13  # Cb-Cr distance from the background below which a pixel has no colour
DARK = 0.30  # luma below which a pale pixel may be a stone
NEIGHBOURHOOD = 3.0  # pixels around an agent
FIT = {"agent": 0.77, "landmark": 0.73, "stone": 0.72}  # least correlation of a thing with its outline
LUMA_TRUST = 12.0  # weight of luma against chroma in telling shapes, for each unit of contrast
MURKY = 0.12  # mean luma difference beside a thing at which luma is trusted a third as much
LEAST_MASS = 8.0  # pixels of its colour: no thing is smaller
PARTED = 3  # pixels: parts of a thing lie no further than twice this from one another
BORDER = 2 * HALF + PARTED  # hidden pixels around the picture
OPACITY = 0.45  # least mean share of the colour under the outline
APART = {"agent": 0.45, "landmark": 0.6, "stone": 0.25}  # cells: nearer than this, the better of two fits is kept
STRAY = 0.02  # share of coloured or dark pixels away from all things above which a picture is not of this world
ROUGH = 0.11  # the same for the spread of the background's luma


@dataclass(frozen=True)
class Seen:
    """A thing as read: `fit` is its correlation with the ideal outline, 0..1."""

    thing: Thing
    fit: float


@dataclass(frozen=True)
class Observation:
    """What a picture shows. `why` says what kept it from being read, "" when it was; then `seen` is empty too."""

    rows: int
    cols: int
    background: tuple[int, int, int]  # median RGB
    seen: tuple[Seen, ...]
    why: str = ""

    @property
    def layout(self) -> Layout:
        return Layout(self.rows, self.cols, tuple(seen.thing for seen in self.seen))

    @property
    def readable(self) -> bool:
        return not self.why

    @property
    def fit(self) -> float:
        """The least certain thing's fit, 0 when there is nothing."""
        return min((seen.fit for seen in self.seen), default=0.0)


def decode(data: bytes) -> np.ndarray:
    """An encoded JPEG or PNG as uint8 [H, W, 3] RGB. Raises ValueError when it is neither."""
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if image is None:
        raise ValueError(f"{len(data)} bytes are no image: a JPEG or PNG is expected")
    return image[:, :, ::-1]


def grid(height: int, width: int) -> tuple[int, int]:
    """(rows, columns) of a picture of this size."""
    short = min(height, width)
    return round(SHORT_SIDE * height / short), round(SHORT_SIDE * width / short)


def small(image: np.ndarray) -> np.ndarray:
    """`image` (uint8 [H, W, 3] RGB) at CELL_PX pixels a cell: float32 0..1. Raises ValueError for a wrong shape."""
    if image.ndim != 3 or image.shape[2] != 3 or min(image.shape[:2]) < LEAST_PX:
        raise ValueError(f"an image of shape {image.shape}: [H, W, 3] with {LEAST_PX} pixels a side is the least")
    rows, cols = grid(*image.shape[:2])
    size = (cols * CELL_PX, rows * CELL_PX)
    shrinks = image.shape[0] >= size[1]
    scaled = cv2.resize(np.ascontiguousarray(image), size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    return scaled.astype(np.float32) / 255


def observe(image: np.ndarray) -> Observation:
    """Reads a picture: uint8 [H, W, 3] RGB of any scale. Positions are good to about a twentieth of a cell.

    A picture that is not of the microworld gives an observation without things that says why. Raises ValueError for
    what is no picture at all.
    """
    pixels = small(image)
    rows, cols = pixels.shape[0] // CELL_PX, pixels.shape[1] // CELL_PX
    luma, chroma = opponent(pixels)
    pale = np.hypot(*(chroma - np.median(chroma, axis=(0, 1))).transpose(2, 0, 1)) < PALE
    if pale.mean() < 0.25:
        return Observation(rows, cols, _rgb(pixels, pale), (), "no quiet background")
    back_chroma, back_luma = np.median(chroma[pale], axis=0), float(np.median(luma[pale]))
    if np.hypot(*back_chroma) > 0.15 or back_luma < 0.4:
        return Observation(rows, cols, _rgb(pixels, pale), (), "the background is dark or gaudy")
    mattes = matte(chroma - back_chroma, back_chroma)
    mattes["grey"] = np.clip((back_luma - luma) / (back_luma - 0.18), 0, 1) * (luma < (back_luma + DARK) / 2) * pale
    clear = np.ones(luma.shape, np.float32)
    seen: list[Seen] = []
    for kind, colours in (("agent", AGENT_COLOURS), ("stone", STONE_COLOUR), ("landmark", LANDMARK_COLOURS)):
        found = [one for c in colours for one in _find(mattes[c], luma - back_luma, clear, kind, c)]
        found = _best(found, APART[kind])
        if kind != "landmark":
            for one in found:
                clear *= 1 - footprint(clear.shape, one.thing, 1.3)
        seen += found
    why = _strange(luma, mattes, pale, seen)
    order = sorted(seen, key=lambda s: (s.thing.kind, s.thing.y, s.thing.x))
    return Observation(rows, cols, _rgb(pixels, pale), () if why else tuple(order), why)


def opponent(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Luma [..., ] and Cb-Cr [..., 2] of RGB [..., 3], all 0..1: linear, so mixtures stay on straight lines."""
    luma = rgb @ np.array([0.299, 0.587, 0.114], np.float32)
    return luma, np.stack([(rgb[..., 2] - luma) * 0.564, (rgb[..., 0] - luma) * 0.713], axis=-1)


def matte(chroma: np.ndarray, back: np.ndarray) -> dict[str, np.ndarray]:
    """Each colour's share of each pixel, 0..1 [H, W], from Cb-Cr differences to the background [H, W, 2]."""
    colours = AGENT_COLOURS | LANDMARK_COLOURS
    ends = opponent(np.array(list(colours.values()), np.float32) / 255)[1] - back
    lengths = np.hypot(*ends.T)
    along = chroma @ (ends / lengths[:, None]).T  # [H, W, colours]
    nearest = along.argmax(-1)
    share = np.clip(along / lengths, 0, 1)
    return {name: np.where(nearest == i, share[..., i], 0).astype(np.float32) for i, name in enumerate(colours)}


@cache
def around(shape: str) -> np.ndarray:
    """The pixels that count against a shape: those near it, so that an agent passing another is still read."""
    at = np.arange(-HALF, HALF + 1) / CELL_PX
    near = distance(shape, *np.meshgrid(at, at, indexing="ij")) * CELL_PX < NEIGHBOURHOOD
    return near.astype(np.float32) if shape in AGENT_SHAPES else np.ones_like(near, np.float32)


@cache
def outline_of(shape: str, down: int = 0, right: int = 0) -> np.ndarray:
    """A shape's coverage [2 HALF + 1, 2 HALF + 1], softened as compression and scaling soften it.

    It is centred but for a shift of `down` and `right` eighths of a pixel.
    """
    y, x = ((np.arange(-HALF, HALF + 1) - shift / 8) / CELL_PX for shift in (down, right))
    fine = coverage(shape, *np.meshgrid(y, x, indexing="ij"), CELL_PX)
    return cv2.GaussianBlur(fine.astype(np.float32), (0, 0), 0.6)


def _find(matte: np.ndarray, luma: np.ndarray, clear: np.ndarray, kind: str, colour: str) -> list[Seen]:
    """Things of one colour: peaks of the correlation between its matte and each outline, looked for around its pixels.

    `luma` is the pixels' difference to the background's luma, `clear` 0 where something else hides them. Where a thing
    is, chroma says; of which shape it is, luma says too, since compression halves the resolution of chroma.
    """
    if float((matte * clear).sum()) < LEAST_MASS:
        return []
    # A border of hidden pixels lets things stand at the picture's edge.
    planes = [
        cv2.copyMakeBorder(plane, *[BORDER] * 4, cv2.BORDER_CONSTANT, value=0)
        for plane in (clear, matte * clear, luma * clear)
    ]
    # Parts of one thing that another divides are taken as one region.
    marked = cv2.dilate((planes[1] > 0.3).astype(np.uint8), np.ones((2 * PARTED + 1,) * 2, np.uint8))
    count, _, boxes, _ = cv2.connectedComponentsWithStats(marked)
    found = []
    for x, y, width, height, _ in boxes[1:count]:
        top, left = max(y - HALF, 0), max(x - HALF, 0)
        part = np.s_[top : y + height + HALF, left : x + width + HALF]
        if float(planes[1][part].sum()) >= LEAST_MASS:
            found += _peaks([plane[part] for plane in planes], kind, colour, (top - BORDER, left - BORDER))
    return found


def _peaks(planes: list[np.ndarray], kind: str, colour: str, origin: tuple[int, int]) -> list[Seen]:
    """The things in one region of the picture (clear, matte, luma), whose corner lies at `origin`, best first."""
    weight, value, _ = planes
    square = value * value
    fits = []
    for shape in SHAPES[kind]:
        outline = outline_of(shape)
        dot, norm = _slide(value, outline), _slide(weight, outline**2)
        fit = dot / np.sqrt(np.maximum(_slide(square, around(shape)) * norm, 1e-6))
        enough = (norm > 0.4 * float((outline**2).sum())) & (dot > OPACITY * norm)
        fits.append(np.where(enough, fit, 0))
    best = np.max(fits, axis=0)
    best[:HALF], best[-HALF:], best[:, :HALF], best[:, -HALF:] = 0, 0, 0, 0  # windows lie in the region
    found = []
    while True:
        y, x = np.unravel_index(best.argmax(), best.shape)
        if best[y, x] < FIT[kind]:
            return found
        found.append(_named(kind, colour, (int(y), int(x)), fits, planes, origin))
        reach = int(APART[kind] * CELL_PX)
        best[max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1] = 0


def _named(kind: str, colour: str, peak: tuple[int, int], fits: list, planes: list, origin: tuple[int, int]) -> Seen:
    """The thing at a peak: its shape by chroma and luma together, each shape at its own place to a part of a pixel."""
    y, x = peak
    weight, value, bright = (plane[y - HALF : y + HALF + 1, x - HALF : x + HALF + 1] for plane in planes)
    # On a pad the surroundings are as dark as the thing: then luma tells nothing about its outline.
    beside = weight * _near() * (value < 0.2)
    murky = float((np.abs(bright) * beside).sum() / max(beside.sum(), 1.0))
    ranked = []
    for shape, fit in zip(SHAPES[kind], fits, strict=True):
        dy, dx = _vertex(*fit[y - 1 : y + 2, x]), _vertex(*fit[y, x - 1 : x + 2])
        outline = outline_of(shape, round(8 * dy), round(8 * dx)) * weight
        contrast = float((bright * outline).sum() / (outline**2).sum())
        trust = LUMA_TRUST * abs(contrast) * float(np.exp(-((murky / MURKY) ** 2)))
        score = (_cosine(value, outline) + trust * abs(_cosine(bright, outline))) / (1 + trust)
        row, col = (
            (at + shift + start + 0.5) / CELL_PX for at, shift, start in ((y, dy, origin[0]), (x, dx, origin[1]))
        )
        ranked.append((score, shape, round(float(row), 3), round(float(col), 3)))
    _, shape, row, col = max(ranked)
    return Seen(Thing(kind, shape, colour, row, col), float(max(fit[y, x] for fit in fits)))


@cache
def _near() -> np.ndarray:
    """Pixels of a window within 0.45 cells of its centre."""
    at = np.arange(-HALF, HALF + 1) / CELL_PX
    return (np.hypot(at[:, None], at[None, :]) < 0.45).astype(np.float32)


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float((a * b).sum() / max(np.sqrt((a * a).sum() * (b * b).sum()), 1e-9))


def _slide(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    return cv2.filter2D(image, cv2.CV_32F, kernel, borderType=cv2.BORDER_CONSTANT)


def _vertex(before: float, at: float, after: float) -> float:
    """Where between -0.5 and 0.5 the parabola through three neighbours peaks."""
    bend = before - 2 * at + after
    return float(np.clip((before - after) / (2 * bend), -0.5, 0.5)) if bend < -1e-6 and min(before, after) > 0 else 0.0


def _best(found: list[Seen], apart: float) -> list[Seen]:
    """The better of any two that lie on one another, across colours."""
    kept: list[Seen] = []
    for one in sorted(found, key=lambda s: (-s.fit, s.thing.name)):
        if all(np.hypot(one.thing.y - k.thing.y, one.thing.x - k.thing.x) >= apart for k in kept):
            kept.append(one)
    return kept


def footprint(shape: tuple[int, int], thing: Thing, grow: float) -> np.ndarray:
    """The pixels (float32 0 or 1, CELL_PX a cell) within `grow` pixels of a thing."""
    y, x = ((np.arange(n) + 0.5) / CELL_PX for n in shape)
    dy, dx = np.broadcast_arrays((y - thing.y)[:, None], (x - thing.x)[None, :])
    return (distance(thing.shape, dy, dx) * CELL_PX < grow).astype(np.float32)


def _strange(luma: np.ndarray, mattes: dict, pale: np.ndarray, seen: list[Seen]) -> str:
    """Why the picture is not of this world, "" when it is: everything must be a thing or quiet background."""
    around = np.zeros(luma.shape, bool)
    for one in seen:
        around |= footprint(luma.shape, one.thing, 3.0) > 0
    stray = np.max(list(mattes.values()), axis=0) > 0.6
    share = float((stray & ~around).mean())
    if share > STRAY:
        return f"{share:.1%} of the picture is coloured or dark but no thing"
    spread = float(luma[pale & ~around].std()) if (pale & ~around).any() else 1.0
    return f"the background's brightness varies by {spread:.2f}" if spread > ROUGH else ""


def _rgb(pixels: np.ndarray, pale: np.ndarray) -> tuple[int, int, int]:
    chosen = pixels[pale] if pale.any() else pixels.reshape(-1, 3)
    return tuple(round(float(c) * 255) for c in np.median(chosen, axis=0))
