"""The release as a folder: exactly the tree that a Hub repository would hold, built beside its place and renamed into
it.

    data/train-*.parquet   an image a row with its pairs   train/train.jsonl, train/images/shard_000/   as the authors'
    data/bench-*.parquet   a pair a row                    bench/bench.jsonl, bench/images/             as the authors'
    ids/{train,bench}.{jsonl,parquet}   no pixels          README.md, card/   manifest.json   SHA256SUMS

The version is a hash of the content files, so the same dataset has the same name, and a second run writes the same
bytes. There are no dates in the tree: the commit and the tag carry them.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation.assembly.statistics import SPLITS, statistics
from curation.release.card import write_card
from curation.release.files import write_release
from curation.release.options import PublishOptions
from storage.damage import Damaged, tell
from storage.files import sha256_file
from storage.folders import half_built, put_in_place
from storage.json_files import read_object
from storage.sums import SUMS, check_sums, checksum
from storage.tables import read_meta

MANIFEST = "manifest.json"


def publish_tree(
    worldtasks: Path, images_root: Path, out: Path, facts: Mapping[str, Any], options: PublishOptions
) -> dict[str, Any]:
    """Builds the release in `out/<version>` and returns its manifest.

    `images_root` is what the table's `image` paths are relative to. `facts` are JSON values about the collection: see
    card.py for those it shows; all are kept in the manifest. The release that `out/latest` points to, if any, is the
    one that the changelog compares with. A release of the same version is replaced whole, or left alone when nothing
    differs. The caller holds a lock on `out`. Raises ValueError when the table has no kept row, and what
    `write_release` raises; then `out` is as it was.
    """
    counts = statistics(worldtasks)
    if not counts["kept"]:
        raise ValueError(f"{worldtasks.name} has {counts['rows']} rows and none is kept: there is nothing to publish")
    with half_built(out / "release") as tree:
        with (tree / SUMS).open("w", encoding="utf-8", newline="\n") as sums:
            write_release(worldtasks, images_root, tree, options, sums)
            sums.writelines(checksum(tree, path) for path in sorted(tree.glob("*/*.*")))
        version = sha256_file(tree / SUMS)[:12]
        manifest = {
            "title": options.title,
            "version": version,
            "pairs": {split: counts["splits"][split]["pairs"] for split in SPLITS},
            "images": {split: counts["splits"][split]["images"] for split in SPLITS},
            "images_with_pixels": {split: counts["splits"][split]["publishable_images"] for split in SPLITS},
            "keep_rates": facts.get("keep_rates", {}),
            "contact": options.contact,
            "statistics": counts,
            # Without the removal list's place: a path says nothing to others, and its ids were taken out for a reason.
            "assembly": {k: v for k, v in read_meta(worldtasks).get("options", {}).items() if k != "removed"},
            "changelog": changelog(out, tree, version, counts),
            "options": options.model_dump(mode="json"),
            "facts": dict(facts),
        }
        card = write_card(tree, worldtasks, images_root, manifest, options)
        text = json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
        (tree / MANIFEST).write_text(text, encoding="utf-8")
        with (tree / SUMS).open("a", encoding="utf-8", newline="\n") as sums:
            sums.writelines(checksum(tree, path) for path in sorted([*card, tree / MANIFEST]))
        place = out / version
        if not _is_same(place, (tree / SUMS).read_bytes()):
            put_in_place(tree, place)
    return manifest


def _is_same(place: Path, sums: bytes) -> bool:
    """Whether a whole release with these checksums is at `place`."""
    try:
        check_sums(place)
    except Damaged:
        return False
    return (place / SUMS).read_bytes() == sums


def changelog(out: Path, tree: Path, version: str, counts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The last release's changelog and this version's entry: pairs by split, and pairs that came and went.

    A last release that is damaged counts as none, which is told.
    """
    latest = out / "latest"
    before = None
    if (latest / MANIFEST).exists():
        try:
            ids = sorted((latest / "ids").glob("*.parquet"))
            check_sums(latest.resolve(), MANIFEST, *(path.relative_to(latest).as_posix() for path in ids))
            before = read_object(latest / MANIFEST)
        except Damaged as error:
            tell(error, "the changelog begins anew")
    if before and before["version"] == version:
        return before["changelog"]
    entry = {"version": version, "pairs": {split: counts["splits"][split]["pairs"] for split in SPLITS}}
    if before is None:
        return [entry]
    old, new = _ids(latest), _ids(tree)
    added = len(new) - (pc.sum(pc.is_in(new, old)).as_py() or 0)
    removed = len(old) - (pc.sum(pc.is_in(old, new)).as_py() or 0)
    return [*before["changelog"], entry | {"since": before["version"], "added": added, "removed": removed}]


def _ids(tree: Path) -> pa.Array:
    columns = [pq.read_table(path, columns=["id"])["id"] for path in sorted((tree / "ids").glob("*.parquet"))]
    return pa.chunked_array([chunk for column in columns for chunk in column.chunks], pa.string()).combine_chunks()
