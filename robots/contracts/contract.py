"""What the numbers of a robot mean: its action contract. One robot is one value of `Contract`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Unit = Literal["m", "rad", "1"]
LayoutName = Literal["ctrl_world", "lerobot", "microworld"]


@dataclass(frozen=True)
class Column:
    """One number of a pose. low, high: what the robot can reach or the unit allows, not what is usual; data whose 1 %
    or 99 % quantile lies outside are not this robot's. still: it may be the same all the time."""

    name: str
    unit: Unit
    low: float
    high: float
    still: bool = False


@dataclass(frozen=True)
class Gripper:
    """Which column it is, and its values when open and when closed."""

    index: int
    open: float
    closed: float

    @property
    def said(self) -> str:
        return f"{self.open:g} open, {self.closed:g} closed"


@dataclass(frozen=True)
class Keys:
    """Where one layout has this robot's numbers and pictures.

    state: arrays of the observed pose, side by side the contract's columns. command: the same of the commanded pose; ()
    if there is none. views: view -> camera. fps: rows and frames a second as published, None: the source says it.
    command_every: commands a row, where those are recorded at the control rate.
    """

    state: tuple[str, ...]
    command: tuple[str, ...]
    views: Mapping[str, str]
    fps: float | None = None
    command_every: int = 1


@dataclass(frozen=True)
class Example:
    """Real rows [n][D], the quantiles they were normalised by [D], and what came out [n][D], rounded to four places."""

    states: tuple[tuple[float, ...], ...]
    q01: tuple[float, ...]
    q99: tuple[float, ...]
    normalised: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Contract:
    """robot, frame, rotation, command: sentences for people. views: in the order in which a model stacks them; that of
    the hand is called wrist. absolute: poses, not differences. control_hz: commands a second; video_hz: frames a second
    of the recording (a layout may keep fewer: `Keys.fps`)."""

    name: str
    robot: str
    columns: tuple[Column, ...]
    gripper: Gripper
    views: tuple[str, ...]
    keys: Mapping[LayoutName, Keys]
    frame: str
    rotation: str
    command: str
    control_hz: float
    video_hz: float
    example: Example
    absolute: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    def indices(self, unit: Unit) -> tuple[int, ...]:
        """The columns of a unit: "m" positions, "rad" Euler angles."""
        return tuple(place for place, column in enumerate(self.columns) if column.unit == unit)

    def keys_of(self, layout: LayoutName) -> Keys:
        """Raises ValueError for a layout of which the contract does not say where the numbers are."""
        if layout not in self.keys:
            raise ValueError(
                f"the contract {self.name} has no keys for the layout {layout}, only for {', '.join(self.keys)}"
            )
        return self.keys[layout]
