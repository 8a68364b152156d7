"""The robot microworld's table: contacts, grasps, what falls, and that things stay what they are."""

from math import hypot, pi

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from microworld.robot import sizes
from microworld.robot.contacts import Box, depth_of, give_way
from microworld.robot.state import Block, State, gap_of
from microworld.robot.table import Table, deepest

REST = sizes.BLOCK_HALF


def table_with(*blocks: tuple[float, float, float], tips=(0.40, 0.0, 0.012), gripper=1.0, yaw=0.0) -> Table:
    """A table with blocks at (x, y, yaw) and the gripper at `tips`."""
    made = tuple(Block(colour, x, y, REST, turn) for colour, (x, y, turn) in zip(sizes.COLOURS, blocks, strict=False))
    return Table(State((*tips, 0.0, 0.0, yaw, gripper), gap_of(gripper), made))


def go(table: Table, x, y, z, gripper, yaw=0.0, rows=12) -> list[State]:
    return [table.step((x, y, z, 0.0, 0.0, yaw, gripper)) for _ in range(rows)]


def grasping() -> Table:
    table = table_with((0.50, 0.0, 0.2), tips=(0.50, 0.0, 0.012), gripper=0.0)
    go(table, 0.50, 0.0, 0.012, 1.0, rows=4)
    return table


def test_a_block_is_pushed_by_the_finger_and_only_when_touched():
    table = table_with((0.50, 0.0, 0.0), (0.60, 0.14, 0.3))
    states = [table.state, *go(table, 0.58, 0.0, 0.012, 1.0, rows=6)]
    touched = [state.pose[0] + sizes.FINGER_HALF[0] > 0.50 - REST for state in states]
    assert not touched[0] and touched[-1]
    for state, touches in zip(states, touched, strict=True):
        block = state.blocks[0]
        if touches:
            assert block.x == pytest.approx(state.pose[0] + sizes.FINGER_HALF[0] + REST, abs=sizes.TOLERANCE)
        else:
            assert (block.x, block.y, block.yaw) == (0.50, 0.0, 0.0)
        assert state.blocks[1] == states[0].blocks[1]


def test_a_finger_above_the_blocks_moves_none():
    table = table_with((0.50, 0.0, 0.0), tips=(0.40, 0.0, 0.10))
    go(table, 0.60, 0.0, 0.10, 1.0)
    assert table.state.blocks[0] == Block("red", 0.50, 0.0, REST, 0.0)


def test_a_push_beside_the_middle_turns_the_block_and_slips_off_at_its_side():
    table = table_with((0.50, 0.0, 0.0), tips=(0.40, 0.028, 0.012))
    states = go(table, 0.66, 0.028, 0.012, 1.0)
    block = states[-1].blocks[0]
    assert block.yaw < -0.3  # a finger to the left of its middle turns it clockwise
    assert block.x < states[-1].pose[0] and block.y < 0.0  # it was left behind, at the right


def test_a_pushed_block_pushes_the_next():
    table = table_with((0.48, 0.0, 0.0), (0.56, 0.0, 0.0))
    go(table, 0.52, 0.0, 0.012, 1.0)
    one, two = table.state.blocks
    assert one.x > 0.55 and two.x - one.x == pytest.approx(2 * REST, abs=sizes.TOLERANCE)


def test_a_grasped_block_goes_where_the_gripper_goes_and_turns_with_it():
    table = grasping()
    assert table.state.held == 0 and table.state.gap == pytest.approx(2 * REST)
    assert table.state.pose[6] == pytest.approx(1.0)  # the drive is what it was told, the fingers are on the block
    before = table.state.blocks[0]
    go(table, 0.44, 0.10, 0.12, 1.0, yaw=0.6)
    after = table.state.blocks[0]
    assert table.state.held == 0
    assert after.z - before.z == pytest.approx(0.12 - 0.012, abs=1e-9)
    assert hypot(after.x - 0.44, after.y - 0.10) == pytest.approx(hypot(before.x - 0.50, before.y), abs=1e-9)
    assert after.yaw - before.yaw == pytest.approx(0.6)


def test_a_dropped_block_falls_to_the_table_and_stays():
    table = grasping()
    go(table, 0.50, 0.0, 0.13, 1.0, rows=5)
    assert table.state.blocks[0].z > 0.14
    heights = [state.blocks[0].z for state in go(table, 0.50, 0.0, 0.13, 0.0, rows=4)]
    assert heights == sorted(heights, reverse=True) and heights[-1] == REST and table.state.held == -1


