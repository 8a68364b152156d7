"""What a chart shows, without a word about how it is drawn: pages/svg.py draws it into pages, pages/png.py as PNG.

Callers describe data; colours, markers and dashes follow from the names of styles (pages/roles.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pages.roles import OTHERS


@dataclass(frozen=True)
class Series:
    """Points of one line, by x. `band` are (low, high) of each; `strands` are lines that it pools, y by y.

    `ours`: solid with markers; the paper's are dashed and thin.
    """

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    band: tuple[tuple[float, float], ...] = ()
    style: str = OTHERS[0].name
    ours: bool = True
    strands: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True)
class Level:
    """A value that does not depend on x: a line across the chart. The paper's are drawn otherwise than ours."""

    name: str
    y: float
    style: str
    ours: bool = True


@dataclass(frozen=True)
class Lines:
    """Lines over each other. `note` says below the title what to think of when reading them.

    `x_paper` names an axis of its own, at the top, that the paper's series are on; "": one axis. `x_labels` are names
    of the places 0, 1, 2 ... instead of numbers. `unit`: values are shares within 0..1. `log`: so is the axis of y.
    """

    title: str
    series: tuple[Series, ...]
    levels: tuple[Level, ...] = ()
    x_name: str = "optimizer steps"
    y_name: str = ""
    x_paper: str = ""
    x_labels: tuple[str, ...] = ()
    unit: bool = True
    log: bool = False
    note: str = ""


@dataclass(frozen=True)
class Dot:
    """A value with its interval, None where it is not known; `parts` are single values that it pools."""

    name: str
    value: float | None
    low: float | None
    high: float | None
    style: str
    parts: tuple[float, ...] = ()


@dataclass(frozen=True)
class Dots:
    """Shares from 0 to 1 below each other, and levels across all of them."""

    title: str
    rows: tuple[Dot, ...]
    levels: tuple[Level, ...] = ()


@dataclass(frozen=True)
class Limit:
    """A value that a histogram is cut at; `words` tell it, "": its number does. `side`: "low" or "high" end."""

    value: float
    words: str = ""
    side: str = ""


@dataclass(frozen=True)
class Histogram:
    """Counts between `edges` [N + 1], as parts (kind, counts [N]) on top of each other; kinds are of pages/palette.py.

    `log` spaces the values by their logarithm. Without counts the picture says that there are none.
    """

    title: str
    edges: Sequence[float]
    parts: Sequence[tuple[str, Sequence[int]]]
    limits: tuple[Limit, ...] = ()
    x_name: str = ""
    log: bool = False

    @property
    def counts(self) -> np.ndarray:
        """Of all parts together, [N]."""
        return np.sum([np.asarray(part) for _, part in self.parts], axis=0)


@dataclass(frozen=True)
class Bars:
    """A bar a label and group, labels from top to bottom. `groups` are (name, colour of pages/palette.py, values);
    `words` stand at the bars of an only group, instead of an axis."""

    title: str
    labels: tuple[str, ...]
    groups: tuple[tuple[str, str, tuple[float, ...]], ...]
    x_name: str = ""
    words: tuple[str, ...] = ()


Chart = Lines | Dots | Histogram | Bars


def running_means(values: Sequence[float], window: int) -> tuple[float, ...]:
    """Of each value and those before it, `window` of them at most: [N] -> [N]."""
    return tuple(float(np.mean(values[max(0, end - window) : end])) for end in range(1, len(values) + 1))
