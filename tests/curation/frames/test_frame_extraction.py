"""Frames stage: rows in order, images where they say, every failure a typed row, and no finished clip done twice."""

import errno
import hashlib
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from curation.frames.extract import extract_frames
from curation.frames.options import FramesOptions
from curation.schemas import FRAMES
from media.pool import MediaPool
from storage.journal import Journal
from storage.tables import KEPT, REJECTED, write_table
from tests.media import media_fixtures as make

VERBS = "tests.curation.frames.frame_verbs"


def extract(clips, source, out, options=None, workers=2, verbs=VERBS, shard="s00"):
    options = options or FramesOptions()
    with Journal(out / f"{shard}.journal") as journal, MediaPool(workers, verbs=verbs) as pool:
        return list(extract_frames(clips, source, out, shard, journal, options, pool))


def tree(out):
    """Every image under `out`, with its hash."""
    return {
        str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((out / "frames").rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def work_log(tmp_path, monkeypatch):
    """The clips that workers were asked for, in order."""
    log = tmp_path / "work.log"
    monkeypatch.setenv("FRAME_LOG", str(log))
    return lambda: log.read_text().split() if log.exists() else []


@pytest.fixture
def fault(tmp_path, monkeypatch):
    switch = tmp_path / "fault"
    monkeypatch.setenv("FRAME_FAULT", str(switch))
    return switch


def test_rows_fit_the_schema_are_sorted_and_name_images_that_are_theirs(clip_rows, source, tmp_path):
    rows = extract(clip_rows, source, tmp_path)
    assert [row["frame_id"] for row in rows] == sorted(row["frame_id"] for row in rows)
    assert len(rows) == 8 + 8 + 1 + 8
    write_table(tmp_path / "frames.parquet", rows, FRAMES, {})
    for row in rows:
        data = (tmp_path / row["image"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == row["image_sha256"]
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        assert picture.shape[:2] == (row["height"], row["width"])
        assert row["frame_id"] == f"{row['clip_id']}_{round(row['seconds'] * 1000):08d}"
        assert row["status"] == KEPT and row["reason"] == ""
    assert sorted(tree(tmp_path)) == sorted(row["image"] for row in rows)


def test_an_image_shows_the_frame_of_its_time(clip_rows, source, tmp_path):
    full = make.full_decode(source / "a.mp4")
    clip = next(clip for clip in clip_rows if clip["path"] == "a.mp4")
    for row in extract([clip], source, tmp_path):
        picture = cv2.imread(str(tmp_path / row["image"]))
        assert np.abs(picture.astype(int) - full[row["pts"]]).mean() < 3
        assert row["seconds"] == row["pts"] / 12288
        assert abs(row["seconds"] - row["requested_s"]) <= 0.5 / 24


@pytest.mark.slow
def test_the_number_of_workers_changes_no_byte(clip_rows, source, tmp_path):
    one = extract(clip_rows, source, tmp_path / "one", workers=1)
    three = extract(clip_rows[::-1], source, tmp_path / "three", workers=3)
    assert one == three and tree(tmp_path / "one") == tree(tmp_path / "three")


def test_a_second_run_does_nothing_and_gives_the_same(clip_rows, source, tmp_path, work_log):
    first = extract(clip_rows, source, tmp_path)
    assert sorted(work_log()) == sorted(clip["clip_id"] for clip in clip_rows)
    assert extract(clip_rows, source, tmp_path) == first
    assert len(work_log()) == len(clip_rows)


def test_other_options_or_another_digest_are_other_work(clip_rows, source, tmp_path, work_log):
    clip = clip_rows[0]
    extract([clip], source, tmp_path)
    extract([clip], source, tmp_path, FramesOptions(jpeg_quality=50))
    extract([{**clip, "digest": "changed"}], source, tmp_path)
    extract([clip], source, tmp_path, FramesOptions(timeout_s=5))  # patience is no part of the result
    assert len(work_log()) == 3


def test_a_clip_whose_image_is_gone_is_done_again(clip_rows, source, tmp_path, work_log):
    first = extract(clip_rows, source, tmp_path)
    before = tree(tmp_path)
    (tmp_path / first[3]["image"]).unlink()
    assert extract(clip_rows, source, tmp_path) == first
    assert work_log()[len(clip_rows) :] == [first[3]["clip_id"]] and tree(tmp_path) == before


def test_bad_clips_get_one_typed_row_each_and_harm_no_other(clip_rows, source, tmp_path):
    good = clip_rows[0]
    (tmp_path / "outside.mp4").write_bytes((source / "a.mp4").read_bytes())
    bad = {
        "parent": ({"path": "../outside.mp4"}, "unsafe_path"),
        "absolute": ({"path": "/etc/passwd"}, "unsafe_path"),
        "nul": ({"path": "a\0.mp4"}, "unsafe_path"),
        "absent": ({"path": "gone.mp4"}, "absent_file"),
        "index": ({"pts_runs": [0, 1]}, "bad_index"),
        "no_index": ({"pts_runs": []}, "bad_index"),
    }
    clips = [{**good, "clip_id": name, **change} for name, (change, _) in bad.items()]
    rows = {row["frame_id"]: row for row in extract([*clips, good], source, tmp_path)}
    for name, (_, reason) in bad.items():
        row = rows.pop(f"{name}_failed")
        assert (row["status"], row["reason"], row["image"], row["clip_id"]) == (REJECTED, reason, "", name)
        assert row["detail"] and row.keys() == set(FRAMES.names)
    assert len(rows) == 8 and all(row["status"] == KEPT for row in rows.values())


def test_a_symlink_out_of_the_source_folder_and_a_loop_are_unsafe(clip_rows, source, tmp_path):
    folder = tmp_path / "links"
    folder.mkdir()
    (folder / "out.mp4").symlink_to(source / "a.mp4")
    (folder / "loop.mp4").symlink_to(folder / "loop.mp4")
    clips = [{**clip_rows[0], "clip_id": name, "path": f"{name}.mp4"} for name in ("out", "loop")]
    reasons = {row["frame_id"]: row["reason"] for row in extract(clips, folder, tmp_path)}
    assert reasons["out_failed"] == "unsafe_path"
    assert reasons["loop_failed"] in ("unsafe_path", "unreadable")


def test_a_partly_damaged_clip_keeps_its_good_frames(clip_rows, source, tmp_path):
    folder = tmp_path / "damaged"
    folder.mkdir()
    make.damaged(source / "a.mp4", folder / "a.mp4", 12)
    clip = next(clip for clip in clip_rows if clip["path"] == "a.mp4")
    rows = extract([clip], folder, tmp_path)
    assert len(rows) == 8
    assert {row["reason"] for row in rows if row["status"] == REJECTED} == {"corrupt_frame"}
    assert 4 <= sum(row["status"] == KEPT for row in rows) < 8
    assert all((tmp_path / row["image"]).is_file() == (row["status"] == KEPT) or not row["image"] for row in rows)


def test_a_clip_that_changed_since_it_was_probed_gives_no_wrong_frame(clip_rows, source, tmp_path):
    one_frame = next(clip for clip in clip_rows if clip["path"] == "a.mp4")
    rows = extract([{**one_frame, "path": "c.mp4"}], source, tmp_path)
    assert {row["reason"] for row in rows} <= {"frame_not_delivered", ""} and rows[-1]["status"] == REJECTED


def test_a_clip_that_hangs_is_given_up_and_tried_again_only_with_more_time(
    clip_rows, source, tmp_path, fault, work_log
):
    clip = clip_rows[0]
    fault.write_text("hang")
    (row,) = extract([clip], source, tmp_path, FramesOptions(timeout_s=0.5))
    assert (row["frame_id"], row["reason"]) == (f"{clip['clip_id']}_failed", "timeout")
    fault.unlink()
    assert extract([clip], source, tmp_path, FramesOptions(timeout_s=0.5)) == [row] and work_log() == []
    assert len(extract([clip], source, tmp_path, FramesOptions(timeout_s=20))) == 8


@pytest.mark.slow
def test_a_full_disk_stops_the_stage_and_is_not_recorded_against_a_clip(clip_rows, source, tmp_path, fault):
    fault.write_text("disk")
    with pytest.raises(OSError) as caught:
        extract(clip_rows, source, tmp_path)
    assert caught.value.errno == errno.ENOSPC
    fault.unlink()
    assert all(row["status"] == KEPT for row in extract(clip_rows, source, tmp_path))


def test_no_folder_grows_with_the_number_of_frames(clip_rows, source, tmp_path):
    rows = extract(clip_rows, source, tmp_path, FramesOptions(every_s=0.04))
    folders = {Path(row["image"]).parent for row in rows}
    assert len(rows) > 50 and len(folders) > 25
    assert all(len(folder.name) == 2 and folder.parent == Path("frames/s00") for folder in folders)


def test_rejected_clips_are_left_out(clip_rows, source, tmp_path):
    assert extract([{**clip_rows[0], "status": REJECTED}], source, tmp_path) == []


@pytest.mark.parametrize("clip_id", ["../x", "a/b", "", ".hidden", "x" * 200, "a\nb"])
def test_a_clip_id_that_is_no_file_name_is_an_error(clip_rows, source, tmp_path, clip_id):
    with pytest.raises(ValueError, match="clip_id"):
        extract([{**clip_rows[0], "clip_id": clip_id}], source, tmp_path)


def test_a_clip_id_twice_is_an_error_before_any_work(clip_rows, source, tmp_path, work_log):
    with pytest.raises(ValueError, match="comes twice"):
        extract([*clip_rows, clip_rows[0]], source, tmp_path)
    assert work_log() == []


@pytest.mark.parametrize(
    "wrong", [{"count": 0}, {"every_s": 0}, {"mode": "fast"}, {"jpeg_quality": 101}, {"cuont": 4}], ids=str
)
def test_wrong_options_name_their_field(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        FramesOptions(**wrong)


RUN = """
import json, sys
from pathlib import Path
from curation.frames.extract import extract_frames
from curation.frames.options import FramesOptions
from media.pool import MediaPool
from storage.journal import Journal
clips, source, out = json.loads(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
with Journal(out / "s00.journal") as journal, MediaPool(2, verbs="tests.curation.frames.frame_verbs") as pool:
    list(extract_frames(clips, source, out, "s00", journal, FramesOptions(count=6), pool))
"""


@pytest.mark.slow
def test_a_run_killed_at_any_moment_repeats_no_finished_clip_and_ends_with_the_same_bytes(
    clip_rows, source, tmp_path, repository, monkeypatch
):
    import json

    clips = [{**clip, "clip_id": f"{clip['clip_id']}x{i}"} for i in range(6) for clip in clip_rows]
    whole = extract(clips, source, tmp_path / "whole", FramesOptions(count=6))
    broken, log = tmp_path / "broken", tmp_path / "log"
    broken.mkdir()
    monkeypatch.setenv("FRAME_LOG", str(log))
    command = [sys.executable, "-c", RUN, json.dumps(clips), str(source), str(broken)]
    for fraction in (0.2, 0.5, 0.8):
        run = subprocess.Popen(command, cwd=repository)
        end = time.monotonic() + 30
        while run.poll() is None and time.monotonic() < end:
            if log.exists() and len(log.read_text().split()) >= fraction * len(clips):
                run.send_signal(signal.SIGKILL)
                break
            time.sleep(0.001)
        run.wait()
    with Journal(broken / "s00.journal") as journal:
        done = len(journal)
    assert done > 0
    before = len(log.read_text().split())
    assert extract(clips, source, broken, FramesOptions(count=6)) == whole
    assert len(log.read_text().split()) - before == len(clips) - done
    assert tree(broken) == tree(tmp_path / "whole")


@pytest.mark.slow
def test_two_runs_of_one_shard_at_once_take_turns(clip_rows, source, tmp_path, repository, monkeypatch):
    import json

    log = tmp_path / "log"
    monkeypatch.setenv("FRAME_LOG", str(log))
    command = [sys.executable, "-c", RUN, json.dumps(clip_rows), str(source), str(tmp_path)]
    runs = [subprocess.Popen(command, cwd=repository) for _ in range(2)]
    assert [run.wait(60) for run in runs] == [0, 0]
    assert sorted(log.read_text().split()) == sorted(clip["clip_id"] for clip in clip_rows)
