"""A folder's videos: everything is listed, nothing is followed out of it, ids come from content."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.clips.folder import list_videos, printable
from curation.clips.manifest import folder_candidates, in_shard
from curation.shards import shard_count, shard_of
from storage.journal import Journal


@pytest.fixture
def digests(tmp_path_factory):
    with Journal(tmp_path_factory.mktemp("journal") / "digests.sqlite") as journal:
        yield journal


def test_videos_of_all_subfolders_are_listed_by_path_and_other_files_are_not(tmp_path):
    for name in ("b.mp4", "a/c.MKV", "a/notes.txt", "z/deep/er/x.webm"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"1")
    assert [entry.path for entry in list_videos(tmp_path)] == ["a/c.MKV", "b.mp4", "z/deep/er/x.webm"]


def test_a_symlink_loop_ends_and_is_reported(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "up").symlink_to(tmp_path)
    (tmp_path / "in" / "v.mp4").write_bytes(b"1")
    (tmp_path / "x.mp4").symlink_to(tmp_path / "y.mp4")
    (tmp_path / "y.mp4").symlink_to(tmp_path / "x.mp4")
    found = {entry.path: entry.reason for entry in list_videos(tmp_path)}
    assert found == {"in/up": "symlink_loop", "in/v.mp4": "", "x.mp4": "symlink_loop", "y.mp4": "symlink_loop"}


def test_links_out_of_the_folder_are_reported_not_followed(tmp_path):
    outside, source = tmp_path / "outside", tmp_path / "source"
    outside.mkdir()
    source.mkdir()
    (outside / "secret.mp4").write_bytes(b"1")
    (source / "dir").symlink_to(outside)
    (source / "file.mp4").symlink_to(outside / "secret.mp4")
    assert {entry.path: entry.reason for entry in list_videos(source)} == {
        "dir": "outside_source",
        "file.mp4": "outside_source",
    }


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every folder")
def test_an_unreadable_subfolder_is_reported(tmp_path):
    (tmp_path / "locked").mkdir(mode=0o000)
    try:
        assert [entry.reason for entry in list_videos(tmp_path)] == ["unreadable_folder"]
    finally:
        (tmp_path / "locked").chmod(0o700)


def test_an_unreadable_subfolder_is_reported_whoever_runs_it(tmp_path, monkeypatch):
    """Root may read everything, so the kernel's refusal is put in place of it."""
    (tmp_path / "locked").mkdir()
    scandir = os.scandir

    def refusing(path):
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    entry = list_videos(tmp_path)[0]
    assert (entry.path, entry.reason, entry.detail) == ("locked", "unreadable_folder", "Permission denied")


def test_a_source_that_is_no_folder_is_a_mistake_in_the_configuration(tmp_path):
    with pytest.raises(ValueError, match="nowhere"):
        list_videos(tmp_path / "nowhere")


def test_equal_content_is_one_clip_and_its_copies_are_rejected(tmp_path, digests):
    for name in ("b.mp4", "a.mp4", "c.mp4"):
        (tmp_path / name).write_bytes(b"the same")
    (tmp_path / "d.mp4").write_bytes(b"another")
    found = {candidate.path: candidate for candidate in folder_candidates(tmp_path, True, digests)}
    assert found["a.mp4"].reason == found["d.mp4"].reason == ""
    assert found["b.mp4"].reason == found["c.mp4"].reason == "duplicate_id"
    assert found["b.mp4"].detail == "same content as a.mp4"
    assert len({candidate.clip_id for candidate in found.values()}) == 4


def test_a_clip_keeps_its_id_when_it_is_renamed_or_moved(tmp_path, digests):
    (tmp_path / "a.mp4").write_bytes(os.urandom(100))
    before = folder_candidates(tmp_path, False, digests)[0].clip_id
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.mp4").rename(tmp_path / "sub" / "renamed.mp4")
    assert folder_candidates(tmp_path, False, digests)[0].clip_id == before


def test_a_second_listing_reads_no_file(tmp_path, digests, monkeypatch):
    (tmp_path / "a.mp4").write_bytes(b"1")
    first = folder_candidates(tmp_path, True, digests)
    monkeypatch.setattr("curation.clips.manifest.content_of", None)
    assert folder_candidates(tmp_path, True, digests) == first


def test_empty_and_undecodable_names_get_a_reason(tmp_path, digests):
    (tmp_path / "empty.mp4").write_bytes(b"")
    raw = os.fsencode(tmp_path) + b"/\xff\xfe.mp4"
    with open(raw, "wb") as handle:
        handle.write(b"1")
    found = folder_candidates(tmp_path, True, digests)
    assert sorted(candidate.reason for candidate in found) == ["empty_file", "undecodable_name"]
    assert all(printable(candidate.path).isprintable() for candidate in found)


@given(st.text(min_size=1), st.integers(1, 64))
def test_a_clip_has_one_shard_and_shards_part_the_clips(clip_id, count):
    shard = shard_of(clip_id, count)
    assert shard == shard_of(clip_id, count)
    assert 0 <= int(shard.removeprefix("shard-")) < count


def test_shards_are_filled_evenly():
    shards = [shard_of(f"clip {number}", 8) for number in range(8000)]
    assert all(800 < shards.count(shard) < 1200 for shard in set(shards))
    assert len(set(shards)) == 8


@pytest.mark.parametrize("text", ["0", "-1", "x", "10001", "1.5", ""])
def test_a_wrong_number_of_shards_is_named(text):
    with pytest.raises(ValueError, match="WMSD_SHARDS"):
        shard_count(text)


def test_candidates_of_all_shards_are_all_candidates(tmp_path, digests):
    for number in range(40):
        (tmp_path / f"{number}.mp4").write_bytes(bytes([number]))
    found = folder_candidates(tmp_path, True, digests)
    parts = [in_shard(found, f"shard-{number:04d}", 4) for number in range(4)]
    assert sorted(c.clip_id for part in parts for c in part) == sorted(c.clip_id for c in found)
