"""Assembly: no row lost, every one with its reason, the same bytes however the clips were dealt to shards."""

import json

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curation.assembly.assemble import assemble
from curation.assembly.leaks import leaks
from curation.assembly.options import WorldtasksOptions
from curation.schemas import WORLDTASKS
from storage.tables import KEPT, read_meta
from tests.curation.assembled import built, reasons


def test_every_pair_arrives_once_in_order_with_its_clip(forty, tmp_path):
    counts, rows = built(forty, tmp_path / "w.parquet")
    assert pq.read_schema(tmp_path / "w.parquet").remove_metadata() == WORLDTASKS
    assert read_meta(tmp_path / "w.parquet") == {"made": "here"}
    assert [row["sample_id"] for row in rows] == sorted(f"{row['frame_id']}_{row['task_index']}" for row in forty.pairs)
    assert counts["rows"] == len(rows) == counts["kept"] + sum(counts["reasons"].values())
    for row in rows:
        clip = forty.clips[row["clip_id"]]
        assert all(row[name] == clip[name] for name in ("external_id", "external_start_s", "redistributable"))
        assert (row["status"] == KEPT) == (row["reason"] == "") == (row["split"] in ("train", "bench"))


def test_no_image_is_in_both_splits_and_none_twice_in_the_benchmark(forty, tmp_path):
    counts, rows = built(forty, tmp_path / "w.parquet")
    bench = [row["frame_id"] for row in rows if row["split"] == "bench"]
    train = {row["frame_id"] for row in rows if row["split"] == "train"}
    assert len(bench) == len(set(bench)) == counts["bench_target"] == 12
    assert not set(bench) & train
    assert leaks(tmp_path / "w.parquet", forty.write()[1]) == []


@pytest.mark.slow
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 12))
def test_the_number_of_shards_does_not_show(forty, tmp_path, shards):
    built(forty, tmp_path / "one.parquet", shards=1)
    built(forty, tmp_path / "many.parquet", shards=shards)
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "many.parquet").read_bytes()


def test_a_near_duplicate_goes_and_names_the_frame_that_stays(collection, scattered, tmp_path):
    first = collection.frame("a", 0, scattered(1))
    copy = collection.frame("b", 0, f"{int(scattered(1), 16) ^ 0b111:016x}")
    other = collection.frame("b", 1000, scattered(2))
    _, rows = built(collection, tmp_path / "w.parquet", bench_size=0)
    assert {row["frame_id"] for row in rows if row["status"] == KEPT} == {first, other}
    assert {row["detail"] for row in rows if row["frame_id"] == copy} == {f"{first} at 3 of 64 bits"}


def test_frames_of_one_clip_stay_when_they_moved_and_go_when_not(collection, scattered, tmp_path):
    for second in range(4):
        collection.frame("still", 1000 * second, scattered(0))
        collection.frame("moving", 1000 * second, scattered(10 + second))
    _, rows = built(collection, tmp_path / "w.parquet", bench_size=0)
    kept = sorted({row["frame_id"] for row in rows if row["status"] == KEPT})
    assert kept == [*(f"moving_{1000 * second:08d}" for second in range(4)), "still_00000000"]


def test_a_chain_of_near_duplicates_does_not_straddle_the_splits(collection, tmp_path):
    """a and c are 6 bits apart and both stay; b between them goes. If a is in the benchmark, c is not in train."""
    for clip in range(30):
        for step in range(3):
            collection.frame(
                f"c{clip:02d}{'abc'[step]}", 0, f"{(clip * 0x0F1E2D3C4B5A6978) % 2**58 << 6 | (8**step - 1):016x}"
            )
    _, rows = built(collection, tmp_path / "w.parquet", bench_size=8, max_bench_share=0.5)
    bench = {row["clip_id"][:3] for row in rows if row["split"] == "bench"}
    train = {row["clip_id"][:3] for row in rows if row["split"] == "train"}
    assert bench and not bench & train
    assert "bench_cluster" in reasons(rows).values()


