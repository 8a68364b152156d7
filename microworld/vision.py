"""Reading a picture: pixels in, layout out. Nothing here knows how a picture was made but for shapes and colours.

The picture is brought to 16 pixels a cell. A pixel that mixes background and one colour lies, in the Cb-Cr plane, on
the line between the two, so its share of the colour is a projection: one matte per colour. A thing is where its
blurred outline correlates with its colour's matte. Agents are read first, landmarks where no agent hides them.
Pictures are read together: what is the same work for all (fitting.py) is done once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from media.pictures import SIGNATURES, check_size, plain
from microworld.fitting import (
    APART,
    CELL_PX,
    EDGE,
    EIGHTHS,
    HALF,
    SHAPES,
    WIDE,
    Region,
    cosine,
    fits,
    hide,
    outlines,
    peaks,
    vertex,
)
from microworld.scene import AGENT_COLOURS, LANDMARK_COLOURS, SHORT_SIDE, STONE_COLOUR, Layout, Thing

LEAST_PX = 24  # pictures smaller than this along the shorter side are refused
PALE = 0.13  # Cb-Cr distance from the background below which a pixel has no colour
DARK = 0.30  # luma below which a pale pixel may be a stone
LUMA_TRUST = 12.0  # weight of luma against chroma in telling shapes, for each unit of contrast
MURKY = 0.12  # mean luma difference beside a thing at which luma is trusted a third as much
LEAST_MASS = 8.0  # pixels of its colour: no thing is smaller
PARTED = 3  # pixels: parts of a thing lie no further than twice this from one another
BORDER = 2 * HALF + PARTED  # hidden pixels around the picture
STRAY = 0.02  # share of coloured or dark pixels away from all things above which a picture is not of this world
ROUGH = 0.11  # the same for the spread of the background's luma
COLOURS = AGENT_COLOURS | LANDMARK_COLOURS | STONE_COLOUR
KINDS = {"agent": AGENT_COLOURS, "stone": STONE_COLOUR, "landmark": LANDMARK_COLOURS}  # in the order they are read
TOUCH = np.ones((2 * PARTED + 1,) * 2, np.uint8)
# Pixels of a window within 0.45 cells of its centre.
NEAR = (np.hypot(*np.mgrid[-HALF : HALF + 1, -HALF : HALF + 1]) < 0.45 * CELL_PX).astype(np.float32).ravel()


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


@dataclass
class _Picture:
    """A picture being read. Planes [H, W] of its pixels; those called `wide` have BORDER hidden pixels all around.

    `luma` is the difference to the background's, `share` [H, W] what the strongest colour has of each pixel.
    """

    luma: np.ndarray
    pale: np.ndarray  # bool
    share: np.ndarray
    wide_luma: np.ndarray
    wide_mattes: np.ndarray  # [COLOURS, H, W]
    masses: np.ndarray  # [COLOURS], the mattes' sums
    wide_clear: np.ndarray  # 0 where a thing hides what is below it
    seen: list[Seen] = field(default_factory=list)


def decode(data: bytes) -> np.ndarray:
    """An encoded JPEG or PNG as uint8 [H, W, 3] RGB, upright and on white. Raises ValueError: neither, or too large."""
    check_size(data)
    flags = cv2.IMREAD_COLOR
    if data.startswith(tuple(SIGNATURES)):
        data, flags = plain(data), flags | cv2.IMREAD_IGNORE_ORIENTATION  # OpenCV reads some that Pillow cannot
    image = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
    if image is None:
        raise ValueError(f"{len(data)} bytes are not an image: give a JPEG or PNG")
    return image[:, :, ::-1]


def grid(height: int, width: int) -> tuple[int, int]:
    """(rows, columns) of a picture of this size."""
    short = min(height, width)
    return round(SHORT_SIDE * height / short), round(SHORT_SIDE * width / short)


def small(image: np.ndarray) -> np.ndarray:
    """`image` (uint8 [H, W, 3] RGB) at CELL_PX pixels a cell: float32 0..1. Raises ValueError for a wrong shape."""
    if image.ndim != 3 or image.shape[2] != 3 or min(image.shape[:2]) < LEAST_PX:
        raise ValueError(f"an image of shape {image.shape}: give [H, W, 3] with at least {LEAST_PX} pixels a side")
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
    return observe_all([small(image)])[0]


def observe_all(pictures: Sequence[np.ndarray]) -> list[Observation]:
    """`observe` for many pictures as `small` gives them, each read as if it were alone."""
    ground = [_ground(pixels) for pixels in pictures]
    readable = [one for one in ground if isinstance(one, _Picture)]
    for kind in KINDS:
        _read(readable, kind)
    return [
        _observation(*(side // CELL_PX for side in pixels.shape[:2]), one)
        for pixels, one in zip(pictures, ground, strict=True)
    ]


def _observation(rows: int, cols: int, picture: _Picture | str) -> Observation:
    why = picture if isinstance(picture, str) else _strange(picture)
    if why:
        return Observation(rows, cols, (), why)
    return Observation(rows, cols, tuple(sorted(picture.seen, key=lambda s: (s.thing.kind, s.thing.y, s.thing.x))))


def _ground(pixels: np.ndarray) -> _Picture | str:
    """A picture's planes, or why it has no background of the microworld."""
    luma, chroma = opponent(pixels)
    chroma = np.ascontiguousarray(chroma.transpose(2, 0, 1))  # planes: much faster to take pixels from
    cb, cr = (plane - _median(plane.ravel()) for plane in chroma)
    pale = cb * cb + cr * cr < PALE**2
    if pale.mean() < 0.25:
        return "no quiet background"
    back_chroma, back_luma = np.array([_median(plane[pale]) for plane in chroma]), float(_median(luma[pale]))
    if np.hypot(*back_chroma) > 0.15 or back_luma < 0.4:
        return "the background is dark or gaudy"
    mattes = matte(chroma - back_chroma[:, None, None], back_chroma)
    grey = np.clip((back_luma - luma) / (back_luma - 0.18), 0, 1) * (luma < (back_luma + DARK) / 2) * pale
    wide = np.zeros((len(COLOURS) + 2, *(side + 2 * BORDER for side in luma.shape)), np.float32)
    inside = wide[:, BORDER:-BORDER, BORDER:-BORDER]
    inside[:-3], inside[-3], inside[-2], inside[-1] = mattes, grey, luma - back_luma, 1
    masses = np.append(mattes.sum(axis=(1, 2)), grey.sum())
    return _Picture(luma, pale, np.maximum(mattes.max(axis=0), grey), wide[-2], wide[:-2], masses, wide[-1])


