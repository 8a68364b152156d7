"""Parquet files and lines of a release that somebody spoilt or made: the error names the file and what is wrong."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.benchmarks.benchmark import BadBenchmark
from evaluation.benchmarks.worldtasks.release import _stored
from storage.damage import Damaged
from storage.foreign_tables import WrongColumns
from training.conditions.release import NoPixels, ReleaseImages, clips_of, read_pairs

FILE = "bench-00000-of-00001.parquet"


def written(path, **columns):
    names = {
        "frame_id": ["a"],
        "height": [1],
        "width": [2],
        "image": [{"bytes": b"picture", "path": "a.jpg"}],
    } | columns
    pq.write_table(pa.table({name: values for name, values in names.items() if values is not None}), path)
    return path.read_bytes()


@pytest.fixture
def path(tmp_path):
    (tmp_path / "data").mkdir()
    return tmp_path / "data" / FILE


def both(tree):
    """What training and the benchmark do with the release's pictures."""
    return lambda: ReleaseImages(tree, tree)("a"), lambda: list(_stored(tree, True))


BROKEN = {
    "garbage": lambda data: b"hello",
    "empty": lambda data: b"",
    "cut off": lambda data: data[: len(data) // 2],
    "footer": lambda data: data[:-60] + bytes([0xFF]) * 52 + data[-8:],
    "pages": lambda data: data[:4] + bytes([0xFF]) * 300 + data[304:],
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_parquet_file_is_named_with_what_to_do(path, tmp_path, kind):
    path.write_bytes(BROKEN[kind](written(path)))
    for read, error in zip(both(tmp_path), (Damaged, BadBenchmark), strict=True):
        with pytest.raises(error, match=rf"{FILE} is damaged \(.*\): fetch or publish the release again"):
            read()


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_changed_byte_is_found_named_or_harmless(tmp_path_factory, at, change):
    tree = tmp_path_factory.mktemp("release")
    (tree / "data").mkdir()
    path = tree / "data" / FILE
    data = bytearray(written(path))
    data[at % len(data)] ^= change
    path.write_bytes(data)
    training, benchmark = both(tree)
    for read in (training, benchmark):
        try:
            read()
        except ValueError as error:  # of which Damaged, WrongColumns, BadBenchmark and NoPixels are
            assert FILE in str(error) or "are not an image" in str(error) or "neither in the release's" in str(error)


WRONG = {
    "absent": ({"image": None}, "has no column 'image', or several: it needs one, a picture with bytes"),
    "text": ({"image": ["a.jpg"]}, "column 'image' is string: it must be a picture with bytes"),
    "no bytes": ({"image": [{"path": "a.jpg"}]}, "column 'image' is struct<path: string>: it must be a picture"),
    "list": ({"image": [{"bytes": [1, 2]}]}, "column 'image' is struct<bytes: list"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_picture_column_of_another_kind_is_named(path, tmp_path, kind):
    columns, message = WRONG[kind]
    written(path, **columns)
    for read, error in zip(both(tmp_path), (WrongColumns, BadBenchmark), strict=True):
        with pytest.raises(error) as caught:
            read()
        assert FILE in str(caught.value) and message in str(caught.value)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"frame_id": None}, "has no column 'frame_id'"),
        ({"frame_id": [1]}, "column 'frame_id' is int64: it must be a text"),
        ({"height": ["1"]}, "column 'height' is string: it must be a whole number"),
    ],
)
def test_columns_that_training_looks_frames_up_by_are_named(path, tmp_path, columns, message):
    written(path, **columns)
    with pytest.raises(WrongColumns) as caught:
        ReleaseImages(tmp_path, tmp_path)
    assert FILE in str(caught.value) and message in str(caught.value)


def test_a_frame_without_its_picture_is_named(path, tmp_path):
    for image in (None, {"bytes": None, "path": "a.jpg"}):
        pq.write_table(
            pa.table(
                {
                    "frame_id": ["a"],
                    "height": [1],
                    "width": [2],
                    "image": pa.array([image], pa.struct({"bytes": pa.binary(), "path": pa.string()})),
                }
            ),
            path,
        )
        with pytest.raises(NoPixels, match=rf"{FILE} has no picture of frame 'a'"):
            ReleaseImages(tmp_path, tmp_path)("a")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ([], "line 2 is a list: it must be a JSON object"),
        (None, "line 2 is a NoneType: it must be a JSON object"),
        ({}, "line 2, id is missing: it must be a text"),
        ({"task": None}, "line 2, task is None: it must be a text"),
        ({"frame_id": ["a"]}, r"line 2, frame_id is ['a']: it must be a text"),
        ({"clip_id": {}}, "line 2, clip_id is {}: it must be a text"),
    ],
)
def test_a_pair_of_another_form_is_named_by_file_and_line(tmp_path, line, message):
    names = ("id", "frame_id", "task", "solution", "task_type", "agent_category", "agent", "clip_id")
    good = dict.fromkeys(names, "x")
    bad = good | line if line else line
    (tmp_path / "ids").mkdir()
    (tmp_path / "ids" / "train.jsonl").write_text(f"{json.dumps(good)}\n{json.dumps(bad)}\n")
    with pytest.raises(ValueError, match=r"train\.jsonl, line 2") as caught:
        list(read_pairs(tmp_path, "train")), clips_of(tmp_path, "train")
    assert message in str(caught.value)
