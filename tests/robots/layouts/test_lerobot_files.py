"""Files of LeRobot sets: missing and cut videos, wrong tags, paths that lead out, the Hub's cache."""

from fractions import Fraction

import pytest

from robots.frames import read_frames
from robots.layouts.lerobot_info import filled
from robots.rules import Refused
from tests.robots.numbered_videos import CAMERAS, LENGTHS, numbers, shown, write_numbered, write_v3
from tests.robots.small_sources import change_table, found, read, spoil, with_column


def test_a_missing_and_a_cut_video_refuse_the_episodes_they_hold(v3):
    (v3 / f"videos/{CAMERAS[1]}/chunk-000/file-001.mp4").unlink()
    assert [e.refused for e in read("lerobot", v3, "fetch")] == ["", "missing_video", "missing_video"]
    path = v3 / f"videos/{CAMERAS[0]}/chunk-000/file-000.mp4"
    path.write_bytes(path.read_bytes()[:-200])
    assert read("lerobot", v3, "fetch")[0].refused == "damaged_video"


def test_a_video_with_fewer_frames_than_rows_is_never_filled_from_the_next_episode(v3):
    """The file ends within episode 1, and before episode 2 begins."""
    write_numbered(v3 / f"videos/{CAMERAS[0]}/chunk-000/file-000.mp4", [shown(0, i) for i in range(11)], Fraction(15))
    first, second, third = read("lerobot", v3, "fetch")
    assert (first.frames, first.findings) == (6, ())
    assert (second.frames, second.refused) == (5, "")
    assert "external_1 5, external_2 8, wrist 8" in found(second)["frames_and_states"]
    assert numbers(read_frames(second.footage["external_1"], range(5), second.fps)) == list(range(6, 11))
    assert "has 11 frames: the episode begins at 0.933 s" in found(third)["damaged_video"]


def test_times_measured_by_a_wrong_tag_are_understood(tmp_path):
    """Videos tagged 30 that hold 15 frames a second, in a set whose table was written by the videos' durations."""
    folder = write_v3(tmp_path, LENGTHS, [[3], [3], [3]], Fraction(15))
    path = folder / f"videos/{CAMERAS[2]}/chunk-000/file-000.mp4"
    write_numbered(path, [shown(2, i) for i in range(sum(LENGTHS))], Fraction(30))
    halved = [f"videos/{CAMERAS[2]}/{name}" for name in ("from_timestamp", "to_timestamp")]
    for measured in (False, True):
        if measured:
            for table in folder.glob("meta/episodes/*/*.parquet"):
                for name in halved:
                    change_table(table, lambda t, n=name: with_column(t, n, [v.as_py() / 2 for v in t[n]]))
        second = read("lerobot", folder, "fetch")[1]
        assert (set(found(second)), second.frames) == ({"fps_tag"}, LENGTHS[1])
        seen = numbers(read_frames(second.footage["wrist"], range(LENGTHS[1]), second.fps))
        assert seen == [shown(2, LENGTHS[0] + i) for i in range(LENGTHS[1])]


def test_paths_of_the_set_cannot_leave_it(either):
    spoil(either / "meta/info.json", video_path="../{video_key}.mp4")
    assert {e.refused for e in read("lerobot", either, "fetch")} == {"unsafe_path"}
    spoil(either / "meta/info.json", data_path="/etc/passwd")
    assert {e.refused for e in read("lerobot", either, "fetch")} == {"unsafe_path"}
    with pytest.raises(Refused, match="has a field self: episode_index are known"):
        filled("{self:09d}", episode_index=3)
    assert filled("{episode_index.__class__}/{episode_index:99999d}", episode_index=3).startswith("{")  # no format


def test_a_data_set_of_the_hub_is_read_from_its_cache(either, tmp_path, monkeypatch):
    """Its files are links to blobs that lie beside the snapshot, and are no way out of it."""
    repo = tmp_path / "hub/datasets--lab--arm"
    commit = "0123456789abcdef0123456789abcdef01234567"
    (repo / "blobs").mkdir(parents=True)
    (repo / "refs").mkdir()
    (repo / "refs/main").write_text(commit)
    for number, path in enumerate(sorted(p for p in either.rglob("*") if p.is_file())):
        blob, link = repo / f"blobs/{number:040x}", repo / "snapshots" / commit / path.relative_to(either)
        blob.write_bytes(path.read_bytes())
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(blob)
    from huggingface_hub import _snapshot_download, constants, file_download

    for module in (constants, _snapshot_download, file_download):
        monkeypatch.setattr(module, "HF_HUB_CACHE", str(tmp_path / "hub"), raising=False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    episodes = read("lerobot", "lab/arm", "fetch")
    assert [(e.frames, e.findings) for e in episodes] == [(n, ()) for n in LENGTHS]
    first = episodes[0].footage["external_1"]
    assert numbers(read_frames(first, range(6), 15.0)) == list(range(6))
