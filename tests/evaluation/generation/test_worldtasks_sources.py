"""Benchmarks as samples: nothing is lost, nothing leaves its folder, every complaint says where."""

import json

import cv2
import numpy as np
import pytest

from evaluation.benchmarks.benchmark import BadBenchmark
from evaluation.benchmarks.worldtasks.authors import read_authors
from evaluation.benchmarks.worldtasks.microworld import read_microworld
from evaluation.benchmarks.worldtasks.release import read_release
from evaluation.generation.sources import MicroworldSource, ReleaseSource, open_benchmark
from evaluation.images import read_image
from storage.files import sha256_file
from tests.evaluation.generation.conftest import png, write_authors
from tests.training.conditions import release_fixtures
from training.conditions.held_out_pairs import from_microworld
from training.conditions.options import HeldOutOptions


@pytest.fixture
def release(tmp_path):
    """A release whose bench pictures are in its Parquet file alone."""
    return release_fixtures.write_release(release_fixtures.store_at(tmp_path / "data"), images=12)


def with_files(tree) -> None:
    """The same, with the authors' layout beside it."""
    import pyarrow.parquet as pq

    lines = []
    (tree / "bench" / "images").mkdir(parents=True)
    for row in pq.read_table(tree / "data" / "bench-00000-of-00001.parquet").to_pylist():
        (tree / "bench" / "images" / f"{row['frame_id']}.jpg").write_bytes(row["image"]["bytes"])
        for pair in row["pairs"]:
            lines.append({"id": pair["id"], "task": pair["task"], "image": f"images/{row['frame_id']}.jpg"})
    (tree / "bench" / "bench.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_a_release_gives_its_bench_split_with_solutions_and_taxonomy(release):
    with_files(release)
    benchmark = read_release(release)
    rows = [json.loads(line) for line in (release / "ids" / "bench.jsonl").read_text().splitlines()]
    assert (benchmark.version, len(benchmark.samples)) == (release_fixtures.VERSION, 3)
    for sample, row in zip(benchmark.samples, rows, strict=True):
        told = (sample.sample_id, sample.task, sample.solution, sample.agent, sample.task_type)
        assert told == (row["id"], row["task"], row["solution"], row["agent"], row["task_type"])
        assert sha256_file(benchmark.folder / sample.image) == row["image_sha256"]


def test_pictures_that_are_no_files_come_out_of_parquet(release, tmp_path):
    with pytest.raises(BadBenchmark, match="3 of 3 samples have no picture file in the release: set `extracted`"):
        read_release(release)
    source = ReleaseSource(path=str(release), extracted=str(tmp_path / "out"))
    benchmark = open_benchmark(source)
    assert benchmark.folder == tmp_path / "out" and open_benchmark(source) == benchmark
    for sample in benchmark.samples:
        assert sample.image == f"images/{sha256_file(benchmark.folder / sample.image)}.jpg"


def test_an_ids_only_release_is_read_with_the_collections_frames(release, tmp_path):
    whole = read_release(release, tmp_path / "out")
    collection = tmp_path / "collection"
    rows = [json.loads(line) for line in (release / "ids" / "bench.jsonl").read_text().splitlines()]
    for row in rows[:2]:
        place = collection / "frames" / "shard-0000" / f"{row['frame_id']}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes((tmp_path / "out" / f"images/{row['image_sha256']}.jpg").read_bytes())
    for path in (release / "data").glob("*.parquet"):
        path.unlink()
    with pytest.raises(BadBenchmark, match="line 3, image: the picture is not in the release, nor among the frames of"):
        read_release(release, tmp_path / "again", collection)
    benchmark = read_release(release, tmp_path / "again", collection, missing_allowed=True)
    assert benchmark.samples == whole.samples
    assert [(benchmark.folder / s.image).is_file() for s in benchmark.samples] == [True, True, False]


def test_a_picture_that_is_not_the_published_one_is_refused(release):
    with_files(release)
    path = next((release / "bench" / "images").iterdir())
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(BadBenchmark, match=r"bench\.jsonl, line \d, image: .* has changed since it was published"):
        read_release(release)


def test_a_folder_that_is_no_release_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"manifest\.json"):
        read_release(tmp_path)
    (tmp_path / "manifest.json").write_text("[1]")
    with pytest.raises(BadBenchmark, match="a release that `published_dataset` made"):
        read_release(tmp_path)


def test_the_authors_layout_is_read_whatever_its_keys_are_called(tmp_path):
    folder = write_authors(tmp_path / "theirs")
    plain = read_authors(folder)
    assert [sample.sample_id for sample in plain.samples] == ["0_1", "1_1", "2_1"]
    assert plain.samples[0].image == "bench/images/0_1.png" and plain.samples[0].agent == "Red disc"
    path = folder / "bench" / "bench.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    others = [
        {"prompt": r["task"], "image_path": f"bench/{r['image']}", "detailed_solution": r["solution"], "more": [1]}
        for r in rows
    ]
    path.write_text("\n\n".join(json.dumps(row) for row in others))
    assert read_authors(folder) == plain


