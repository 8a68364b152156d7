"""Broken and odd files become rows with a reason; one bad file harms no other; nothing is opened twice."""

import pytest

from curation.clips.manifest import folder_candidates, probe_rows
from curation.schemas import CLIPS
from media.pool import MediaPool
from storage.journal import Journal
from storage.tables import read_rows, write_table


@pytest.fixture
def world_clips(tmp_path):
    from microworld.clips import make_clips

    folder = tmp_path / "source"
    make_clips(folder, 3, 5)
    return folder


def rows_of(folder, state, pool):
    with Journal(state / "digests.sqlite") as digests, Journal(state / "probes.sqlite") as journal:
        return {row["path"]: row for row in probe_rows(folder_candidates(folder, True, digests), folder, journal, pool)}


@pytest.mark.slow
def test_hostile_names_and_broken_files_get_rows_and_harm_nobody(world_clips, tmp_path):
    good = (world_clips / "clip_00000.mp4").read_bytes()
    hostile = '\'; rm -rf ~ #\n<script>alert(1)</script> "quoted".mp4'
    (world_clips / hostile.replace("/", "_")).write_bytes(good + b"\0" * 8)
    (world_clips / "half.mp4").write_bytes(good[: len(good) // 2])
    (world_clips / "text.mp4").write_text("this is no video")
    (world_clips / "none.mp4").write_bytes(b"")
    with MediaPool(2) as pool:
        rows = rows_of(world_clips, tmp_path, pool)
    assert rows["none.mp4"]["reason"] == "empty_file"
    assert rows["text.mp4"]["reason"] == "not_a_video"
    assert rows["half.mp4"]["reason"] in ("no_moov", "truncated")
    assert rows[hostile.replace("/", "_")]["status"] == "kept"
    assert rows["clip_00000.mp4"]["status"] == "kept"
    path = tmp_path / "clips.parquet"
    ordered = [rows[name] for name in sorted(rows)]
    write_table(path, ordered, CLIPS, {})
    assert [row["path"] for row in read_rows(path)] == sorted(rows)


@pytest.mark.slow
def test_a_second_run_opens_no_file(world_clips, tmp_path):
    class NoPool:
        def run(self, jobs):
            assert not jobs
            return iter(())

    with MediaPool(2) as pool:
        first = rows_of(world_clips, tmp_path, pool)
    assert rows_of(world_clips, tmp_path, NoPool()) == first


def test_facts_are_the_files_own(world_clips, tmp_path):
    with MediaPool(1) as pool:
        row = rows_of(world_clips, tmp_path, pool)["clip_00000.mp4"]
    assert row["codec"] == "h264" and row["pix_fmt"] == "yuv420p"
    assert 2 <= row["duration_s"] <= 4.1
    assert row["frame_count"] == pytest.approx(row["duration_s"] * row["fps"], abs=1)
    assert row["redistributable"] is True
