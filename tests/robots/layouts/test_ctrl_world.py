"""Ctrl-World's layout: the real sample, and everything that is wrong with data elsewhere."""

import json

import numpy as np
import pytest

from robots.layouts.source_folder import NoSource
from robots.rules import RULES, counted
from tests.robots.small_sources import ROWS, annotation, found, read, spoil, write_ctrl_world


@pytest.fixture
def folder(tmp_path):
    return write_ctrl_world(tmp_path / "source")


def one(folder, **options):
    (episode,) = read("ctrl_world", folder, "droid", **options)
    return episode


def annotated(folder):
    return folder / "annotation/train/0.json"


def test_the_droid_sample(shared_data):
    """56, 89, 80, 62, 39, 33 and 41 frames; a rollout of 57 fits three of them; roll wraps in six."""
    source = shared_data / "droid_sample/droid_subset"
    episodes = read("ctrl_world", source, "droid", min_frames=57)
    assert [(e.episode_id, e.split, e.frames) for e in episodes] == [
        *[(name, "train", n) for name, n in (("0", 56), ("1", 89), ("3", 80), ("5", 62), ("6", 39))],
        *[("199", "val", 33), ("1799", "val", 41)],
    ]
    assert [e.episode_id for e in episodes if not e.refused] == ["1", "3", "5"]
    assert counted(episodes) == {"too_short": 4, "wrapped_angles": 6}
    assert found(episodes[0])["too_short"] == "56 frames: a rollout of 57 frames is asked for"
    assert [bool(e.text) for e in episodes] == [False, True, True, False, False, True, False]
    assert all(e.fps == 5.0 and list(e.footage) == ["external_1", "external_2", "wrist"] for e in episodes)
    said = json.loads((source / "annotation/train/1.json").read_text())
    assert np.array_equal(episodes[1].states, said["states"])
    assert episodes[1].footage["wrist"].path == (source / "videos/train/1/2.mp4").resolve()


def test_a_good_episode_has_no_finding(folder):
    episode = one(folder)
    assert (episode.findings, episode.frames, episode.states.dtype) == ((), ROWS, np.float64)


@pytest.mark.parametrize("told", [0, "0"])
def test_ids_are_texts_whatever_the_annotation_says(folder, told):
    spoil(annotated(folder), episode_id=told)
    assert (one(folder).episode_id, one(folder).findings) == ("0", ())


@pytest.mark.parametrize(("texts", "text"), [([""], ""), ([], ""), (None, ""), (["a", "a"], "a"), (["", "b"], "b")])
def test_an_empty_text_is_kept(folder, texts, text):
    spoil(annotated(folder), texts=texts)
    assert (one(folder).text, one(folder).findings) == (text, ())


def test_the_annotations_text_wins_and_both_are_told(folder):
    episode = one(folder, text="fold the towel")
    assert episode.text == "push"
    assert found(episode) == {"other_text": "its own: 'push'; the recipe's: 'fold the towel'"}
    spoil(annotated(folder), texts=[""])
    assert (one(folder, text="fold the towel").text, one(folder).findings) == ("fold the towel", ())


def test_the_shortest_counts_and_the_tail_is_told(folder):
    spoil(annotated(folder), **annotation("0", ROWS + 3))
    episode = one(folder)
    assert (episode.frames, episode.refused) == (ROWS, "")
    assert found(episode) == {
        "frames_and_states": "rows differ (states 15, external_1 12, external_2 12, wrist 12, the annotation 15): "
        "12 are used"
    }
    spoil(annotated(folder), video_length=9)
    assert one(folder).frames == 9


def test_a_wrong_frame_rate_in_a_video_is_told_and_changes_nothing(tmp_path):
    episode = one(write_ctrl_world(tmp_path / "fast", fps=30))
    assert (episode.fps, episode.frames, episode.refused) == (5.0, ROWS, "")
    ((rule, message),) = found(episode).items()
    assert rule == "fps_tag"
    assert "says 30 frames a second, the data set 5, which counts" in message
    assert len(episode.findings) == 3  # a view each


def test_the_recipe_may_say_another_rate(tmp_path):
    episode = one(write_ctrl_world(tmp_path / "ten", fps=10), fps=10)
    assert (episode.fps, episode.findings) == (10.0, ())


SPOILT = {
    "not_finite": ({"states": [[float("nan")] * 7] * ROWS}, "states, row 0 of 12: .*; 12 such rows"),
    "missing_array": ({"states": None}, "the annotation has no states, only episode_id, texts, video_length"),
    "state_columns": ({"states": [[0.0] * 6] * ROWS}, r"states have shape \[12, 6\]: \[rows, 7\] is expected"),
    "unsafe_path": ({"episode_id": "../../0"}, "episode_id is '../../0': a plain name is expected"),
}


@pytest.mark.parametrize("rule", SPOILT)
def test_an_annotation_that_cannot_be_used_is_refused_by_rule(folder, rule):
    changes, message = SPOILT[rule]
    spoil(annotated(folder), **changes)
    episode = one(folder)
    assert episode.refused == rule
    assert episode.states.shape == (0, 7)
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(found(episode)[rule])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not JSON"),
        ("[1]", "holds a list: a JSON object is expected"),
        ('{"states": "no"}', "states is no table of numbers"),
        ('{"states": [[1, 2], [3]]}', "states is no table of numbers"),
        ('{"states": [[[1]]]}', r"states has shape \[1, 1, 1\]: rows of numbers are expected"),
        ('{"states": [[0, 0, 0, 0, 0, 0, 0]], "texts": 5}', "texts is 5: a list of texts is expected"),
        ('{"states": [[0, 0, 0, 0, 0, 0, 0]], "video_length": -1}', "video_length is -1: a number of frames"),
        ('{"episode_id": "7"}', "episode_id is '7' in the file 0.json"),
        ('{"episode_id": [0]}', r"episode_id is \[0\]: a number or a text is expected"),
    ],
)
def test_json_that_is_not_what_it_should_be_is_refused(folder, content, message):
    annotated(folder).write_text(content)
    episode = one(folder)
    assert episode.refused == "bad_annotation"
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(found(episode)["bad_annotation"])