def test_the_version_changes_with_pictures_and_words(tmp_path):
    folder = write_authors(tmp_path / "theirs")
    versions = {read_authors(folder).version}
    (folder / "bench" / "images" / "0_1.png").write_bytes(png(99))
    versions.add(read_authors(folder).version)
    path = folder / "bench" / "bench.jsonl"
    path.write_text(path.read_text().replace("blue", "pink"))
    assert len({*versions, read_authors(folder).version}) == 3


GOOD = {"id": "1", "task": "[A]: Go.", "image": "images/0_1.png"}


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (GOOD | {"image": "images/none.png"}, r"line 2, image: .*none\.png does not exist"),
        (GOOD | {"image": "../../../etc/passwd"}, "line 2, image: .* leaves"),
        (GOOD | {"image": "/etc/passwd"}, "line 2, image: '/etc/passwd' leaves"),
        (GOOD | {"image": "images/link.png"}, "line 2, image: .* leaves"),
        (GOOD | {"image": 7}, "line 2, image: 7 is not text"),
        (GOOD | {"image": "a\0b"}, "line 2, image: .* characters that no file can hold"),
        (GOOD | {"id": "0_1"}, r"line 2, id: '0_1' is already used in .*line 1"),
        (GOOD | {"id": " "}, "line 2: sample_id is empty"),
        (GOOD | {"task": " "}, "line 2: task is empty"),
        ({"id": "1", "image": "images/0_1.png"}, r"line 2: task is missing \(the line has id, image\)"),
        ([1], "line 2: list instead of an object"),
        ("{", "line 2: str instead of"),
    ],
)
def test_a_bad_line_is_named_with_its_field(tmp_path, line, told):
    folder = write_authors(tmp_path / "theirs", ["[A]: Go."])
    (tmp_path / "outside.png").write_bytes(png(1))
    (folder / "bench" / "images" / "link.png").symlink_to(tmp_path / "outside.png")
    with (folder / "bench" / "bench.jsonl").open("a") as lines:
        lines.write(json.dumps(line) + "\n")
    with pytest.raises(BadBenchmark, match=told):
        read_authors(folder)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "has no samples"),
        (b"not json\n", "line 1 is not JSON"),
        (b"[" * 100_000, "line 1 is not JSON"),
        (b'{"id": "\xff"}', "not UTF-8"),
        (b'{"id": "' + b"x" * (1 << 20) + b'"}', "line 1: longer than"),
    ],
)
def test_files_that_are_no_benchmark_are_named(tmp_path, data, told):
    folder = write_authors(tmp_path / "theirs")
    (folder / "bench" / "bench.jsonl").write_bytes(data)
    with pytest.raises(BadBenchmark, match=told):
        read_authors(folder)
    with pytest.raises(BadBenchmark, match="leaves"):
        read_authors(folder, "../other.jsonl")
    with pytest.raises(FileNotFoundError):
        read_authors(folder, "bench/other.jsonl")


def test_the_microworlds_tasks_are_those_that_training_holds_out(tmp_path):
    benchmark = open_benchmark(MicroworldSource(path=str(tmp_path), tasks=8, seed=3, unseen_share=0.25))
    pairs, scenes = from_microworld(HeldOutOptions(source="microworld", tasks=8, seed=3, unseen_share=0.25))
    for sample, pair in zip(benchmark.samples, pairs, strict=True):
        told = (sample.sample_id, sample.task, sample.solution, sample.task_type, sample.agent_category, sample.agent)
        assert told == (pair.pair_id, pair.task, pair.solution, pair.task_type, pair.agent_category, pair.agent)
        pixels = read_image((benchmark.folder / sample.image).read_bytes())
        assert np.array_equal(pixels, scenes[pair.image_id].picture)
    assert sum(sample.sample_id.startswith("unseen-") for sample in benchmark.samples) == 2


def test_the_microworlds_pictures_are_written_once_and_mended(tmp_path):
    benchmark = read_microworld(tmp_path, 3)
    path = benchmark.folder / benchmark.samples[0].image
    written = path.stat().st_mtime_ns
    assert read_microworld(tmp_path, 3) == benchmark and path.stat().st_mtime_ns == written
    good = path.read_bytes()
    path.write_bytes(cv2.imencode(".png", np.zeros((4, 4, 3), np.uint8))[1].tobytes())
    assert read_microworld(tmp_path, 3) == benchmark and path.read_bytes() == good
    assert read_microworld(tmp_path, 4).version != benchmark.version


def test_the_other_benchmarks_are_sources_too(tmp_path):
    from evaluation.generation.sources import DreamgenSource, VbvrSource

    (tmp_path / "gr1_object").mkdir()
    (tmp_path / "gr1_object" / "12_Pick the cup up..png").write_bytes(png(1))
    found = open_benchmark(DreamgenSource(path=str(tmp_path), groups=["object"]))
    assert (found.name, found.samples[0].task, found.samples[0].group) == ("dreamgen", "Pick the cup up.", "object")
    place = tmp_path / "In-Domain_50" / "G-1_door" / "00000"
    place.mkdir(parents=True)
    (place / "first_frame.png").write_bytes(png(2))
    (place / "prompt.txt").write_text("Open the door.")
    found = open_benchmark(VbvrSource(path=str(tmp_path)))
    assert found.name == "vbvr" and found.samples[0].group == "In-Domain_50/G-1_door"
