"""The robot microworld's layout: array files, read without any pickle."""

import json

import numpy as np
import pytest

from robots.frames import read_views
from robots.layouts.source_folder import NoSource
from tests.robots.small_sources import ROWS, found, read, spoil, write_microworld


@pytest.fixture
def folder(tmp_path):
    return write_microworld(tmp_path)


def test_episodes_views_and_texts(folder):
    (episode,) = read("microworld", folder, "microworld")
    assert (episode.episode_id, episode.split, episode.scene, episode.fps) == ("a", "train", "s0", 5.0)
    assert (episode.text, episode.frames, episode.findings) == ("push the red block", ROWS, ())
    with np.load(folder / "episodes/a.npz", allow_pickle=False) as arrays:
        assert np.array_equal(read_views(episode, [3, 0, 11]), arrays["frames"][[3, 0, 11]])
        assert np.array_equal(episode.states, arrays["states"])


def test_views_are_taken_by_name_whatever_their_order(tmp_path):
    folder = write_microworld(tmp_path, views=("wrist", "external_2", "external_1"))
    (episode,) = read("microworld", folder, "microworld")
    assert {view: one.view for view, one in episode.footage.items()} == {"external_1": 2, "external_2": 1, "wrist": 0}


def test_a_missing_view_is_refused(tmp_path):
    (episode,) = read("microworld", write_microworld(tmp_path, views=("external_1", "wrist")), "microworld")
    assert "no view 'external_2'" in found(episode)["missing_view"]


def save(folder, **arrays):
    good = {"frames": np.zeros((ROWS, 3, 8, 10, 3), np.uint8), "states": np.random.default_rng(0).random((ROWS, 7))}
    np.savez(folder / "episodes/a.npz", **{name: one for name, one in (good | arrays).items() if one is not None})


@pytest.mark.parametrize(
    ("arrays", "rule", "message"),
    [
        ({"states": None}, "missing_array", "has frames: states and frames are needed"),
        ({"states": np.array([{}], object)}, "damaged_video", "allow_pickle=False"),
        ({"states": np.full((ROWS, 7), np.nan)}, "not_finite", "states, row 0 of 12"),
        ({"states": np.zeros((ROWS, 6))}, "state_columns", "states have shape [12, 6]: [rows, 7] is expected"),
        ({"frames": np.zeros((ROWS, 8, 10, 3), np.uint8)}, "damaged_video", "uint8 [n, V, H, W, 3] is expected"),
        ({"frames": np.zeros((ROWS, 3, 8, 10, 3))}, "damaged_video", "frames are float64"),
    ],
)
def test_arrays_that_are_not_as_they_should_be_are_refused_by_rule(folder, arrays, rule, message):
    save(folder, **arrays)
    (episode,) = read("microworld", folder, "microworld")
    assert episode.refused == rule
    assert message in found(episode)[rule]


def test_fewer_frames_than_states(folder):
    save(folder, frames=np.zeros((9, 3, 8, 10, 3), np.uint8))
    (episode,) = read("microworld", folder, "microworld")
    assert (episode.frames, list(found(episode))) == (9, ["frames_and_states"])


def test_absent_and_damaged_files(folder):
    path = folder / "episodes/a.npz"
    data = path.read_bytes()
    path.write_bytes(data[:300])
    assert read("microworld", folder, "microworld")[0].refused == "damaged_video"
    path.unlink()
    assert read("microworld", folder, "microworld")[0].refused == "missing_video"


@pytest.mark.parametrize("name", ["../../etc", "/etc/passwd", "a/../../../b", "a\0b"])
def test_an_id_that_would_leave_the_folder_is_refused(folder, name):
    (folder / "episodes.json").write_text(json.dumps([{"episode_id": name}]))
    (episode,) = read("microworld", folder, "microworld")
    assert (episode.refused, episode.episode_id) == ("unsafe_path", name)


def test_the_list_is_not_what_it_should_be(folder):
    listed = [{"episode_id": "a"}, 7, {"text": "no id"}, {"episode_id": "a"}]
    (folder / "episodes.json").write_text(json.dumps(listed))
    episodes = read("microworld", folder, "microworld")
    assert [e.refused for e in episodes] == ["", "bad_annotation", "bad_annotation", "double_id"]
    assert len({e.episode_id for e in episodes}) == 4
    (folder / "episodes.json").write_text("{}")
    with pytest.raises(NoSource, match=r"episodes\.json holds a dict: a list is expected"):
        read("microworld", folder, "microworld")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2}, "has format 2: format 1 is read"),
        ({"fps": "fast"}, "fps is 'fast': a positive number is expected"),
        ({"views": 3}, "views is 3: a list of names is expected"),
        ({"views": None}, "lacks views"),
    ],
)
def test_an_info_that_is_none_is_no_source(folder, changes, message):
    spoil(folder / "info.json", **changes)
    with pytest.raises(NoSource, match=message):
        read("microworld", folder, "microworld")
