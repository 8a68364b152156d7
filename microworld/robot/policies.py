"""Scripted policies: what to do next is read from the state alone, so that they act in any environment of it.

A policy is called with a state and answers with the next pose; `stage` names what it is at. It never goes back to an
earlier stage, whatever becomes of the block: a block that was missed or dropped is not tried again.
"""

from dataclasses import dataclass
from math import atan2, cos, hypot, pi, sin
from typing import Protocol

import numpy as np

from microworld.robot import sizes
from microworld.robot.sizes import BLOCK_HALF
from microworld.robot.state import Block, State

NEAR = 0.006  # m: there
HIGH, LOW = 0.115, 0.014  # m, tips when travelling and when at work
SIDE = 0.068  # m between a block's middle and the fingers that are about to push it
PATIENCE = 18  # rows that a stage takes at most
STAGES = ("reach", "grasp", "lift", "carry", "place", "retreat")
PUSH_STAGES = ("reach", "lower", "push", "retreat")
Pose = tuple[float, float, float, float, float, float, float]


class Policy(Protocol):
    """`stage` is the stage of the last call, "done" at the end; `stages` all of them in their order."""

    stage: str
    stages: tuple[str, ...]

    def __call__(self, state: State) -> Pose: ...


class Staged:
    """Goes through `stages`; a subclass says for each where to go, and when it is over."""

    stages: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.stage = self.stages[0]
        self._rows = 0

    def __call__(self, state: State) -> Pose:
        self._rows += 1
        if self.stage != "done" and (self._rows > PATIENCE or self.over(state)):
            place = self.stages.index(self.stage) + 1
            self.stage, self._rows = (*self.stages, "done")[place], 1
            self.entered(state)
        return self.aim(state)

    def entered(self, state: State) -> None:
        """A new stage has begun."""

    def over(self, state: State) -> bool:
        raise NotImplementedError

    def aim(self, state: State) -> Pose:
        raise NotImplementedError


@dataclass(frozen=True)
class Spoiled:
    """What a policy does badly. `aside`: m that a grasp or push misses the middle by, along the gripper's x and y;
    `early`: the block is let go when half carried; `shallow`: m too high when the fingers close."""

    aside: tuple[float, float] = (0.0, 0.0)
    early: bool = False
    shallow: float = 0.0


GOOD = Spoiled()


class PickAndPlace(Staged):
    """Grasps the block of a colour and sets it down at `to` (x, y in metres)."""

    stages = STAGES

    def __init__(self, colour: str, to: tuple[float, float], spoiled: Spoiled = GOOD):
        super().__init__()
        self.colour, self.to, self.spoiled = colour, to, spoiled
        self._from: tuple[float, float] | None = None
        self._at: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def entered(self, state: State) -> None:
        self._at = (state.pose[0], state.pose[1], state.pose[5])
        if self.stage == "carry":
            self._from = self._at[:2]

    def _grip(self, block: Block) -> tuple[float, float, float]:
        yaw = square_yaw(block.yaw)
        dx, dy = self.spoiled.aside
        return block.x + cos(yaw) * dx - sin(yaw) * dy, block.y + sin(yaw) * dx + cos(yaw) * dy, yaw

    def over(self, state: State) -> bool:
        x, y, z, _, _, yaw, gripper = state.pose
        block = state.block(self.colour)
        match self.stage:
            case "reach":
                gx, gy, turn = self._grip(block)
                return hypot(x - gx, y - gy) < NEAR and abs(yaw - turn) < 0.06 and z < self._low() + NEAR
            case "grasp":
                return gripper > 0.99
            case "lift":
                return z > HIGH - 2 * NEAR
            case "carry":
                start = self._from or (x, y)
                way = hypot(self.to[0] - start[0], self.to[1] - start[1])
                left = hypot(x - self.to[0], y - self.to[1])
                return left < NEAR or (self.spoiled.early and left < way / 2)
            case "place":
                return gripper < 0.01
        return z > HIGH - 2 * NEAR

    def _low(self) -> float:
        return LOW + self.spoiled.shallow

    def aim(self, state: State) -> Pose:
        x, y, z = state.pose[:3]
        block = state.block(self.colour)
        match self.stage:
            case "reach":
                gx, gy, yaw = self._grip(block)
                above = hypot(x - gx, y - gy) > 0.012
                return pose(gx, gy, HIGH if above else self._low(), yaw, 0.0)
            case "grasp":
                return pose(x, y, z, state.pose[5], 1.0)
            case "lift":
                return pose(x, y, HIGH, self._at[2], 1.0)
            case "carry":
                return pose(*self.to, HIGH, 0.0, 1.0)
            case "place":
                lowered = self.spoiled.early or z < LOW + BLOCK_HALF / 2
                return pose(x, y, z if self.spoiled.early else LOW, state.pose[5], 0.0 if lowered else 1.0)
        return pose(self._at[0], self._at[1], HIGH, self._at[2], 0.0)


