"""A clip keeps its id as long as its file is the same; a file completed or repaired in place is noticed."""

import os

import pytest

from curation.clips.content import LOOK_EVERY, content_of
from curation.clips.manifest import folder_candidates
from storage.journal import Journal

MIB = 1 << 20


@pytest.fixture
def digests(tmp_path_factory):
    with Journal(tmp_path_factory.mktemp("journal") / "digests.sqlite") as journal:
        yield journal


def listed(folder, digests):
    return {candidate.path: candidate for candidate in folder_candidates(folder, True, digests)}


def written(path, data, modified_ns=None):
    """In place, as downloads do. `modified_ns` puts a time back, as `cp -p` and rsync do."""
    with path.open("r+b" if path.exists() else "wb") as handle:
        handle.write(data)
    if modified_ns is not None:
        os.utime(path, ns=(modified_ns, modified_ns))
    return path.stat().st_mtime_ns


def test_files_of_every_size_differ_when_their_sampled_parts_differ(tmp_path):
    path = tmp_path / "v"
    data = bytearray(5 * MIB)
    path.write_bytes(data)
    found = {content_of(path).identity}
    for offset in (0, len(data) // 2, len(data) - 1):
        changed = bytearray(data)
        changed[offset] = 1
        path.write_bytes(changed)
        found.add(content_of(path).identity)
    path.write_bytes(data[:-1])
    found.add(content_of(path).identity)
    assert len(found) == 5


def test_small_files_are_read_whole(tmp_path):
    path = tmp_path / "v"
    seen = set()
    for offset in (None, 0, 1_000_000, 2 * MIB - 1):
        data = bytearray(2 * MIB)
        if offset is not None:
            data[offset] = 1
        path.write_bytes(data)
        seen.add(content_of(path).samples)
    assert len(seen) == 4


@pytest.mark.parametrize("times", ["new", "put back"])
def test_a_download_completed_in_place_is_another_file_with_the_same_id(tmp_path, digests, times):
    whole = os.urandom(8 * MIB)
    holed = bytearray(whole)
    holed[2 * MIB : 2 * MIB + LOOK_EVERY] = bytes(LOOK_EVERY)  # in none of the three long samples
    modified = written(tmp_path / "a.mp4", holed)
    before = listed(tmp_path, digests)["a.mp4"]
    written(tmp_path / "a.mp4", whole, modified if times == "put back" else modified + 10**9)
    after = listed(tmp_path, digests)["a.mp4"]
    assert after.clip_id == before.clip_id and after.digest != before.digest


def test_a_repair_between_all_samples_is_noticed_by_its_time(tmp_path, digests):
    data = bytearray(os.urandom(8 * MIB))
    modified = written(tmp_path / "a.mp4", data)
    before = listed(tmp_path, digests)["a.mp4"]
    data[2 * MIB + LOOK_EVERY // 2] ^= 1
    written(tmp_path / "a.mp4", data, modified + 10**9)
    after = listed(tmp_path, digests)["a.mp4"]
    assert after.samples == before.samples and after.digest != before.digest
    assert listed(tmp_path, digests)["a.mp4"] == after


def test_other_rights_another_name_and_a_copy_are_the_same_file(tmp_path, digests):
    written(tmp_path / "a.mp4", os.urandom(8 * MIB))
    before = listed(tmp_path, digests)["a.mp4"]
    (tmp_path / "a.mp4").chmod(0o600)
    assert listed(tmp_path, digests)["a.mp4"].digest == before.digest
    (tmp_path / "a.mp4").rename(tmp_path / "b.mp4")
    assert listed(tmp_path, digests)["b.mp4"].digest == before.digest
    (tmp_path / "c.mp4").write_bytes((tmp_path / "b.mp4").read_bytes())
    assert listed(tmp_path, digests)["c.mp4"].reason == "duplicate_id"


def test_a_half_download_beside_the_whole_file_does_not_stand_for_it(tmp_path, digests):
    whole = os.urandom(8 * MIB)
    (tmp_path / "a.mp4").write_bytes(whole[: 2 * MIB] + bytes(MIB) + whole[3 * MIB :])
    (tmp_path / "b.mp4").write_bytes(whole)
    (tmp_path / "c.mp4").write_bytes(whole)
    found = listed(tmp_path, digests)
    assert [found[name].reason for name in sorted(found)] == ["", "", "duplicate_id"]
    assert found["c.mp4"].detail == "same content as b.mp4"
    assert len({candidate.clip_id for candidate in found.values()}) == 3
