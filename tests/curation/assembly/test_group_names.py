"""Which clips may not be on both sides of the split, by the folder of their files."""

import pyarrow as pa
import pytest

from curation.assembly.groups import group_names


@pytest.mark.parametrize(
    ("path", "folder"),
    [
        ("a.mp4", ""),
        ("one/a.mp4", "one"),
        ("one/two/a.mp4", "one/two"),
        ("one/what?/a.mp4", "one/what?"),
        ("https://host/one/a.mp4", "https://host/one"),
        ("https://host/one/a.mp4?credential=KEY/2026/s3&sig=a/b", "https://host/one"),
        ("HTTP://host/one/a.mp4#t=1/2", "HTTP://host/one"),
        ("s3://bucket/one/a?/b.mp4", "s3://bucket/one/a?"),
        (None, ""),
    ],
)
def test_a_folder_is_that_of_the_file_and_no_part_of_an_addresss_query(path, folder):
    paths = pa.array([path], pa.string())
    ids = pa.array(["x"])
    assert group_names(ids, ids, paths, "folder").to_pylist() == [f"folder {folder}"]
