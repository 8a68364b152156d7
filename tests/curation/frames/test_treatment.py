"""From a file to the stage's rows: interlaced video and films with cuts."""

import cv2
import pytest

from curation.frames.extract import extract_frames
from curation.frames.options import FramesOptions
from media.pool import MediaPool
from media.verbs import probe_file
from storage.journal import Journal
from tests.curation.frames.conftest import clip_row
from tests.media import media_fixtures as make
from tests.media.test_shots import CUTS, film

pytestmark = pytest.mark.slow


def extract(row, folder, out, **options):
    with Journal(out / "journal") as journal, MediaPool(1) as pool:
        return list(extract_frames([row], folder, out, "s00", journal, FramesOptions(**options), pool))


def test_interlaced_clips_give_whole_pictures_or_a_reason(tmp_path):
    make.write_interlaced(tmp_path / "a.mp4", "libx264", {"x264-params": "tff=1:crf=12"})
    row = clip_row(tmp_path, tmp_path / "a.mp4", "clip")
    assert row["interlaced"]
    likeness = {}
    for word in ("deinterlace", "keep"):
        out = tmp_path / word
        out.mkdir()
        rows = extract(row, tmp_path, out, count=4, interlaced=word)
        truths = [make.smooth_motion(2 * round(frame["seconds"] * 25), 256, 144) for frame in rows]
        pictures = [cv2.imread(str(out / frame["image"])) for frame in rows]
        likeness[word] = [cv2.PSNR(*pair) for pair in zip(pictures, truths, strict=True)]
    assert min(likeness["deinterlace"]) > 29
    assert all(ours > kept + 1 for ours, kept in zip(likeness["deinterlace"], likeness["keep"], strict=True)), likeness
    rejected = extract(row, tmp_path, tmp_path, count=4, interlaced="reject")
    assert [(frame["status"], frame["reason"], frame["image"]) for frame in rejected] == [
        ("rejected", "interlaced", "")
    ] * 4


def test_cuts_that_are_known_later_move_the_frames(tmp_path):
    path = make.write_video(tmp_path / "film.mp4", frames=150, draw=film)
    row = clip_row(tmp_path, path, "clip")
    before = extract(row, tmp_path, tmp_path, count=25, mode="exact")
    cuts = probe_file({"path": str(path), "cut_threshold": 3.0})["cut_pts"]
    after = extract(row | {"cut_pts": cuts}, tmp_path, tmp_path, count=25, mode="exact")
    assert len(before) == 25 and len(after) >= 22  # two that move to one place are one
    for cut in CUTS:
        near = [round(frame["seconds"] * 24) - cut for frame in after]
        assert not any(-4 < distance < 4 for distance in near)
    assert any(abs(round(frame["seconds"] * 24) - cut) < 4 for frame in before for cut in CUTS)
