"""The check that does not trust the splitter: what is in both splits, and what only looks alike."""

import pyarrow.parquet as pq
import pytest

from curation.assembly.assemble import assemble
from curation.assembly.copies import HASHES
from curation.assembly.leaks import alike, leaks
from curation.assembly.options import WorldtasksOptions
from curation.assembly.picture_hashes import PictureHashes
from curation.schemas import CLIPS, WORLDTASKS
from storage.tables import KEPT, write_table

NO_HASHES = PictureHashes(root=None, kept=None, version="")


def written(path, rows, clips=None, **options):
    """A WORLDTASKS table of (frame, split, phash, sha) rows; `clips`: (clip, source) by frame."""
    base = dict.fromkeys(WORLDTASKS.names) | {"status": KEPT, "task_index": 0, "reason": "", "detail": ""}
    full = []
    for frame, split, phash, sha in rows:
        clip, source = (clips or {}).get(frame, (f"clip of {frame}", ""))
        row = base | {"sample_id": f"{frame}_0", "frame_id": frame, "clip_id": clip, "external_id": source}
        full.append(row | {"split": split, "phash": phash, "image_sha256": sha, "image": f"{frame}.jpg"})
    write_table(path, full, WORLDTASKS, {"options": {"near_duplicate_distance": 4} | options})
    return path


@pytest.mark.parametrize(
    ("phash", "words"), [("0" * 16, "is 0 bits"), ("000000000000000f", "is 4 bits"), ("0" * 15 + "1", "is 1 bits")]
)
def test_near_duplicates_are_told_with_both_images_and_are_no_leak(tmp_path, phash, words):
    rows = [("b1", "bench", "0" * 16, "a"), ("t1", "train", phash, "b"), ("t2", "train", "f" * 16, "c")]
    path = written(tmp_path / "w.parquet", rows)
    (found,) = alike(path, NO_HASHES)
    assert words in str(found) and found.train == "t1" and found.bench == "b1"
    assert (found.train_image, found.bench_image) == ("t1.jpg", "b1.jpg")
    assert leaks(path, []) == []


def test_the_same_bytes_are_a_leak(tmp_path):
    rows = [("b1", "bench", "0" * 16, "a"), ("t1", "train", "f" * 16, "a"), ("t2", "train", "f" * 16, "c")]
    assert leaks(written(tmp_path / "w.parquet", rows), []) == ["train image t1 has the bytes of bench image b1"]


def test_pictures_that_differ_enough_are_not_alike(tmp_path):
    rows = [("b1", "bench", "0" * 16, "a"), ("t1", "train", "000000000000001f", "b"), ("t2", "train", "f" * 16, "c")]
    assert alike(written(tmp_path / "w.parquet", rows), NO_HASHES) == []
    assert len(alike(written(tmp_path / "w.parquet", rows, near_duplicate_distance=5), NO_HASHES)) == 1


TWO = [("b1", "bench", "0" * 16, "a"), ("t1", "train", "f" * 16, "b")]


@pytest.mark.parametrize(
    ("by", "clips", "told"),
    [
        ("source", {"b1": ("c1", "v"), "t1": ("c2", "v")}, "source video v is in both splits"),
        ("source", {"b1": ("c1", ""), "t1": ("c1", "")}, "clip c1 is in both splits"),
        ("source", {"b1": ("c1", "v"), "t1": ("c2", "w")}, None),
        ("source", {"b1": ("v", ""), "t1": ("c2", "v")}, None),
        ("clip", {"b1": ("c1", "v"), "t1": ("c2", "v")}, None),
        ("clip", {"b1": ("c1", "v"), "t1": ("c1", "v")}, "clip c1 is in both splits"),
        ("folder", {"b1": ("a1", ""), "t1": ("a2", "")}, "folder day/a is in both splits"),
        ("folder", {"b1": ("a1", ""), "t1": ("b1", "")}, None),
        ("folder", {"b1": ("r1", ""), "t1": ("r2", "")}, "folder . is in both splits"),
    ],
)
def test_a_group_in_both_splits_is_a_leak(tmp_path, by, clips, told):
    files = {"a1": "day/a/1.mp4", "a2": "day/a/2.mp4", "b1": "day/b/1.mp4", "r1": "1.mp4", "r2": "2.mp4"}
    table = [dict.fromkeys(CLIPS.names) | {"clip_id": c, "path": p, "status": KEPT} for c, p in files.items()]
    write_table(tmp_path / "c.parquet", table, CLIPS, {})
    path = written(tmp_path / "w.parquet", TWO, clips, group_by=by)
    expected = [f"{told}, e.g. train image t1 and bench image b1"] if told else []
    assert leaks(path, [tmp_path / "c.parquet"]) == expected


def test_altered_copies_that_were_kept_are_told_nearest_first(tmp_path):
    """Hashes are taken from the kept file, by the pictures' bytes."""
    import numpy as np

    hashes = PictureHashes(tmp_path, tmp_path / "hashes.parquet", "1")
    random = np.random.default_rng(0).integers(0, 2**63, (3, HASHES), dtype=np.uint64)
    random[1, 0] = random[0, 1] ^ np.uint64(1)  # the mirror of the benchmark's image, one bit off
    hashes._keep(["a", "b", "c"], random)
    rows = [("b1", "bench", "0" * 16, "a"), ("t1", "train", "f" * 16, "b"), ("t2", "train", "0f" * 8, "c")]
    (found,) = alike(written(tmp_path / "w.parquet", rows, copy_distance=6), hashes)
    assert (found.train, found.way, found.bits) == ("t1", "mirrored", 1)
    assert alike(written(tmp_path / "w.parquet", rows, copy_distance=None), hashes) == []


def test_tables_without_a_benchmark_or_without_rows_have_no_leak(tmp_path):
    for rows in ([("t1", "train", "0" * 16, "a")], [("b1", "bench", "0" * 16, "a")], []):
        path = written(tmp_path / "a.parquet", rows)
        assert leaks(path, []) == alike(path, NO_HASHES) == []


def test_a_split_that_was_tampered_with_is_caught(forty, tmp_path):
    """The check reads the finished table alone: it finds what the splitter would never do."""
    path, (taxonomy, clips) = tmp_path / "w.parquet", forty.write()
    assemble(taxonomy, clips, [], path, WorldtasksOptions(), {})
    assert leaks(path, clips) == []
    rows = pq.read_table(path).to_pylist()
    victim = next(row for row in rows if row["reason"] == "bench_image")
    victim |= {"status": KEPT, "split": "train", "reason": ""}
    write_table(path, rows, WORLDTASKS, {})
    told = leaks(path, clips)
    assert told[0].startswith(f"source video {victim['external_id']} is in both splits")
    assert told[1:] == [f"train image {victim['frame_id']} has the bytes of bench image {victim['frame_id']}"]
