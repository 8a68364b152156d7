"""Episodes of the robot microworld: the layout, the same bytes, policies that do what they say."""

import json

import numpy as np
import pytest

from microworld.robot import sizes
from microworld.robot.contact_sheet import contact_sheet
from microworld.robot.episodes import SPLITS, draw_policy, make_episodes, record
from microworld.robot.policies import STAGES, PickAndPlace, Push, Spoiled
from microworld.robot.table import Table
from storage.files import sha256_file

COUNTS = {"train": 3, "val": 1, "test": 1}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("robot")
    make_episodes(folder, COUNTS, seed=5)
    return folder


def hashes(folder):
    return {path.relative_to(folder).as_posix(): sha256_file(path) for path in folder.rglob("*.*")}


def test_the_layout_is_what_readers_expect(folder):
    info = json.loads((folder / "info.json").read_text())
    assert info["layout"] == "microworld" and info["format"] == 1 and info["fps"] == 5.0
    assert info["views"] == ["external_1", "external_2", "wrist"]
    rows = json.loads((folder / "episodes.json").read_text())
    assert [row["split"] for row in rows] == ["train", "train", "train", "val", "test"]
    assert len({row["scene"] for row in rows}) == len({row["episode_id"] for row in rows}) == 5
    for row in rows:
        arrays = np.load(folder / "episodes" / f"{row['episode_id']}.npz", allow_pickle=False)
        n, side = sizes.ROWS, sizes.SIDE_PX
        assert arrays["frames"].shape == (n, 3, side, side, 3) and arrays["frames"].dtype == np.uint8
        assert arrays["masks"].shape == (n, 3, side, side) and arrays["masks"].dtype == np.uint8
        assert arrays["states"].shape == (n, 7) and arrays["states"].dtype == np.float64
        assert arrays["objects"].shape[::2] == (n, 3) and arrays["objects"].dtype == np.float64
        assert row["text"]


@pytest.mark.slow
def test_two_workers_write_the_same_bytes_and_another_seed_others(folder, tmp_path):
    make_episodes(tmp_path / "two", COUNTS, seed=5, workers=2)
    assert hashes(tmp_path / "two") == hashes(folder)
    make_episodes(tmp_path / "other", {"train": 1}, seed=6)
    assert sha256_file(tmp_path / "other/episodes/train_00000.npz") != hashes(folder)["episodes/train_00000.npz"]


def test_episodes_that_are_there_stay_and_more_can_be_asked_for(folder, tmp_path):
    before = hashes(folder)
    times = {path: path.stat().st_mtime_ns for path in (folder / "episodes").iterdir()}
    make_episodes(folder, COUNTS, seed=5)
    assert hashes(folder) == before
    assert {path: path.stat().st_mtime_ns for path in (folder / "episodes").iterdir()} == times


@pytest.mark.parametrize("counts", [{"dev": 1}, {"train": -1}])
def test_another_split_or_count_is_refused(tmp_path, counts):
    with pytest.raises(ValueError, match="give counts from 0 of train, val, test"):
        make_episodes(tmp_path, counts)


def test_a_good_pick_and_place_passes_all_stages_and_puts_the_block_there():
    table, done, seen = Table(), 0, []
    for seed in range(20):
        state = table.reset(seed)
        to = (0.5, 0.13 if state.blocks[0].y < 0 else -0.13)
        if min(np.hypot(b.x - to[0], b.y - to[1]) for b in state.blocks[1:]) < 0.1:
            continue
        policy, stages = PickAndPlace(state.blocks[0].colour, to), []
        while policy.stage != "done":
            state = table.step(policy(state))
            stages.append(policy.stage)
        seen.append(tuple(dict.fromkeys(stages)) == (*STAGES, "done"))
        done += np.hypot(state.blocks[0].x - to[0], state.blocks[0].y - to[1]) < 0.03
    assert len(seen) > 8 and all(seen)
    assert done >= 0.75 * len(seen)


def test_a_spoiled_policy_loses_the_block():
    table = Table()
    for seed in range(6):
        state = table.reset(seed)
        policy = PickAndPlace(state.blocks[0].colour, (0.5, 0.0), Spoiled(shallow=0.046))
        held = False
        while policy.stage != "done":
            state = table.step(policy(state))
            held |= state.held >= 0
        assert not held


def test_a_push_moves_the_block_its_way():
    """A block that lies with a corner towards the fingers is in their way when they come down: such a push fails."""
    table, ways = Table(), []
    for seed in range(12):
        state = table.reset(seed)
        block = state.blocks[0]
        if abs(block.yaw) > 0.4:
            continue
        direction = np.pi / 2 if block.y < 0 else -np.pi / 2
        policy = Push(block.colour, direction, 0.08)
        while policy.stage != "done":
            state = table.step(policy(state))
        ways.append((state.blocks[0].y - block.y) * np.sign(direction))
    assert len(ways) > 5 and np.mean(np.array(ways) > 0.05) > 0.8


def test_episodes_hold_grasps_and_pushes_lost_blocks_and_idle_hands():
    """What a model is to learn is there: blocks are carried, pushed, and left alone."""
    carried = pushed = 0
    for number in range(16):
        states = record((11, 0, number)).states
        assert len(states) == sizes.ROWS
        moves = np.abs(np.diff(np.stack([state.positions for state in states]), axis=0)).max((1, 2)) > 1e-3
        held = np.array([state.held >= 0 for state in states[1:]])
        carried += (moves & held).any()
        pushed += (moves & ~held).any()
    assert carried >= 8 and pushed >= 8


def test_texts_name_a_block_that_is_there():
    rng = np.random.default_rng(0)
    state = Table().reset(2)
    colours = {block.colour for block in state.blocks}
    for _ in range(40):
        _, text = draw_policy(state, rng)
        named = set(text.split()) & set(sizes.COLOURS)
        assert named <= colours and (named or "between the blocks" in text)


def test_splits_never_share_an_episode():
    starts = [record((0, number, 0)).states[0] for number in range(len(SPLITS))]
    assert len(set(starts)) == len(SPLITS)


def test_a_contact_sheet_has_a_row_a_view():
    sheet = contact_sheet(np.zeros((20, 3, 32, 32, 3), np.uint8), every=4, zoom=2)
    assert sheet.dtype == np.uint8 and sheet.shape[2] == 3
    assert sheet.shape[0] >= 3 * 64 and sheet.shape[1] >= 5 * 64
