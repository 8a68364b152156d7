"""No video is without a row, whatever it is called; other files are left alone."""

import os

import pytest

from curation.clips.folder import list_videos
from curation.clips.suffixes import OTHER_SUFFIXES, VIDEO_SUFFIXES
from tests.media import media_fixtures as make


def names(folder):
    return [entry.path for entry in list_videos(folder)]


NAMES = "gif mxf vob m2v asf divx 3g2 f4v qt ogg rm dv insv y4m h264 hevc mod rmvb MP4"


def test_every_suffix_of_a_video_is_looked_at(tmp_path):
    for suffix in NAMES.split():
        (tmp_path / f"v.{suffix}").write_bytes(b"anything")
    assert names(tmp_path) == sorted(f"v.{suffix}" for suffix in NAMES.split())


@pytest.mark.parametrize("form", ["mp4", "mkv", "avi", "ts", "mpg", "flv", "asf", "nut", "mov"])
def test_a_video_is_found_by_how_it_begins_where_its_name_says_nothing(tmp_path, form):
    video = make.write_video(tmp_path / f"v.{form}", frames=8, size=(64, 48), codec="mpeg4" if form != "flv" else "flv")
    for name in ("noname", "clip.mp4.part", "clip.download", "v.2024"):
        (tmp_path / name).write_bytes(video.read_bytes())
    video.unlink()
    assert names(tmp_path) == ["clip.download", "clip.mp4.part", "noname", "v.2024"]


def test_other_things_are_no_clips(tmp_path):
    video = make.write_video(tmp_path / "v.mp4", frames=2, size=(64, 48)).read_bytes()
    (tmp_path / "sheet.csv").write_bytes(video)
    (tmp_path / "README").write_text("How these videos were made.\n" * 40)
    (tmp_path / ".DS_Store").write_bytes(b"\0\0\0\1Bud1" + bytes(600))
    (tmp_path / "short").write_bytes(b"G")
    (tmp_path / "GGG").write_bytes(b"G" + b"x" * 900)
    (tmp_path / "heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(600))
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    assert names(tmp_path) == ["v.mp4"]


def test_a_suffix_is_of_a_video_or_of_something_else():
    assert not VIDEO_SUFFIXES & OTHER_SUFFIXES
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in VIDEO_SUFFIXES | OTHER_SUFFIXES)
