"""`latest` loads as what it is, and a release that changed on disk is found and made again."""

import os
import subprocess
import sys

import pytest

from storage.damage import Damaged
from storage.sums import check_sums
from tests.curation.release.test_publish import files, published

LOAD = """
import sys
from datasets import load_dataset
for place in sys.argv[1:]:
    loaded = load_dataset(place)
    print("rows", *(loaded[split].num_rows for split in ("train", "bench")), loaded["train"][0]["pairs"][0]["id"])
"""


def point(out, version):
    link = out / "latest"
    link.unlink(missing_ok=True)
    link.symlink_to(version)
    return link


def first_shown(tree) -> list[str]:
    import pyarrow.parquet as pq

    tables = {split: pq.read_table(sorted((tree / "data").glob(f"{split}-*"))) for split in ("train", "bench")}
    first = tables["train"]["pairs"][0][0]["id"].as_py()
    return ["rows", *(str(table.num_rows) for table in tables.values()), first]


@pytest.mark.slow
def test_two_collections_and_a_rebuild_load_through_latest_with_one_cache(forty, scattered, tmp_path):
    """The library names its cache by the folder, which is `latest` in all three cases."""
    environment = {**os.environ, "HF_DATASETS_CACHE": str(tmp_path / "cache"), "HF_DATASETS_OFFLINE": "1"}

    def loaded(*places):
        done = subprocess.run(
            [sys.executable, "-c", LOAD, *map(str, places)], env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return [line.split() for line in done.stdout.splitlines() if line.startswith("rows")]

    manifest, one, _ = published(forty, tmp_path / "one")
    first = point(tmp_path / "one", manifest["version"])
    forty.frame("clip900", 0, scattered(9999))
    manifest, two, _ = published(forty, tmp_path / "two")
    second = point(tmp_path / "two", manifest["version"])
    expected = [first_shown(one), first_shown(two)]
    assert expected[0] != expected[1]
    assert loaded(first, second) == expected
    forty.frame("clip901", 0, scattered(9998))
    manifest, again, _ = published(forty, tmp_path / "one")
    assert again != one
    point(tmp_path / "one", manifest["version"])
    assert loaded(first, second) == [first_shown(again), expected[1]]


@pytest.mark.parametrize("name", ["README.md", "data/train-*.parquet", "SHA256SUMS", "manifest.json", "ids/*.jsonl"])
def test_a_bit_that_flipped_in_a_release_is_named_and_the_release_made_again(forty, tmp_path, name):
    manifest, tree, _ = published(forty, tmp_path / "out")
    check_sums(tree)
    before = files(tree)
    path = sorted(tree.glob(name))[0]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)
    with pytest.raises(Damaged, match="is damaged"):
        check_sums(tree)
    assert published(forty, tmp_path / "out")[0] == manifest
    assert files(tree) == before
    check_sums(tree)


def test_the_changelog_begins_anew_after_a_damaged_release(forty, scattered, tmp_path, caplog):
    manifest, tree, _ = published(forty, tmp_path / "out")
    point(tmp_path / "out", manifest["version"])
    (tree / "manifest.json").write_text('{"version": "x", "changelog": 3}')
    forty.frame("clip900", 0, scattered(9999))
    manifest, _, _ = published(forty, tmp_path / "out")
    assert [entry["version"] for entry in manifest["changelog"]] == [manifest["version"]]
    assert "manifest.json is damaged" in caplog.text and "begins anew" in caplog.text
