"""Clips of MiraData are found in whole videos, seen at the row's times, and refused when the file is another."""

import numpy as np
import pytest

from curation.clips.manifest import probe_rows
from curation.clips.miradata_files import miradata_candidates
from curation.frames.extract import extract_frames
from curation.frames.options import FramesOptions
from media.pool import MediaPool
from storage.journal import Journal
from tests.media import media_fixtures as make

HEADER = "index,video_id,start_frame,end_frame,short_caption,fps\n"
IDS = ("AJp_ANXoGoM", "-b_plaDXxm4", "wwqUCcOZBT0")


def row(video, clip, start, end, fps=24):
    return f"00000000878{video}_{IDS[video]}-{clip:06d},{IDS[video]},{start},{end},A scene.,{fps}\n"


@pytest.fixture
def listed(tmp_path):
    folder = tmp_path / "videos"
    folder.mkdir()

    def listing(*rows, tolerance_s=2.0):
        (tmp_path / "meta.csv").write_text(HEADER + "".join(rows))
        with Journal(tmp_path / "digests.sqlite") as digests:
            return miradata_candidates(tmp_path / "meta.csv", folder, digests, tolerance_s)

    return folder, listing


@pytest.fixture
def probed(tmp_path):
    def rows_of(candidates, folder, **options):
        with MediaPool(1) as pool, Journal(tmp_path / "probes.sqlite") as journal:
            return list(probe_rows(candidates, folder, journal, pool, **options))

    return rows_of


@pytest.mark.parametrize(
    "name",
    [
        "-b_plaDXxm4.mp4",
        "deep/er/-b_plaDXxm4.mkv",
        "A title [with] brackets [-b_plaDXxm4].webm",
        "raw_video/000000008/000000008781_.mp4",  # MiraData's own downloader cuts the name at the first '-'
    ],
)
def test_a_whole_video_is_found_by_its_id(listed, name):
    folder, listing = listed
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(b"1")
    (folder / "b_plaDXxm4.mp4").write_bytes(b"2")
    first, second, other = listing(row(1, 0, 0, 48), row(1, 1, 48, 96), row(2, 0, 0, 48))
    assert first.path == second.path == name and first.whole_video and first.digest != second.digest
    assert other.reason == "absent" and "wwqUCcOZBT0.*" in other.detail


def test_an_address_in_place_of_the_id_names_the_video(listed):
    folder, _ = listed
    (folder / "AJp_ANXoGoM.mp4").write_bytes(b"1")
    (folder.parent / "v1.csv").write_text(
        "clip_id,video_url,timestamp,file_path\n"
        "7.1,https://www.youtube.com/watch?v=AJp_ANXoGoM&t=3,\"['0:00:00','0:01:00']\",7_1.mp4\n"
    )
    with Journal(folder.parent / "digests.sqlite") as digests:
        (found,) = miradata_candidates(folder.parent / "v1.csv", folder, digests)
    assert found.path == "AJp_ANXoGoM.mp4" and found.whole_video
    assert found.external_id.startswith("https://")  # groups of old collections stay


def test_the_clips_own_file_comes_before_the_whole_video(listed):
    folder, listing = listed
    (folder / "AJp_ANXoGoM.mp4").write_bytes(b"1")
    (folder / f"000000008780_{IDS[0]}-000001.mp4").write_bytes(b"2")
    whole, own = listing(row(0, 0, 0, 48), row(0, 1, 48, 96))
    assert whole.whole_video and not own.whole_video and own.path.endswith("-000001.mp4")


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_pictures_are_those_of_the_rows_span(listed, probed, tmp_path, suffix):
    folder, listing = listed
    path = make.write_video(folder / f"{IDS[0]}.{suffix}", frames=240, options={"bf": "2"})
    found = listing(row(0, 0, 30, 90), row(0, 1, 101, 200), row(0, 2, 100, 900))
    rows = probed(found, folder)
    assert [one["reason"] for one in rows] == ["", "", "shorter_than_row"]
    assert "has 10.00 s, the clip is 4.17 to 37.50 s" in rows[2]["detail"]
    assert [one["frame_count"] for one in rows[:2]] == [60, 99]
    assert [one["duration_s"] for one in rows[:2]] == pytest.approx([2.5, 99 / 24], abs=2e-3)
    assert [one["external_start_s"] for one in rows[:2]] == pytest.approx([30 / 24, 101 / 24], abs=1e-3)
    full = list(make.full_decode(path).values())
    options = FramesOptions(count=5, mode="exact")
    with MediaPool(1) as pool, Journal(tmp_path / "frames.sqlite") as journal:
        frames = list(extract_frames(rows[:2], folder, tmp_path, "s00", journal, options, pool))
    assert len(frames) == 10
    import cv2

    for frame in frames:
        clip = next(one for one in rows if one["clip_id"] == frame["clip_id"])
        place = round((clip["external_start_s"] + frame["seconds"]) * 24)
        first = {"0": 30, "1": 101}[clip["clip_id"][-1]]
        assert first <= place < first + clip["frame_count"]
        picture = cv2.imread(str(tmp_path / frame["image"]))
        assert np.abs(picture.astype(int) - full[place]).mean() < 3


def test_a_file_of_another_length_is_named_and_the_tolerance_is_asked_at_once(listed, probed):
    folder, listing = listed
    make.write_video(folder / f"000000008780_{IDS[0]}-000000.mp4", frames=120)  # 5 s
    make.write_video(folder / f"{IDS[1]}.mp4", frames=120)
    lines = (row(0, 0, 0, 240), row(1, 0, 0, 240), row(1, 1, 500, 600))
    rows = probed(listing(*lines), folder)
    assert [one["reason"] for one in rows] == ["length_differs", "shorter_than_row", "shorter_than_row"]
    assert rows[0]["detail"] == "the file has 5.00 s, the clip should have 10.00 s"

    class NoPool:
        def run(self, jobs):
            assert not jobs
            return iter(())

    with Journal(folder.parent / "probes.sqlite") as journal:
        again = list(probe_rows(listing(*lines, tolerance_s=5.5), folder, journal, NoPool()))
    assert [one["reason"] for one in again] == ["", "", "shorter_than_row"]


def test_a_counted_video_cannot_be_a_source_of_spans(listed, probed):
    folder, listing = listed
    make.write_video(folder / f"{IDS[0]}.avi", frames=60, options={"bf": "2"})
    (found,) = probed(listing(row(0, 0, 0, 24)), folder)
    assert found["reason"] == "span_needs_times" and "MP4 or MKV" in found["detail"]


def test_other_times_of_a_row_are_another_digest(listed):
    folder, listing = listed
    (folder / f"{IDS[0]}.mp4").write_bytes(b"1")
    (before,), (after,) = listing(row(0, 0, 0, 48)), listing(row(0, 0, 1, 48))
    assert before.clip_id == after.clip_id and before.digest != after.digest
