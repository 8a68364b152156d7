"""Train and benchmark share no source video, and no picture that is another one altered."""

import re

import numpy as np
import pytest

from curation.assembly.assemble import assemble
from curation.assembly.leaks import alike, leaks
from curation.assembly.options import WorldtasksOptions
from curation.assembly.picture_hashes import PictureHashes
from storage.tables import read_rows
from tests.curation.altered import KINDS, scene
from tests.curation.assembled import built


def test_train_gives_up_the_benchmarks_clips(collection, scattered, tmp_path):
    for clip in range(60):
        for frame in range(2):
            collection.frame(f"c{clip:02d}", 1000 * frame, scattered(10 * clip + frame))
    counts, rows = built(collection, tmp_path / "w.parquet", bench_size=3)
    assert counts["clips_in_both"] == 0 and counts["bench_groups"] == 3 and counts["bench_shortfall"] == ""
    bench_clips = {row["clip_id"] for row in rows if row["split"] == "bench"}
    lost = [row for row in rows if row["reason"] == "bench_clip"]
    assert {row["clip_id"] for row in lost} == bench_clips
    assert all(row["detail"].startswith(row["clip_id"]) for row in lost)


def test_clips_of_one_source_video_are_on_one_side(forty, tmp_path):
    """20 videos of two clips with three images each: a tenth of the images for the benchmark, a tenth given up."""
    counts, rows = built(forty, tmp_path / "w.parquet")
    sides = [{row["external_id"] for row in rows if row["split"] == split} for split in ("train", "bench")]
    assert not sides[0] & sides[1] and counts["sources_in_both"] == 0
    assert counts["groups"] == 20 and len(sides[1]) == counts["bench_groups"] == 4
    lost = {row["frame_id"] for row in rows if row["reason"] in ("bench_clip", "bench_source")}
    assert len(lost) == 12
    other_clips = [row for row in rows if row["reason"] == "bench_source"]
    assert other_clips and not any(row["detail"].startswith(row["clip_id"]) for row in other_clips)


@pytest.mark.parametrize(("share", "images"), [(0.0, 12), (0.05, 18), (0.1, 24), (1.0, 72)])
def test_train_gives_up_no_more_than_the_option_allows(forty, tmp_path, share, images):
    """At nothing, the benchmark is two whole videos; where all may go, its 12 images are of 12 videos."""
    counts, rows = built(forty, tmp_path / "w.parquet", max_excluded_share=share)
    assert counts["splits"]["bench"]["images"] == 12
    sources = {row["external_id"] for row in rows if row["split"] == "bench"}
    assert 6 * len(sources) <= images and counts["sources_in_both"] == 0