@pytest.mark.parametrize(
    ("listed", "gone"),
    [
        ("clip003", lambda row: row["clip_id"] == "clip003"),
        ("clip003_00001000", lambda row: row["frame_id"] == "clip003_00001000"),
        ("clip003_00001000_5", lambda row: row["sample_id"] == "clip003_00001000_5"),
        ("video4", lambda row: row["clip_id"] in ("clip008", "clip009")),
        ("no such id", lambda row: False),
    ],
)
def test_the_removal_list_takes_clips_frames_pairs_and_videos(forty, tmp_path, listed, gone):
    path = tmp_path / "removed.txt"
    path.write_text(f"# asked for on a day\n\n{listed}\n")
    counts, rows = built(forty, tmp_path / "w.parquet", removed=str(path))
    removed = {row["sample_id"] for row in rows if row["reason"] == "removed_on_request"}
    assert removed == {row["sample_id"] for row in rows if gone(row)}
    assert counts["removal_unmatched"] == (0 if removed else 1)


def test_removing_a_picture_does_not_bring_its_near_duplicate_back(collection, scattered, tmp_path):
    first = collection.frame("a", 0, scattered(1))
    copy = collection.frame("b", 0, f"{int(scattered(1), 16) ^ 1:016x}")
    collection.frame("c", 0, scattered(2))
    (tmp_path / "removed.txt").write_text(f"{copy}\n")
    _, rows = built(collection, tmp_path / "w.parquet", bench_size=0, removed=str(tmp_path / "removed.txt"))
    assert {row["clip_id"] for row in rows if row["status"] == KEPT} == {"c"}
    assert {row["detail"] for row in rows if row["frame_id"] == first} == {f"near-duplicate of {copy}, which is listed"}


def test_a_removal_list_that_is_not_there_is_an_error(forty, tmp_path):
    with pytest.raises(FileNotFoundError):
        built(forty, tmp_path / "w.parquet", removed=str(tmp_path / "absent.txt"))
    assert not (tmp_path / "w.parquet").exists()


def test_clip_neighbours_go_too_when_embeddings_are_there(collection, scattered, tmp_path):
    a, b, c = (collection.frame(clip, 0, scattered(number)) for number, clip in enumerate("abc"))
    table = collection.write_embeddings({a: [1.0, 0.0], b: [0.9999, 0.0141], c: None})
    counts, rows = built(collection, tmp_path / "w.parquet", aesthetics=[table], bench_size=0)
    assert counts["embeddings"] and {row["frame_id"] for row in rows if row["reason"] == "near_duplicate"} == {b}
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_an_embedding_that_is_not_normalised_is_named(collection, scattered, tmp_path):
    frame = collection.frame("a", 0, scattered(1))
    table = collection.write_embeddings({frame: [3.0, 4.0]})
    with pytest.raises(ValueError, match=rf"{frame} has length 5\.000: 1 is expected"):
        built(collection, tmp_path / "w.parquet", aesthetics=[table])


def test_unknown_redistribution_reads_as_forbidden(collection, scattered, tmp_path):
    collection.clip("a", None, start=float("nan"))
    collection.frame("a", 0, scattered(1))
    _, rows = built(collection, tmp_path / "w.parquet")
    assert {(row["redistributable"], row["external_start_s"]) for row in rows} == {(False, None)}


def test_empty_shards_give_an_empty_table(collection, tmp_path):
    counts, rows = built(collection, tmp_path / "w.parquet")
    assert rows == [] and counts["kept"] == 0 and json.dumps(counts)


def test_contradicting_tables_are_refused_by_name(collection, scattered, tmp_path):
    collection.frame("a", 0, scattered(1))
    taxonomy, clips = collection.write(1)
    with pytest.raises(ValueError, match=r"frame a_00000000 is in a-00\.parquet and in a-00\.parquet"):
        assemble(taxonomy * 2, clips, [], tmp_path / "w.parquet", WorldtasksOptions(), {})
    with pytest.raises(ValueError, match="clip a is in none of 0 clips tables"):
        assemble(taxonomy, [], [], tmp_path / "w.parquet", WorldtasksOptions(), {})
    with pytest.raises(ValueError, match="clip a is kept twice"):
        assemble(taxonomy, clips * 2, [], tmp_path / "w.parquet", WorldtasksOptions(), {})
    collection.pairs += collection.pairs[3:4]
    with pytest.raises(ValueError, match="a_00000000 task 3 stands twice or out of order"):
        built(collection, tmp_path / "w.parquet")
