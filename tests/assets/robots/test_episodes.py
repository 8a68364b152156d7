"""The assets of robot episodes on a small source: nothing disappears, everything is counted, mistakes are named."""

import json

import numpy as np
import pytest

from robots.episode_table import recordings
from storage.tables import read_rows
from tests.assets.robots.conftest import VIEWS, write_episode, write_source


def rows_of(rig) -> dict[str, dict]:
    return {row["episode_id"]: row for table in rig.store.tables("episodes") for row in read_rows(table)}


def test_every_episode_is_in_one_table_with_its_states_and_footage(rig):
    result = rig.run("episodes")
    rows = rows_of(rig)
    assert sorted(rows) == [f"e{number}" for number in range(8)]
    assert {row["status"] for row in rows.values()} == {"kept"}
    with np.load(rig.source / "episodes" / "e5.npz") as arrays:
        (mine,) = [one for one in recordings(rig.store.tables("episodes")) if one.episode.episode_id == "e5"]
        assert np.array_equal(mine.episode.states, arrays["states"])
    assert tuple(mine.episode.footage) == VIEWS and mine.episode.text == "push block 5"
    assert [one.view for one in mine.episode.footage.values()] == [0, 1, 2]
    shown = rig.metadata(result, "episodes")
    assert (shown["train episodes"], shown["val episodes"], shown["train rows"]) == (6, 2, 72)
    assert shown["episodes"].startswith("![episodes](data:image/jpeg;base64,")


def test_a_refused_episode_stays_with_the_rule_that_refused_it(rig):
    write_episode(rig.source, 1, states=np.full((12, 7), np.nan))
    write_episode(rig.source, 2, 5)
    (rig.source / "episodes" / "e4.npz").write_bytes(b"no archive")
    rig.config["episodes"]["source"]["min_frames"] = 9
    result = rig.run("episodes")
    rows = rows_of(rig)
    assert len(rows) == 8
    reasons = {name: row["reason"] for name, row in rows.items() if row["status"] == "rejected"}
    assert reasons == {"e1": "not_finite", "e2": "too_short", "e4": "damaged_video"}
    assert "5 frames: a rollout of 9 frames is asked for" in rows["e2"]["detail"]
    shown = rig.metadata(result, "episodes")
    assert shown["kept in this run"] == 5 and "| too_short | 1 | yes |" in shown["rules"]


def test_a_second_run_reads_nothing_again_and_a_new_file_is_seen(rig):
    rig.run("episodes")
    before = [path.stat().st_mtime_ns for path in rig.store.tables("episodes")]
    rig.run("episodes")
    assert [path.stat().st_mtime_ns for path in rig.store.tables("episodes")] == before
    write_source(rig.source, 9)
    rig.run("episodes")
    assert "e8" in rows_of(rig)


def test_the_same_source_gives_the_same_bytes(rig):
    rig.run("episodes")
    before = {path.name: path.read_bytes() for path in rig.store.tables("episodes")}
    for path in rig.store.tables("episodes"):
        path.unlink()
    rig.run("episodes")
    assert {path.name: path.read_bytes() for path in rig.store.tables("episodes")} == before


def test_a_source_that_is_not_there_is_named(rig):
    rig.config["episodes"]["source"]["path"] = str(rig.root / "nowhere")
    assert "nowhere" in rig.failure(rig.run("episodes", fails=True), "episodes")


def test_text_that_is_no_unicode_stops_nothing(rig):
    listed = json.loads((rig.source / "episodes.json").read_text())
    listed[0]["text"] = "push \ud800 it"
    (rig.source / "episodes.json").write_text(json.dumps(listed))
    rig.run("episodes")
    assert rows_of(rig)["e0"]["text"] == "push \\ud800 it"


def test_statistics_are_of_the_kept_train_rows(rig):
    write_episode(rig.source, 0, states=np.full((12, 7), np.nan))
    result = rig.run("episodes", "episode_statistics")
    states = np.concatenate(
        [one.episode.states for one in recordings(rig.store.tables("episodes")) if one.episode.split == "train"]
    )
    from robots.statistics import read_statistics

    found = read_statistics(rig.store.episode_statistics)
    assert (found.robot, found.count) == ("microworld", 60) and len(states) == 60
    assert np.allclose(found.q01, np.quantile(states, 0.01, axis=0), atol=1e-12)
    shown = rig.metadata(result, "episode_statistics")
    assert "| x |" in shown["statistics"] and shown["train rows"] == 60
    assert rig.check(result, "contract_holds").passed