def _median(values: np.ndarray) -> np.float32:
    """The median of float32 [N]: np.median without its search for NaN."""
    half = len(values) // 2
    parted = np.partition(values, half)
    return parted[half] if len(values) % 2 else (parted[:half].max() + parted[half]) / 2


def opponent(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Luma [..., ] and Cb-Cr [..., 2] of RGB [..., 3], all 0..1: linear, so mixtures stay on straight lines."""
    luma = rgb @ np.array([0.299, 0.587, 0.114], np.float32)
    return luma, np.stack([(rgb[..., 2] - luma) * 0.564, (rgb[..., 0] - luma) * 0.713], axis=-1)


def matte(chroma: np.ndarray, back: np.ndarray) -> np.ndarray:
    """The share 0..1 that each colour of agents and landmarks has of each pixel: float32 [colours, H, W].

    Only the nearest colour has any. `chroma` are Cb-Cr differences [2, H, W] to the background's `back` [2].
    """
    colours = AGENT_COLOURS | LANDMARK_COLOURS
    ends = opponent(np.array(list(colours.values()), np.float32) / 255)[1] - back
    lengths = np.hypot(*ends.T)[:, None]
    along = (ends / lengths) @ chroma.reshape(2, -1)
    shares = np.clip(along / lengths, 0, 1) * (along == along.max(axis=0))
    return shares.reshape(len(colours), *chroma.shape[1:])


def _read(pictures: Sequence[_Picture], kind: str) -> None:
    """Adds the things of one kind to each picture, and hides what lies below them."""
    places = [
        (picture, colour, region)
        for picture in pictures
        for colour in KINDS[kind]
        for region in _regions(picture, colour)
    ]
    found: dict[int, list[Seen]] = {}
    for place, seen in _things([region for *_, region in places], [colour for _, colour, _ in places], kind):
        found.setdefault(id(places[place][0]), []).append(seen)
    for picture in pictures:
        best = _best(found.get(id(picture), []), APART[kind])
        picture.seen += best
        if kind != "landmark":
            for one in best:
                hide(picture.wide_clear, one.thing, 1.3, BORDER)


def _regions(picture: _Picture, colour: str) -> list[Region]:
    """Where a thing of a colour may be, with room for a window around it."""
    number = list(COLOURS).index(colour)
    if picture.masses[number] < LEAST_MASS:
        return []
    value = picture.wide_mattes[number] * picture.wide_clear
    marked = (value > 0.3).view(np.uint8)
    x0, y0, width, height = cv2.boundingRect(marked)
    if not width:
        return []
    x0, y0 = x0 - PARTED, y0 - PARTED
    # Parts of one thing that another divides are taken as one region.
    marked = cv2.dilate(marked[y0 : y0 + height + 2 * PARTED, x0 : x0 + width + 2 * PARTED], TOUCH)
    count, _, boxes, _ = cv2.connectedComponentsWithStats(marked)
    regions = []
    for x, y, width, height, _ in boxes[1:count]:
        top, left = max(y + y0 - HALF, 0), max(x + x0 - HALF, 0)
        part = np.s_[top : y + y0 + height + HALF, left : x + x0 + width + HALF]
        if float(value[part].sum()) >= LEAST_MASS:
            clear = picture.wide_clear[part]
            regions.append(Region(top - BORDER, left - BORDER, clear, value[part], picture.wide_luma[part] * clear))
    return regions


def _things(regions: Sequence[Region], colours: Sequence[str], kind: str) -> list[tuple[int, Seen]]:
    """The things in regions of one colour each: (the region's number, what is there), the best of a region first."""
    all_fits = fits(regions, kind)
    found = [(i, y, x) for i, fit in enumerate(all_fits) for y, x in peaks(fit, kind)]
    if not found:
        return []
    clear, value, bright = (
        np.stack([_window(getattr(regions[i], plane), y, x) for i, y, x in found])[:, None]
        for plane in ("clear", "value", "bright")
    )
    near = np.stack([all_fits[i][:, y - 1 : y + 2, x - 1 : x + 2] for i, y, x in found])  # [peaks, shapes, 3, 3]
    dy, dx = vertex(near[..., 1]), vertex(near[:, :, 1])
    # On a pad the surroundings are as dark as the thing: then luma tells nothing about its outline.
    beside = clear * NEAR * (value < 0.2)
    murky = (np.abs(bright) * beside).sum(-1) / np.maximum(beside.sum(-1), 1)
    shapes = np.arange(len(SHAPES[kind]))
    outline = outlines(kind)[shapes, *(np.rint(8 * shift).astype(int) + EIGHTHS for shift in (dy, dx))] * clear
    contrast = (bright * outline).sum(-1) / (outline**2).sum(-1)
    trust = LUMA_TRUST * np.abs(contrast) * np.exp(-((murky / MURKY) ** 2))
    # Where a thing is, chroma says; of which shape, luma says too, since compression halves chroma's resolution.
    score = (cosine(value, outline) + trust * np.abs(cosine(bright, outline))) / (1 + trust)
    things = []
    for n, (i, y, x) in enumerate(found):
        best = int(score[n].argmax())
        row = (y + EDGE + float(dy[n, best]) + regions[i].top + 0.5) / CELL_PX
        col = (x + EDGE + float(dx[n, best]) + regions[i].left + 0.5) / CELL_PX
        thing = Thing(kind, SHAPES[kind][best], colours[i], round(row, 3), round(col, 3))
        things.append((i, Seen(thing, float(near[n, :, 1, 1].max()))))
    return things


def _window(plane: np.ndarray, y: int, x: int) -> np.ndarray:
    """The window of a region's plane around the pixel that entry [y, x] of its fits is about."""
    return plane[y - 1 : y - 1 + WIDE, x - 1 : x - 1 + WIDE].reshape(WIDE * WIDE)


def _best(found: list[Seen], apart: float) -> list[Seen]:
    """The better of any two that lie on one another, across colours."""
    kept: list[Seen] = []
    for one in sorted(found, key=lambda s: (-s.fit, s.thing.name)):
        if all(np.hypot(one.thing.y - k.thing.y, one.thing.x - k.thing.x) >= apart for k in kept):
            kept.append(one)
    return kept


def _strange(picture: _Picture) -> str:
    """Why the picture is not of this world, "" when it is: everything must be a thing or quiet background."""
    free = np.ones(picture.luma.shape, bool)
    for one in picture.seen:
        hide(free, one.thing, 3.0)
    share = float(((picture.share > 0.6) & free).mean())
    if share > STRAY:
        return f"{share:.1%} of the picture is coloured or dark but no thing"
    quiet = picture.luma[picture.pale & free]
    spread = float(quiet.std()) if len(quiet) else 1.0
    return f"the background's brightness varies by {spread:.2f}" if spread > ROUGH else ""