def test_a_folder_may_be_what_is_kept_together(collection, scattered, tmp_path):
    for clip in range(40):
        collection.clip(f"clip{clip:03d}")
        collection.clips[f"clip{clip:03d}"]["path"] = f"day{clip // 4}/{clip}.mp4"
        for frame in range(3):
            collection.frame(f"clip{clip:03d}", 1000 * frame, scattered(10 * clip + frame))
    counts, rows = built(collection, tmp_path / "w.parquet", group_by="folder")
    days = [{int(row["clip_id"][4:]) // 4 for row in rows if row["split"] == split} for split in ("train", "bench")]
    assert days[0] and days[1] and not days[0] & days[1] and counts["groups"] == 10
    assert leaks(tmp_path / "w.parquet", collection.write()[1]) == []


@pytest.mark.parametrize(
    ("clips", "options", "words"),
    [
        (
            1,
            {},
            "there is no benchmark: all 8 images are of one source video or clip (group_by: source), and two are",
        ),
        (3, {"group_by": "folder"}, "all 24 images are of one folder (group_by: folder), and two are needed"),
        (3, {}, "there is no benchmark: images of another source video or clip would cost train 6 of 24 images in all"),
        (3, {"max_excluded_share": 0.25}, ""),
        (3, {"max_bench_share": 0.5, "max_excluded_share": 0.0}, "the benchmark has 8 of 12 pairs"),
        (3, {"bench_size": 0}, ""),
    ],
)
def test_a_benchmark_that_is_smaller_than_asked_for_is_explained(
    collection, scattered, tmp_path, clips, options, words
):
    for clip in range(clips):
        for frame in range(8):
            collection.frame(f"c{clip}", 1000 * frame, scattered(10 * clip + frame))
    counts, _ = built(collection, tmp_path / "w.parquet", **options)
    assert words in counts["bench_shortfall"] and bool(words) == bool(counts["bench_shortfall"])
    assert counts["clips_in_both"] == 0 and counts["splits"]["train"]["pairs"] > 0


def test_what_the_explanation_says_helps(collection, scattered, tmp_path):
    for clip in range(3):
        for frame in range(7):
            collection.frame(f"c{clip}", 1000 * frame, scattered(10 * clip + frame))
    counts, _ = built(collection, tmp_path / "w.parquet")
    share = float(re.search(r"set max_excluded_share to (\S+) or more", counts["bench_shortfall"])[1])
    for less, pairs in ((0, 2), (0.001, 0)):
        counts, _ = built(collection, tmp_path / "w.parquet", max_excluded_share=share - less)
        assert counts["splits"]["bench"]["pairs"] == pairs


@pytest.fixture
def hashed(collection) -> PictureHashes:
    return PictureHashes(collection.folder, collection.folder / "tables" / "picture_hashes.parquet", "1")


def with_copies(collection, scattered) -> dict[str, str]:
    """30 drawn scenes of a clip each, and altered copies of all of them in clips of their own: {copy: scene}."""
    rng, copies = np.random.default_rng(3), {}
    for number in range(30):
        luma = scene(rng)
        collection.frame(f"s{number:02d}", 0, scattered(number), picture=luma)
        for at, kind in enumerate(("mirrored", "letterbox", "logo")):
            collection.frame(f"{kind[:2]}{number:02d}", 0, scattered(100 + 30 * at + number), picture=KINDS[kind](luma))
            copies[f"{kind[:2]}{number:02d}"] = f"s{number:02d}"
    return copies


def test_altered_copies_of_the_benchmark_are_not_in_train(collection, scattered, tmp_path, hashed):
    """Their hashes differ widely: only looking at the pictures finds them."""
    copies = with_copies(collection, scattered)
    taxonomy, clips = collection.write()
    counts = assemble(taxonomy, clips, [], tmp_path / "w.parquet", WorldtasksOptions(), {"options": {}}, hashed)
    rows = list(read_rows(tmp_path / "w.parquet"))
    bench, train = ({r["clip_id"] for r in rows if r["split"] == split} for split in ("bench", "train"))
    scenes = {copies.get(clip, clip) for clip in bench}
    assert len(bench) == 12 and counts["unreadable_pictures"] == 0
    assert not scenes & {copies.get(clip, clip) for clip in train}
    lost = [row for row in rows if row["reason"] == "bench_copy"]
    assert {copies.get(row["clip_id"], row["clip_id"]) for row in lost} <= scenes
    assert any(", mirrored, at " in row["detail"] for row in lost)
    # Without looking, they stay; the check tells each of them and its picture.
    blind = WorldtasksOptions(copy_distance=None)
    meta = {"options": {"near_duplicate_distance": 4, "copy_distance": 6}}
    assemble(taxonomy, clips, [], tmp_path / "blind.parquet", blind, meta, hashed)
    told = alike(tmp_path / "blind.parquet", hashed)
    assert {pair.train for pair in told} == {row["frame_id"] for row in lost}
    assert leaks(tmp_path / "blind.parquet", clips) == []


def test_altered_copies_in_train_alone_stay(collection, scattered, tmp_path, hashed):
    with_copies(collection, scattered)
    options = WorldtasksOptions(bench_size=0)
    counts = assemble(*collection.write(), [], tmp_path / "w.parquet", options, {}, hashed)
    assert counts["kept"] == counts["rows"] and not hashed.kept.exists()


def test_pictures_that_are_gone_are_counted(collection, scattered, tmp_path, hashed):
    with_copies(collection, scattered)
    for frame in list(collection.frames.values())[:5]:
        (collection.folder / frame["image"]).unlink()
    counts = assemble(*collection.write(), [], tmp_path / "w.parquet", WorldtasksOptions(), {}, hashed)
    assert counts["unreadable_pictures"] == 5