class Push(Staged):
    """Pushes the block of a colour in `direction` (rad, 0 along x, pi / 2 along y) over `way` metres.

    A block with a corner towards the fingers is in their way as they come down: they stop on it, and the push fails.
    """

    stages = PUSH_STAGES

    def __init__(self, colour: str, direction: float, way: float, spoiled: Spoiled = GOOD):
        super().__init__()
        self.colour, self.direction, self.way, self.spoiled = colour, direction, way, spoiled
        self._begin: tuple[float, float] | None = None
        self._end = (0.0, 0.0)
        self._at = (0.0, 0.0)

    def _start(self, block: Block) -> tuple[float, float]:
        c, s = cos(self.direction), sin(self.direction)
        aside = self.spoiled.aside[1]
        return block.x - SIDE * c - aside * s, block.y - SIDE * s + aside * c

    def entered(self, state: State) -> None:
        x, y = self._at = state.pose[0], state.pose[1]
        if self.stage == "push":
            way = self.way + SIDE - BLOCK_HALF - 0.015
            self._end = (x + way * cos(self.direction), y + way * sin(self.direction))

    def over(self, state: State) -> bool:
        x, y, z, _, _, _, gripper = state.pose
        match self.stage:
            case "reach":
                sx, sy = self._start(state.block(self.colour))
                return hypot(x - sx, y - sy) < NEAR * 2 and gripper > 0.99
            case "lower":
                return z < LOW + NEAR
            case "push":
                return hypot(x - self._end[0], y - self._end[1]) < NEAR * 1.5
        return z > HIGH - 2 * NEAR

    def aim(self, state: State) -> Pose:
        yaw = square_yaw(self.direction)
        match self.stage:
            case "reach":
                return pose(*self._start(state.block(self.colour)), HIGH, yaw, 1.0)
            case "lower":
                return pose(*self._at, LOW, yaw, 1.0)
            case "push":
                return pose(*self._end, LOW, yaw, 1.0)
        return pose(*self._at, HIGH, yaw, 1.0)


class Wander(Staged):
    """Goes to points drawn from `rng`, often low and between the blocks, opening and closing as it comes."""

    stages = ("wander",)

    def __init__(self, rng: np.random.Generator, rows: int = 24):
        super().__init__()
        self.rng, self.left, self._goal = rng, rows, None

    def over(self, state: State) -> bool:
        self._rows = 1
        self.left -= 1
        return self.left <= 0

    def aim(self, state: State) -> Pose:
        if self._goal is None or self._there(state) or self.rng.random() < 0.12:
            self._goal = self._drawn(state)
        return self._goal

    def _there(self, state: State) -> bool:
        return hypot(*(a - b for a, b in zip(self._goal[:3], state.pose[:3], strict=True))) < 0.02

    def _drawn(self, state: State) -> Pose:
        block = state.blocks[int(self.rng.integers(len(state.blocks)))]
        x, y = (
            (block.x + self.rng.normal(0, 0.05), block.y + self.rng.normal(0, 0.05))
            if self.rng.random() < 0.6
            else (middle + self.rng.uniform(-sizes.GRIPPER_REACH, sizes.GRIPPER_REACH) for middle in sizes.CENTRE)
        )
        z = self.rng.uniform(LOW, 0.05) if self.rng.random() < 0.6 else self.rng.uniform(0.05, sizes.Z_HIGH)
        yaw = self.rng.uniform(-0.8, 0.8)
        return pose(float(x), float(y), float(z), float(yaw), float(self.rng.integers(2)))


def pose(x: float, y: float, z: float, yaw: float, gripper: float) -> Pose:
    """A pose with the fingers pointing down."""
    return (x, y, z, 0.0, 0.0, yaw, gripper)


def square_yaw(yaw: float) -> float:
    """The yaw of the gripper, from -pi / 4 to pi / 4, that is in line with something square at `yaw`."""
    return (yaw + pi / 4) % (pi / 2) - pi / 4


def direction_to(block: Block, to: tuple[float, float]) -> float:
    """The direction from a block to a point, rad."""
    return atan2(to[1] - block.y, to[0] - block.x)
