"""The table: where a pose moves the gripper, and what becomes of the blocks. Deterministic, without randomness.

A row is `SUBSTEPS` small moves. In each the gripper moves, then blocks that it touches give way, then what hangs in the
air falls. A small move after which things would lie in each other is not made: the arm is blocked there.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from math import cos, hypot, isfinite, pi, sin

import numpy as np

from microworld.robot import sizes
from microworld.robot.contacts import Box, across, depth_of, give_way
from microworld.robot.render import render_masks, render_states
from microworld.robot.state import FINGER_MIDDLE, PALM_MIDDLE, Block, State, finger_centres, gap_of

ROUNDS = 12  # of giving way, in each substep
Pose = Sequence[float]


class Table:
    """An environment: `reset(seed)`, `step(pose)`, `render()`, `masks()`; `state` is what there is now."""

    def __init__(self, state: State | None = None):
        self.state = state or start_state(np.random.default_rng(0))

    def reset(self, seed: int | Sequence[int]) -> State:
        """A new table: two or three blocks that do not touch, the gripper open above them."""
        self.state = start_state(np.random.default_rng(seed))
        return self.state

    def step(self, pose: Pose) -> State:
        """One row (0.2 s) towards `pose` (x, y, z, roll, pitch, yaw, gripper), no faster than the arm is.

        What is beyond its reach is cut off. Raises ValueError for another count of numbers, or one that is not finite.
        """
        self.state = moved(self.state, pose)
        return self.state

    def render(self) -> np.ndarray:
        """What the cameras see: uint8 [V, H, W, 3] RGB, views as in sizes.VIEWS."""
        return render_states([self.state])[0]

    def masks(self) -> np.ndarray:
        """What each pixel shows most: uint8 [V, H, W], 0 table, 1 robot, 2 and on the blocks in their order."""
        return render_masks([self.state])[0]


def start_state(rng: np.random.Generator) -> State:
    """Two or three blocks of different colours, at least a gripper's width apart, and an open gripper above."""
    count = int(rng.integers(2, 4))
    colours = rng.permutation(list(sizes.COLOURS))[:count]
    blocks: list[Block] = []
    while len(blocks) < count:
        x, y = (float(middle + rng.uniform(-0.12, 0.12)) for middle in sizes.CENTRE)
        if all(hypot(x - other.x, y - other.y) > 0.115 for other in blocks):
            yaw = float(rng.uniform(-pi / 4, pi / 4))
            blocks.append(Block(str(colours[len(blocks)]), x, y, sizes.BLOCK_HALF, yaw))
    x, y = (float(middle + rng.uniform(-0.14, 0.14)) for middle in sizes.CENTRE)
    pose = (x, y, float(rng.uniform(0.11, 0.15)), 0.0, 0.0, float(rng.uniform(-0.4, 0.4)), 0.0)
    return State(pose, gap_of(0.0), tuple(blocks))


def moved(state: State, pose: Pose) -> State:
    """The state one row later."""
    goal = [float(value) for value in pose]
    if len(goal) != 7 or not all(map(isfinite, goal)):
        raise ValueError(f"pose {goal} is not one: give 7 finite numbers, x, y, z, roll, pitch, yaw, gripper")
    _, _, _, _, _, yaw, gripper = state.pose
    way = [within(goal[axis], axis) - state.pose[axis] for axis in range(3)]
    length = hypot(*way)
    short = min(1.0, sizes.SPEED / length) if length > 0 else 0.0
    turn = min(max(within(goal[5], 5) - yaw, -sizes.TURN), sizes.TURN)
    squeeze = min(max(within(goal[6], 6) - gripper, -sizes.SQUEEZE), sizes.SQUEEZE)
    delta = (*(short * one for one in way), 0.0, 0.0, turn, squeeze)
    small = tuple(one / sizes.SUBSTEPS for one in delta)
    for _ in range(sizes.SUBSTEPS):
        state = _substep(state, small)
    return state


def within(value: float, axis: int) -> float:
    """A number of the pose, cut off at the arm's reach."""
    return min(max(value, sizes.LOW[axis]), sizes.HIGH[axis])


def _substep(state: State, small: tuple[float, ...]) -> State:
    """The whole move, else with the fingers as they are, else up or down only, else nothing but the drive moves."""
    drive = state.pose[6] + small[6]
    lift = (0.0, 0.0, small[2], 0.0, 0.0, 0.0, small[6])
    for shift, fingers in ((small, True), (small, False), (lift, True), (lift, False)):
        attempt = _attempt(state, shift, fingers)
        if deepest(attempt) <= sizes.TOLERANCE:
            return attempt
    return replace(state, pose=(*state.pose[:6], drive))


def _attempt(state: State, shift: tuple[float, ...], fingers: bool) -> State:
    old = state.pose
    x, y, z, roll, pitch, yaw, gripper = (a + b for a, b in zip(old, shift, strict=True))
    gap = gap_of(gripper) if fingers else state.gap
    held, blocks = state.held, list(state.blocks)
    if held >= 0 and gap_of(gripper) > 2 * sizes.BLOCK_HALF + sizes.RELEASE:
        held = -1
    elif held >= 0:
        gap = 2 * sizes.BLOCK_HALF
    z = max(z, _floor(state, z))
    if held >= 0:
        blocks[held] = _carried(blocks[held], old, (x, y, z, roll, pitch, yaw, gripper))
    after = State((x, y, z, roll, pitch, yaw, gripper), gap, tuple(blocks), held)
    return _grasped(_fallen(_parted(after)), closing=gap < state.gap)


