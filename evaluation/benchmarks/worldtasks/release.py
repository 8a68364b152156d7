"""The benchmark split of a published release of ours.

`ids/bench.jsonl` has every sample; pictures come from `bench/images`. A release may hold pictures in its Parquet files
alone, and none of sources that may not be redistributed: they are then written into a folder of the caller's, from the
Parquet files and from the frames of the collection that the release was made of, known by their SHA-256.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from evaluation.benchmarks.benchmark import BadBenchmark, Benchmark, check_samples, image_path
from evaluation.benchmarks.worldtasks.lines import read_objects, text
from evaluation.records import Sample
from storage.damage import Damaged
from storage.files import sha256_bytes, sha256_file, write_bytes
from storage.json_files import NotJson, read_object

IDS, LINES, DATA = "ids/bench.jsonl", "bench/bench.jsonl", "data"
SHA256 = re.compile(r"[0-9a-f]{64}")


def read_release(
    tree: Path, extracted: Path | None = None, collection: Path | None = None, missing_allowed: bool = False
) -> Benchmark:
    """The benchmark of the release in `tree`.

    When a picture is no file of the release, all are put into `extracted`, those that are in no Parquet file from
    `collection`/frames; `missing_allowed` keeps samples whose picture is nowhere, for generation to record. Raises
    FileNotFoundError when `tree` is no release, BadBenchmark naming file, line and field for rows that lack something,
    doubled ids, and pictures that are missing or not the ones that were published.
    """
    tree = tree.resolve()
    version = _version(tree)
    files = _files(tree)
    samples, places, hashes = [], [], []
    for where, row in read_objects(tree / IDS):
        sample_id, sha256 = text(row, ("id",), where), text(row, ("image_sha256",), where)
        if not SHA256.fullmatch(sha256):
            raise BadBenchmark(f"{where}, image_sha256: {sha256!r:.100} is not a SHA-256")
        samples.append(
            Sample(
                sample_id,
                files.get(sample_id, f"images/{sha256}.jpg"),
                text(row, ("task",), where),
                text(row, ("solution",), where),
                text(row, ("agent",), where),
                text(row, ("task_type",), where),
                text(row, ("agent_category",), where),
            )
        )
        places.append(where)
        hashes.append(sha256)
    check_samples(samples, places)
    folder = tree
    if any(sample.sample_id not in files for sample in samples):
        if extracted is None:
            raise BadBenchmark(
                f"{tree}: {sum(s.sample_id not in files for s in samples)} of {len(samples)} samples have no picture "
                "file in the release: set `extracted` to a folder for pictures, and `collection` to the folder of the "
                "collection that has their frames"
            )
        samples = [Sample(**{**vars(s), "image": f"images/{h}.jpg"}) for s, h in zip(samples, hashes, strict=True)]
        _extract(tree, extracted, collection, {h: w for h, w in zip(hashes, places, strict=True)}, missing_allowed)
        folder = extracted
    for sample, where, sha256 in zip(samples, places, hashes, strict=True):
        path = image_path(folder, sample.image, where, missing_allowed)
        if path.is_file() and sha256_file(path) != sha256:
            raise BadBenchmark(f"{where}, image: {path} has changed since it was published (its SHA-256 differs)")
    return Benchmark("worldtasks", version, folder, tuple(samples))


def _version(tree: Path) -> str:
    path = tree / "manifest.json"
    try:
        return str(read_object(path, "version")["version"])
    except NotJson as error:
        raise BadBenchmark(f"{error}: give a release that `published_dataset` made") from error


def _files(tree: Path) -> dict[str, str]:
    """Sample id -> its picture's path below `tree`, for those that have a file."""
    path, found = tree / LINES, {}
    if not path.is_file():
        return found
    for where, row in read_objects(path):
        relative = f"bench/{text(row, ('image',), where)}"
        image_path(tree, relative, where)
        found[text(row, ("id",), where)] = relative
    return found


def _extract(
    tree: Path, extracted: Path, collection: Path | None, wanted: Mapping[str, str], missing_allowed: bool
) -> None:
    """Writes the pictures with these hashes (-> where they are asked for) that `extracted` does not have yet."""
    left = {h: where for h, where in wanted.items() if not (extracted / f"images/{h}.jpg").is_file()}
    for data in (*_stored(tree, bool(left)), *_own(collection, tree, left)):
        sha256 = sha256_bytes(data)
        if sha256 in left:
            write_bytes(extracted / f"images/{sha256}.jpg", data)
            del left[sha256]
    if left and not missing_allowed:
        where = next(iter(left.values()))
        told = f"nor among the frames of {collection}" if collection else "and no collection was named"
        raise BadBenchmark(f"{where}, image: the picture is not in the release, {told}. Missing pictures: {len(left)}")


def _stored(tree: Path, wanted: bool) -> Iterator[bytes]:
    """The bytes of the pictures in the release's Parquet files, a row group at a time."""
    from storage.foreign_tables import WrongColumns, table  # pyarrow: not before it is needed

    column = {"image": "picture with bytes"}
    for path in sorted((tree / DATA).glob("bench-*.parquet")) if wanted else ():
        try:
            with table(path, column) as file:
                for group in range(file.num_row_groups):
                    for image in file.read_row_group(group, columns=list(column))["image"].to_pylist():
                        if image and image["bytes"]:
                            yield image["bytes"]
        except (Damaged, WrongColumns) as error:
            raise BadBenchmark(str(error)) from error


def _own(collection: Path | None, tree: Path, left: Mapping[str, str]) -> Iterator[bytes]:
    """The bytes of the collection's frames that the samples still without picture name."""
    if collection is None or not left:
        return
    names = {
        f"{text(row, ('frame_id',), where)}.jpg"
        for where, row in read_objects(tree / IDS)
        if row.get("image_sha256") in left
    }
    for path in sorted((collection / "frames").rglob("*.jpg")):
        if path.name in names:
            yield path.read_bytes()
