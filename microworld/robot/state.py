"""What there is on the table at one moment: the pose, the opening of the fingers, and the blocks."""

from dataclasses import dataclass

import numpy as np

from microworld.robot.sizes import BLOCK_HALF, FINGER_HALF, GAP_OPEN, PALM_HALF


@dataclass(frozen=True)
class Block:
    """A cube: its centre in metres, its yaw in radians and the name of its colour (sizes.COLOURS)."""

    colour: str
    x: float
    y: float
    z: float
    yaw: float


@dataclass(frozen=True)
class State:
    """pose: x, y, z of the finger tips (m), roll, pitch, yaw (rad), gripper drive (0 open, 1 closed). gap: metres
    between the fingers, which a block between them keeps from closing. held: number of the block that is held, -1 none.
    """

    pose: tuple[float, float, float, float, float, float, float]
    gap: float
    blocks: tuple[Block, ...]
    held: int = -1

    @property
    def positions(self) -> np.ndarray:
        """Centres of the blocks in metres: float64 [k, 3]."""
        return np.array([(block.x, block.y, block.z) for block in self.blocks])

    def block(self, colour: str) -> Block:
        """The block of that colour. Raises KeyError where there is none."""
        for block in self.blocks:
            if block.colour == colour:
                return block
        raise KeyError(f"no {colour} block on the table: there are {', '.join(b.colour for b in self.blocks)}")


def gap_of(gripper: float) -> float:
    """Metres between the fingers with nothing between them, `gripper` from 0 (open) to 1 (closed)."""
    return GAP_OPEN * (1 - gripper)


def finger_centres(gap: float) -> tuple[float, float]:
    """Where the middles of both fingers are along the gripper's y, in metres."""
    out = gap / 2 + FINGER_HALF[1]
    return out, -out


FINGER_MIDDLE = FINGER_HALF[2]  # m above the tips
PALM_MIDDLE = 2 * FINGER_HALF[2] + PALM_HALF[2]  # m above the tips
BLOCK_TOP = 2 * BLOCK_HALF  # m, of a block that lies on the table