def _carried(block: Block, old: Pose, new: Pose) -> Block:
    """The held block moves as if it were a part of the gripper."""
    turn = new[5] - old[5]
    dx, dy = block.x - old[0], block.y - old[1]
    c, s = cos(turn), sin(turn)
    return replace(
        block, x=new[0] + c * dx - s * dy, y=new[1] + s * dx + c * dy, z=block.z + new[2] - old[2], yaw=block.yaw + turn
    )


def _floor(state: State, wanted: float) -> float:
    """The height that the tips cannot go below: what is under fingers, palm and held block carries them."""
    z = state.pose[2]
    if wanted >= z:
        return wanted
    floor = sizes.Z_LOW
    parts = gripper_boxes(state)
    if state.held >= 0:
        parts.append(block_box(state.blocks[state.held]))
        floor = max(floor, z - parts[-1].low)
    for number, block in enumerate(state.blocks):
        below = block_box(block)
        if number != state.held:
            for part in parts:
                if part.low >= below.high - 1e-6 and across(part, below):
                    floor = max(floor, z - part.low + below.high)
    return min(floor, z)


def gripper_boxes(state: State) -> list[Box]:
    """Both fingers and the palm."""
    x, y, z, _, _, yaw, _ = state.pose
    c, s = cos(yaw), sin(yaw)
    half = sizes.FINGER_HALF
    boxes = [
        Box(x - s * out, y + c * out, yaw, half[0], half[1], z, z + 2 * FINGER_MIDDLE)
        for out in finger_centres(state.gap)
    ]
    palm = sizes.PALM_HALF
    return [*boxes, Box(x, y, yaw, palm[0], palm[1], z + PALM_MIDDLE - palm[2], z + PALM_MIDDLE + palm[2])]


def block_box(block: Block) -> Box:
    half = sizes.BLOCK_HALF
    return Box(block.x, block.y, block.yaw, half, half, block.z - half, block.z + half)


def deepest(state: State) -> float:
    """How deep any two things lie in each other, in metres; a held block touches its fingers, so they do not count."""
    boxes = [block_box(block) for block in state.blocks]
    depth = max((depth_of(a, b) for a, b in combinations(boxes, 2)), default=0.0)
    for part in gripper_boxes(state):
        depth = max([depth, *(depth_of(part, box) for n, box in enumerate(boxes) if n != state.held)])
    return depth


def _parted(state: State) -> State:
    """Blocks give way to the gripper, to the held block and to each other, and stay on the table."""
    blocks, parts = list(state.blocks), gripper_boxes(state)
    free = [number for number in range(len(blocks)) if number != state.held]
    fixed = parts + ([block_box(blocks[state.held])] if state.held >= 0 else [])
    for _ in range(ROUNDS):
        still = True
        for number in free:
            for part in fixed:
                if given := give_way(part, block_box(blocks[number])):
                    blocks[number], still = _shifted(blocks[number], given), False
        for one, two in combinations(free, 2):
            there = give_way(block_box(blocks[one]), block_box(blocks[two]), 0.5)
            back = give_way(block_box(blocks[two]), block_box(blocks[one]), 0.5)
            if there and back:
                blocks[two], blocks[one] = _shifted(blocks[two], there), _shifted(blocks[one], back)
                still = False
        if still:
            break
    return replace(state, blocks=tuple(blocks))


def _shifted(block: Block, given: tuple[float, float, float]) -> Block:
    x, y = (
        min(max(value + shift, middle - sizes.BLOCK_REACH), middle + sizes.BLOCK_REACH)
        for value, shift, middle in zip((block.x, block.y), given, sizes.CENTRE, strict=False)
    )
    return replace(block, x=x, y=y, yaw=block.yaw + given[2])


def _fallen(state: State) -> State:
    """Blocks that nothing carries fall: to the table, or on a block that their middle is above."""
    blocks = list(state.blocks)
    half = sizes.BLOCK_HALF
    for number, block in enumerate(blocks):
        if number == state.held or block.z <= half:
            continue
        rest = half
        for other in blocks:
            c, s = cos(other.yaw), sin(other.yaw)
            dx, dy = block.x - other.x, block.y - other.y
            inside = abs(c * dx + s * dy) <= half and abs(c * dy - s * dx) <= half
            if other is not block and inside and other.z + half <= block.z:
                rest = max(rest, other.z + 2 * half)
        blocks[number] = replace(block, z=max(block.z - sizes.FALL, rest))
    fallen = replace(state, blocks=tuple(blocks))
    return fallen if fallen == state else _parted(fallen)


def _grasped(state: State, closing: bool) -> State:
    """A closing gripper takes the block that both fingers touch; it turns to lie flat between them."""
    if state.held >= 0 or not closing:
        return state
    x, y, z, _, _, yaw, _ = state.pose
    c, s = cos(yaw), sin(yaw)
    half = sizes.BLOCK_HALF
    for number, block in enumerate(state.blocks):
        dx, dy = block.x - x, block.y - y
        ahead, aside = c * dx + s * dy, c * dy - s * dx
        turn = (block.yaw - yaw + pi / 4) % (pi / 2) - pi / 4
        width = 2 * half * (abs(cos(turn)) + abs(sin(turn)))
        if (
            abs(ahead) <= sizes.GRASP_OFFSET
            and abs(aside) <= (width - 2 * half) / 2 + 0.004
            and abs(turn) <= sizes.GRASP_ANGLE
            and block.z + half - z >= sizes.GRASP_DEPTH
            and block.z - half <= z + 2 * FINGER_MIDDLE
            and state.gap <= width + 0.002
        ):
            blocks = list(state.blocks)
            blocks[number] = replace(block, x=x + c * ahead, y=y + s * ahead, yaw=block.yaw - turn)
            return _parted(replace(state, gap=2 * half, blocks=tuple(blocks), held=number))
    return state
