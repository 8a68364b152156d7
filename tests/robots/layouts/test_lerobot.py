"""LeRobot v2.1 and v3.0: the real samples, written by the `lerobot` library, and sets that are not as they should."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from robots.frames import read_views
from robots.layouts.read import read_episodes
from robots.layouts.source_folder import NoSource
from robots.options import RobotSource
from tests.robots.numbered_videos import CAMERAS, LENGTHS, states_of
from tests.robots.small_sources import change_table, found, read, spoil, with_column


def test_both_samples_hold_the_same_pictures(shared_data):
    """The first four episodes were written by both versions of the library, encoded apart: in v3.0, where episodes
    share files, a frame is nearer to v2.1's frame of the same row than to those beside it."""
    v3 = read("lerobot", shared_data / "fetch_lerobot_v3", "fetch")
    v21 = read("lerobot", shared_data / "fetch_lerobot_v21", "fetch")
    assert (len(v3), len(v21)) == (24, 4)
    assert sum(e.frames for e in v3) == 2213
    assert not [e.refused for e in v3 + v21 if e.refused]
    assert {one.rule for e in v3 + v21 for one in e.findings} == {"wrapped_angles"}
    assert {e.split for e in v3} == {"train", "val"}  # all 24 are "train" in the set: by hash
    for new, old in zip(v3, v21, strict=False):
        assert np.array_equal(new.states, old.states)
        assert new.text == old.text == "pick up the block and put it at the red target"
        ours, truth = (read_views(e, range(e.frames)).astype(np.int16) for e in (new, old))
        for view in range(3):
            moving = np.abs(np.diff(truth[:, view], axis=0)).mean(axis=(1, 2, 3)) > 1
            same = np.abs(ours[:, view] - truth[:, view]).mean(axis=(1, 2, 3))
            for shift in (1, -1):
                beside = np.abs(ours[:, view] - np.roll(truth[:, view], shift, axis=0)).mean(axis=(1, 2, 3))
                assert (same < beside)[1:-1][moving[1:]].all()
            assert moving.any()


def test_the_last_frames_of_a_shared_file_of_the_sample(shared_data):
    """Every episode's frames are as many as its rows, at the ends of files too."""
    for episode in read("lerobot", shared_data / "fetch_lerobot_v3", "fetch")[-3:]:
        assert read_views(episode, [0, episode.frames - 1]).shape == (2, 3, 128, 192, 3)


def test_texts_states_and_numbers(either):
    episodes = read("lerobot", either, "fetch")
    assert [(e.episode_id, e.frames, e.text, e.findings) for e in episodes] == [
        (f"episode_{i:06d}", LENGTHS[i], f"task {i}", ()) for i in range(3)
    ]
    assert all(
        np.array_equal(e.states, states_of(n, i)) for i, (e, n) in enumerate(zip(episodes, LENGTHS, strict=True))
    )


@pytest.mark.parametrize("version", ["v1.6", "v2.0", "v3.1", "4"])
def test_an_unknown_version_is_refused_with_those_that_are_read(either, version):
    spoil(either / "meta/info.json", codebase_version=version)
    with pytest.raises(NoSource, match=f"has codebase_version '{version}': the versions read are v2.1, v3.0"):
        read("lerobot", either, "fetch")


def test_the_sets_own_split_counts_and_an_episode_of_two_is_held_out(either):
    spoil(either / "meta/info.json", splits={"train": "0:2", "val": "1:3"})
    assert [e.split for e in read("lerobot", either, "fetch")] == ["train", "val", "val"]
    spoil(either / "meta/info.json", splits={"train": "0:2", "test": "2"})
    with pytest.raises(NoSource, match="split '2': first:stop is expected, such as 0:20"):
        read("lerobot", either, "fetch")


def test_without_a_split_the_hash_decides(either):
    spoil(either / "meta/info.json", splits=None)
    assert {e.split for e in read("lerobot", either, "fetch", val_share=0)} == {"train"}
    assert "val" in {e.split for e in read("lerobot", either, "fetch", val_share=0.9)}


def info_of(folder) -> dict:
    return json.loads((folder / "meta/info.json").read_text())


def test_columns_are_found_by_name_and_other_columns_are_left_out(either):
    features = info_of(either)["features"]
    names = ["gripper", "x", "y", "z", "roll", "pitch", "yaw", "torque"]
    features["observation.state"] = {"dtype": "float32", "shape": [8], "names": {"motors": names}}
    spoil(either / "meta/info.json", features=features)
    for path in either.glob("data/*/*.parquet"):
        rows = pq.read_table(path).num_rows
        wide = pa.array(np.tile(np.arange(8, dtype=np.float32), (rows, 1)).tolist(), pa.list_(pa.float32(), 8))
        change_table(path, lambda t, wide=wide: t.set_column(0, "observation.state", wide))
    assert read("lerobot", either, "fetch")[0].states[0].tolist() == [1, 2, 3, 4, 5, 6, 0]


def test_a_state_of_other_columns_is_refused_by_name(either):
    features = info_of(either)["features"]
    features["observation.state"] = {"dtype": "float32", "shape": [8], "names": [f"joint_{i}" for i in range(8)]}
    spoil(either / "meta/info.json", features=features)
    for path in either.glob("data/*/*.parquet"):
        rows = pq.read_table(path).num_rows
        wide = pa.array([[0.0] * 8] * rows, pa.list_(pa.float32()))
        change_table(path, lambda t, wide=wide: t.set_column(0, "observation.state", wide))
    episode = read("lerobot", either, "fetch")[0]
    assert found(episode)["state_columns"].startswith("observation.state have 8 columns (joint_0, joint_1")
    assert found(episode)["state_columns"].endswith("7 are expected (x, y, z, roll, pitch, yaw, gripper)")