@pytest.mark.parametrize(
    ("aside", "height"),
    [((0.03, 0.0), 0.012), ((0.0, 0.0), 0.06)],
    ids=["past the middle of the fingers", "above the block's edge"],
)
def test_a_bad_grasp_takes_nothing(aside, height):
    table = table_with((0.50, 0.0, 0.0), tips=(0.50 + aside[0], aside[1], height), gripper=0.0)
    go(table, 0.50 + aside[0], aside[1], height, 1.0, rows=4)
    assert table.state.held == -1
    go(table, 0.50 + aside[0], aside[1], 0.13, 1.0, rows=4)
    assert table.state.blocks[0].z == REST


def test_tips_that_come_down_on_a_block_stop_on_it():
    table = table_with((0.50, 0.0, 0.0), tips=(0.50, 0.0, 0.12))
    go(table, 0.50, 0.0, 0.012, 1.0)
    assert table.state.pose[2] == pytest.approx(2 * REST, abs=1e-6)


def test_no_row_is_faster_than_the_arm():
    table = Table()
    before = table.reset(5).pose
    after = table.step((9.0, -9.0, 9.0, 1.0, 1.0, 9.0, 9.0)).pose
    assert np.linalg.norm(np.subtract(after[:3], before[:3])) <= sizes.SPEED + 1e-9
    assert after[5] - before[5] <= sizes.TURN + 1e-9 and after[6] <= sizes.SQUEEZE + 1e-9
    assert after[3:5] == (0.0, 0.0)


def test_the_same_seed_and_poses_give_the_same_states():
    tables = [Table(), Table()]
    poses = np.random.default_rng(3).uniform(sizes.LOW, sizes.HIGH, (40, 7))
    states = [[table.reset(9), *(table.step(pose) for pose in poses)] for table in tables]
    assert states[0] == states[1]
    assert Table().reset(10) != states[0][0]


@pytest.mark.parametrize("pose", [(0.5, 0.0, 0.1), (0.5, float("nan"), 0.1, 0, 0, 0, 0), (np.inf, 0, 0, 0, 0, 0, 0)])
def test_a_pose_that_is_none_is_refused(pose):
    table = Table()
    before = table.reset(0)
    with pytest.raises(ValueError, match="give 7 finite numbers"):
        table.step(pose)
    assert table.state == before


def test_a_thousand_random_action_sequences_give_no_nan_no_overlap_and_lose_no_block():
    table = Table()
    for seed in range(1000):
        rng = np.random.default_rng(seed)
        count = len(table.reset(seed).blocks)
        for _ in range(6):
            goal = rng.uniform((0.2, -0.3, -0.05, -1, -1, -2, -0.3), (0.8, 0.3, 0.12, 1, 1, 2, 1.3))
            state = table.step(goal)
        check(state, count)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.lists(st.tuples(st.integers(0, 2), st.booleans(), st.booleans()), max_size=12))
def test_hands_that_rummage_among_the_blocks_break_nothing(seed, moves):
    """Moves go to blocks, low or high, closing or opening: where contacts are."""
    table = Table()
    count = len(table.reset(seed).blocks)
    for number, low, closed in moves:
        block = table.state.blocks[number % count]
        for _ in range(3):
            check(table.step((block.x, block.y, 0.0 if low else 0.2, 0, 0, block.yaw, float(closed))), count)


def check(state: State, count: int) -> None:
    assert np.isfinite(state.pose).all() and np.isfinite(state.positions).all() and len(state.blocks) == count
    assert deepest(state) <= sizes.TOLERANCE
    assert (np.abs(state.positions[:, :2] - sizes.CENTRE) < sizes.TABLE_HALF).all()
    assert (state.positions[:, 2] >= REST - 1e-9).all()
    assert (np.array(state.pose) >= np.array(sizes.LOW) - 1e-9).all()
    assert (np.array(state.pose) <= np.array(sizes.HIGH) + 1e-9).all()


def test_depth_and_giving_way_agree_with_boxes_whose_overlap_is_known():
    one = Box(0.0, 0.0, 0.0, 0.03, 0.03, 0.0, 0.07)
    two = Box(0.05, 0.0, pi / 2, 0.03, 0.03, 0.0, 0.07)
    assert depth_of(one, two) == pytest.approx(0.01)
    assert give_way(one, two) == pytest.approx((0.01, 0.0, 0.0))
    above = Box(0.05, 0.0, 0.0, 0.03, 0.03, 0.07, 0.14)
    assert depth_of(one, above) == 0 and give_way(one, above) is None
    corner = Box(0.03 + 0.03 * 2**0.5, 0.0, pi / 4, 0.03, 0.03, 0.0, 0.07)
    assert depth_of(one, corner) == pytest.approx(0.0, abs=1e-9)