def test_commands_may_be_absent_but_hold_no_nan(folder):
    commands = {"action.cartesian_position": [[0.0] * 6, [float("inf")] * 6], "action.gripper_position": [0.0]}
    spoil(annotated(folder), **commands)
    assert found(one(folder))["not_finite"].startswith("action.cartesian_position, row 1 of 2: [inf")


def test_a_missing_video_is_refused(folder):
    (folder / "videos/train/0/1.mp4").unlink()
    episode = one(folder)
    assert episode.refused == "missing_video"
    assert "view external_2, " in found(episode)["missing_video"]
    assert "0/1.mp4: absent_file" in found(episode)["missing_video"]


@pytest.mark.parametrize("damage", ["empty", "cut", "text"])
def test_a_damaged_video_is_refused(folder, damage):
    path = folder / "videos/train/0/2.mp4"
    data = path.read_bytes()
    path.write_bytes({"empty": b"", "cut": data[: len(data) // 2], "text": b"not a video"}[damage])
    episode = one(folder)
    assert episode.refused == "damaged_video"
    assert "view wrist, " in found(episode)["damaged_video"]


def test_an_idle_episode_is_told_and_refused_where_the_recipe_says_so(folder):
    spoil(annotated(folder), states=[[0.5] * 7] * ROWS)
    assert (one(folder).refused, found(one(folder))["idle"]) == ("", "no column changes by more than 0 in 12 rows")
    assert one(folder, refuse=("idle",)).refused == "idle"
    with pytest.raises(ValueError, match="no rule 'idel': the rules are bad_annotation, "):
        one(folder, refuse=("idel",))


def test_wrapped_angles_are_counted(folder):
    states = np.zeros((ROWS, 7))
    states[:, 0] = np.arange(ROWS) / 10
    states[5:8, 3], states[:, 6] = 3.1, np.arange(ROWS)  # a gripper that jumps is no angle
    states[8:, 3] = -3.1
    spoil(annotated(folder), states=states.tolist())
    assert found(one(folder)) == {"wrapped_angles": "1 jumps of about 2 pi in 12 rows"}


def test_a_video_that_leads_out_of_the_folder_is_refused(folder, tmp_path):
    outside = tmp_path / "outside.mp4"
    outside.write_bytes((folder / "videos/train/0/0.mp4").read_bytes())
    (folder / "videos/train/0/0.mp4").unlink()
    (folder / "videos/train/0/0.mp4").symlink_to(outside)
    assert one(folder).refused == "unsafe_path"


def test_the_id_of_a_second_bearer_is_told(tmp_path):
    folder = write_ctrl_world(tmp_path / "twice", ("train", "4"), ("val", "4"))
    first, second = read("ctrl_world", folder, "droid")
    assert (first.episode_id, first.refused, second.episode_id, second.refused) == ("4", "", "4#2", "double_id")


def test_a_scene_is_never_on_both_sides(tmp_path):
    folder = write_ctrl_world(tmp_path / "scenes", ("train", "1"), ("train", "2"), ("val", "3"))
    for split, name, scene in (("train", "1", "kitchen"), ("train", "2", "lab"), ("val", "3", "kitchen")):
        spoil(folder / f"annotation/{split}/{name}.json", site=scene)
    first, second, third = read("ctrl_world", folder, "droid", scene="site")
    assert (first.scene, first.refused, second.refused, third.refused) == ("kitchen", "scene_on_both_sides", "", "")
    assert not any(e.refused for e in read("ctrl_world", folder, "droid"))  # nobody says what the scene is


def test_episodes_are_read_by_id(tmp_path):
    from robots.layouts.read import episode_ids, read_episodes
    from robots.options import RobotSource

    folder = write_ctrl_world(tmp_path / "many", ("train", "10"), ("train", "9"), ("val", "b"))
    source = RobotSource(layout="ctrl_world", path=str(folder), robot="droid")
    assert episode_ids(source) == ["9", "10", "b"]
    assert [e.episode_id for e in read_episodes(source, only={"b", "9"})] == ["9", "b"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"path": "/nowhere/at/all"}, "no folder '/nowhere/at/all'"),
        ({"revision": "main"}, "revision 'main' is of a Hub id, and ctrl_world is read from a folder"),
        ({"robot": "panda"}, "no robot 'panda' has a contract"),
        ({"robot": "fetch"}, "the contract fetch has no keys for the layout ctrl_world"),
        ({"views": {"left": "0", "right": "0"}}, "views name one camera twice"),
    ],
)
def test_a_source_that_cannot_be_read_says_what_would_be_right(folder, options, message):
    with pytest.raises(ValueError, match=message):
        read(
            "ctrl_world",
            options.get("path", folder),
            options.get("robot", "droid"),
            **{name: value for name, value in options.items() if name not in ("path", "robot")},
        )


def test_another_folder_is_no_source(tmp_path):
    with pytest.raises(NoSource, match="has no folder annotation: give the folder that holds annotation and videos"):
        read("ctrl_world", tmp_path, "droid")


def test_views_may_be_fewer_and_named_otherwise(folder):
    episode = one(folder, views={"hand": "2", "front": "0"})
    assert {view: footage.path.name for view, footage in episode.footage.items()} == {"hand": "2.mp4", "front": "0.mp4"}


def test_every_rule_says_what_it_means():
    assert all(RULES.values())