def test_data_in_another_unit_stop_the_run_with_the_figures(rig):
    for number in range(8):
        with np.load(rig.source / "episodes" / f"e{number}.npz") as arrays:
            states = arrays["states"] * np.array([100, 100, 100, 1, 1, 1, 1])
        write_episode(rig.source, number, states=states)
    result = rig.run("episodes", "episode_statistics", fails=True)
    assert "length_unit" in rig.failure(result, "episode_statistics")
    assert not rig.store.episode_statistics.exists()


def test_a_gripper_that_never_closes_is_a_doubt_that_the_check_shows(rig):
    for number in range(8):
        with np.load(rig.source / "episodes" / f"e{number}.npz") as arrays:
            states = arrays["states"].copy()
        states[:, 6] = 0
        write_episode(rig.source, number, states=states)
    told = rig.check(rig.run("episodes", "episode_statistics"), "contract_holds")
    assert not told.passed and told.description.startswith("gripper_never_closes")


def test_statistics_of_a_file_are_used_and_what_they_clip_is_told(rig):
    file = rig.root / "stat.json"
    file.write_text(json.dumps({"state_01": [0.4, -0.1, 0.0, -1, -1, -1, 0], "state_99": [0.6, 0.1, 0.2, 1, 1, 1, 1]}))
    rig.config["episode_statistics"] = {"path": str(file)}
    result = rig.run("episodes", "episode_statistics")
    saved = json.loads(rig.store.episode_statistics.read_text())
    assert saved["state_01"][0] == 0.4 and saved["robot"] == "microworld"
    told = rig.check(result, "contract_holds")
    assert not told.passed and "of x lies outside 0.4 to 0.6" in str(told.metadata["doubts"].value)


def test_shards_of_two_sources_are_not_mixed(rig):
    rig.run("episodes")
    table = rig.store.tables("episodes")[0]
    before = table.read_bytes()
    rig.config["episodes"]["source"]["text"] = "lift it"
    rig.run("episodes")
    table.write_bytes(before)
    told = rig.failure(rig.run("episode_statistics", fails=True), "episode_statistics")
    assert "was read with another text than" in told and "materialize all shards of `episodes`" in told


@pytest.mark.parametrize(("changed", "told"), [("scene", "scene 's0' is in splits"), ("content", "the same recording")])
def test_a_leak_between_splits_blocks_what_follows(rig, changed, told):
    listed = json.loads((rig.source / "episodes.json").read_text())
    if changed == "scene":
        listed[1] |= {"scene": "s0", "split": "test"}
    else:
        (rig.source / "episodes" / "e3.npz").write_bytes((rig.source / "episodes" / "e0.npz").read_bytes())
    (rig.source / "episodes.json").write_text(json.dumps(listed))
    result = rig.run("episodes", "episode_statistics", fails=True)
    check = rig.check(result, "episodes_do_not_leak")
    assert not check.passed and told in check.description
    assert not rig.store.episode_statistics.exists()


def test_the_same_states_twice_in_a_split_are_a_warning(rig):
    (rig.source / "episodes" / "e1.npz").write_bytes((rig.source / "episodes" / "e0.npz").read_bytes())
    check = rig.check(rig.run("episodes"), "episodes_do_not_leak")
    assert not check.passed and check.severity.value == "WARN"
    assert check.description == "episodes e0 (train), e1 (train) have the same states"


def test_the_microworlds_episodes_are_made_where_no_source_is_named_and_once_only(rig):
    rig.config["episodes"] = {"microworld": {"train": 4, "val": 2, "test": 1}}
    result = rig.run("episodes", "episode_statistics")
    shown = rig.metadata(result, "episodes")
    assert [shown[f"{split} episodes"] for split in ("train", "val", "test")] == [4, 2, 1]
    made = {path: path.stat().st_mtime_ns for path in rig.store.robot_microworld.rglob("*.*")}
    tables = [path.stat().st_mtime_ns for path in rig.store.tables("episodes")]
    rig.run("episodes")
    assert {path: path.stat().st_mtime_ns for path in rig.store.robot_microworld.rglob("*.*")} == made
    assert [path.stat().st_mtime_ns for path in rig.store.tables("episodes")] == tables