def test_a_droid_set_has_its_state_in_two_features(v21):
    """As cadene/droid_1.0.1: a pose of six and the gripper as a plain number."""
    features = info_of(v21)["features"]
    pose = {"dtype": "float32", "shape": [6], "names": {"axes": ["x", "y", "z", "roll", "pitch", "yaw"]}}
    gripper = {"dtype": "float32", "shape": [1], "names": ["gripper"]}
    features |= {"observation.state.cartesian_position": pose, "observation.state.gripper_position": gripper}
    spoil(v21 / "meta/info.json", features=features)
    for path in v21.glob("data/*/*.parquet"):
        states = np.array(pq.read_table(path)["observation.state"].to_pylist(), np.float32)

        def split(table, states=states):
            table = table.append_column("observation.state.gripper_position", pa.array(states[:, 6]))
            return table.append_column("observation.state.cartesian_position", pa.array(states[:, :6].tolist()))

        change_table(path, split)
    views = dict(zip(("a", "b", "c"), CAMERAS, strict=True))
    droid, fetch = read("lerobot", v21, "droid", views=views), read("lerobot", v21, "fetch")
    assert not droid[0].refused
    assert np.allclose(droid[0].states, fetch[0].states)


BROKEN_ROWS = {
    "not_finite": (lambda t: with_column(t, "action", [[float("nan")] * 7] * t.num_rows), "action, row 0 of"),
    "row_order": (lambda t: t.slice(1), "row 0 has frame_index 1"),
    "missing_array": (lambda t: t.drop_columns("observation.state"), "no feature observation.state: the data"),
    "bad_annotation": (
        lambda t: t.set_column(0, "observation.state", pa.array(["a"] * t.num_rows)),
        "of string",
    ),
}


@pytest.mark.parametrize("rule", BROKEN_ROWS)
def test_rows_that_cannot_be_used_are_refused_by_rule(either, rule):
    change, message = BROKEN_ROWS[rule]
    change_table(sorted(either.glob("data/*/*.parquet"))[0], change)
    first, *_, last = read("lerobot", either, "fetch")
    assert first.refused == rule
    assert message in found(first)[rule]
    assert not last.refused  # of another file


def test_a_null_is_no_number(either):
    change = lambda t: with_column(t, "action", [None, *t["action"].to_pylist()[1:]])  # noqa: E731
    change_table(sorted(either.glob("data/*/*.parquet"))[0], change)
    assert read("lerobot", either, "fetch")[0].refused in ("not_finite", "bad_annotation")


def test_uneven_times_are_told(either):
    def late(table):
        return with_column(table, "timestamp", [value.as_py() + (i >= 3) for i, value in enumerate(table["timestamp"])])

    change_table(sorted(either.glob("data/*/*.parquet"))[0], late)
    episode = read("lerobot", either, "fetch")[0]
    assert not episode.refused
    assert found(episode)["uneven_times"].startswith("row 3 is at 1.2000 s: 0.2000 s is expected at 15 rows a second")


@pytest.mark.parametrize("damage", ["absent", "cut"])
def test_a_damaged_table_of_rows_refuses_its_episodes_alone(either, damage):
    path = sorted(either.glob("data/*/*.parquet"))[0]
    data = path.read_bytes()
    path.unlink() if damage == "absent" else path.write_bytes(data[: len(data) // 2])
    episodes = read("lerobot", either, "fetch")
    assert episodes[0].refused == ("missing_array" if damage == "absent" else "bad_annotation")
    assert not episodes[2].refused


def test_a_missing_view_is_refused_with_those_that_are_there(either):
    views = {"external_1": CAMERAS[0], "top": "observation.images.top"}
    (message,) = {found(e)["missing_view"] for e in read("lerobot", either, "fetch", views=views)}
    assert message == f"no camera 'observation.images.top': the data set's videos are {', '.join(CAMERAS)}"


def test_a_broken_line_of_the_list_is_no_lost_episode(v21):
    path = v21 / "meta/episodes.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], "{", '{"episode_index": "x"}', *lines[1:], lines[0]]))
    episodes = read("lerobot", v21, "fetch")
    assert [(e.episode_id, e.refused) for e in episodes if e.refused] == [
        ("line_2", "bad_annotation"),
        ("line_3", "bad_annotation"),
        ("line_6", "double_id"),
    ]
    assert len(episodes) == 6


def test_wrong_numbers_in_v3s_table_are_refused(v3):
    table = v3 / "meta/episodes/chunk-000/file-000.parquet"
    change_table(table, lambda t: with_column(t, f"videos/{CAMERAS[0]}/from_timestamp", [float("nan")]))
    assert "from_timestamp is nan" in found(read("lerobot", v3, "fetch")[0])["bad_annotation"]
    change_table(table, lambda t: with_column(t, "data/file_index", [-1]))
    assert "data/file_index is -1" in found(read("lerobot", v3, "fetch")[0])["bad_annotation"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fps": 0}, "fps is 0.0: a positive"),
        ({"features": [1]}, "features must be an object"),
        ({"fps": None}, "lacks fps"),
    ],
)
def test_an_info_that_is_none_is_no_source(either, changes, message):
    spoil(either / "meta/info.json", **changes)
    with pytest.raises(NoSource, match=message):
        read("lerobot", either, "fetch")


def test_neither_folder_nor_hub_id():
    with pytest.raises(NoSource, match=r"no folder '\./nothing': give a folder, or for LeRobot a Hub id owner/name"):
        list(read_episodes(RobotSource(layout="lerobot", path="./nothing", robot="fetch")))
    with pytest.raises(NoSource, match="'nobody/nothing' is no folder here, nor could it be downloaded"):
        list(read_episodes(RobotSource(layout="lerobot", path="nobody/nothing", robot="fetch")))
