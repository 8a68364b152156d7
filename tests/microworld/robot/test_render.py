"""Pictures of the robot microworld: masks agree with them, the wrist camera moves, actions show."""

import numpy as np

from microworld.robot import sizes
from microworld.robot.cameras import project
from microworld.robot.episodes import record
from microworld.robot.render import SHADOW, render_both, render_masks, render_states
from microworld.robot.state import Block, State, gap_of
from microworld.robot.table import Table

AWAY = (0.34, 0.0, 0.15, 0.0, 0.0, 0.0, 0.0)


def hue(frames: np.ndarray) -> np.ndarray:
    """Number of the block colour that each pixel plainly has, -1 none: the nearest in direction, if saturated."""
    rgb = frames.astype(float)
    spread = rgb.max(-1) - rgb.min(-1)
    unit = rgb / np.maximum(np.linalg.norm(rgb, axis=-1, keepdims=True), 1)
    palette = np.array(list(sizes.COLOURS.values()), float)
    near = unit @ (palette / np.linalg.norm(palette, axis=1, keepdims=True)).T
    return np.where((spread > 60) & (near.max(-1) > 0.985), near.argmax(-1), -1)


def test_shapes_and_labels():
    table = Table()
    count = len(table.reset(1).blocks)
    frames, masks = table.render(), table.masks()
    side = sizes.SIDE_PX
    assert frames.shape == (3, side, side, 3) and masks.shape == (3, side, side)
    assert frames.dtype == masks.dtype == np.uint8
    assert set(np.unique(masks)) <= set(range(2 + count))
    for view in (0, 1):
        assert {0, 1} <= set(np.unique(masks[view]))


def test_pixels_of_a_blocks_colour_lie_in_its_mask_and_the_other_way_round():
    names = list(sizes.COLOURS)
    for seed in range(6):
        states = record((7, 0, seed)).states[::9]
        frames, masks = render_both(states)
        seen = hue(frames)
        for number, block in enumerate(states[0].blocks):
            if block.colour == "yellow":  # the fingers are orange
                continue
            plain = seen == names.index(block.colour)
            inside = masks == 2 + number
            assert inside[plain].mean() > 0.93
            assert neighbours(inside)[plain].mean() > 0.99  # an edge's pixel may show less than half of it
            assert plain[inside].mean() > 0.5  # the rest are edges, mixed with what is behind


def test_a_masks_middle_is_where_the_block_is_projected_to():
    blocks = (Block("red", 0.56, 0.08, 0.035, 0.2), Block("blue", 0.58, -0.08, 0.035, -0.4))
    state = State(AWAY, gap_of(0.0), blocks)
    masks = render_masks([state])[0]
    places = project([state], state.positions[None], sizes.SIDE_PX)[0]
    for view in (0, 1):
        for number in range(2):
            x, y = places[view, number]
            assert masks[view, int(y), int(x)] == 2 + number
            ys, xs = np.nonzero(masks[view] == 2 + number)
            assert np.hypot(xs.mean() + 0.5 - x, ys.mean() + 0.5 - y) < 1.0


def test_all_that_differs_from_the_empty_table_is_in_a_mask_or_a_shadow():
    """Against a table without blocks and the arm aside: what is masked 0 is only ever darker, and not by much."""
    states = record((7, 0, 3)).states[::7]
    frames, masks = render_both(states)
    empty, arm = render_both([State((0.34, -0.17, 0.16, 0, 0, 0, 1.0), 0.0, ())])
    bare = (neighbours(masks[:, :2]) == 0) & (neighbours(arm[:, :2]) == 0)
    there = np.broadcast_to(empty[:, :2], frames[:, :2].shape)[bare].astype(float)
    ratio = frames[:, :2][bare] / there
    assert bare.mean() > 0.4 and ratio.max() < 1.35 and (ratio > 1 - SHADOW - 0.02).all()


def neighbours(masks: np.ndarray) -> np.ndarray:
    """The largest label within one pixel."""
    padded = np.pad(masks, ((0, 0), (0, 0), (1, 1), (1, 1)))
    side = masks.shape[-1]
    return np.max([padded[..., i : i + side, j : j + side] for i in range(3) for j in range(3)], axis=0)


def test_a_held_block_hides_behind_nothing_of_the_wrist_camera():
    state = State((0.5, 0.0, 0.1, 0, 0, 0, 1.0), 0.07, (Block("green", 0.5, 0.0, 0.12, 0.0),), held=0)
    assert (render_masks([state])[0, 2] == 2).sum() > 30


def test_the_wrist_camera_moves_with_the_gripper_and_the_others_stand():
    far = (Block("red", 0.62, 0.14, 0.035, 0.0),)
    poses = [(0.42, -0.05, 0.1, 0, 0, 0.0, 1.0), (0.42, -0.08, 0.1, 0, 0, 0.3, 1.0)]
    frames, masks = render_both([State(pose, 0.0, far) for pose in poses])
    table = (masks == 0).all(0)
    change = np.abs(np.diff(frames.astype(int), axis=0)[0]).max(-1)
    assert (change[2][table[2]] > 4).mean() > 0.4
    assert (change[0][table[0]] > 4).mean() < 0.2


def test_pixels_at_edges_are_mixed():
    """Anti-aliased: moving by a third of a pixel's width changes edges a little, not by a whole pixel."""
    states = [State(AWAY, gap_of(0.0), (Block("red", 0.56, y, 0.035, 0.0),)) for y in (0.0, 0.004)]
    frames = render_states(states)[:, 0].astype(int)
    change = np.abs(np.diff(frames, axis=0))[0].max(-1)
    assert (change > 4).sum() > 0 and np.median(change[change > 4]) < 110


def test_different_actions_give_different_frames():
    tables = [Table(), Table()]
    for table in tables:
        table.reset(4)
    assert (tables[0].render() == tables[1].render()).all()
    for table, y in zip(tables, (-0.15, 0.15), strict=True):
        for _ in range(5):
            table.step((0.5, y, 0.02, 0, 0, 0, 1.0))
    change = np.abs(tables[0].render().astype(int) - tables[1].render()).max(-1)
    assert ((change > 30).mean((1, 2)) > 0.03).all()


def test_states_drawn_together_equal_states_drawn_alone():
    states = record((7, 0, 1)).states[::16]
    frames, masks = render_both(states)
    for number, state in enumerate(states):
        one, mask = render_both([state])
        assert (one[0] == frames[number]).all() and (mask[0] == masks[number]).all()
