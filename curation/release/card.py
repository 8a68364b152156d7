"""The dataset card: README.md with its front matter, written from measured facts alone.

Sections are those that the Hub's template asks for. What a fact is missing for, the card says is not recorded. Every
text that came from outside (titles, sources, model names, tasks) is escaped: a card is rendered as Markdown and HTML.
"""

import hashlib
import heapq
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from curation.assembly.statistics import SPLITS, whole_frames
from curation.release.card_text import sections
from curation.release.charts import grid_jpeg, taxonomy_png
from curation.release.images import read_picture
from curation.release.options import PublishOptions
from storage.tables import KEPT

SAMPLES = 9
SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M"))


def write_card(
    tree: Path, worldtasks: Path, images_root: Path, manifest: Mapping[str, Any], options: PublishOptions
) -> list[Path]:
    """Writes README.md and card/ below `tree`, which holds the content files; returns the paths written."""
    folder = tree / "card"
    folder.mkdir()
    splits = {name: split for name, split in manifest["statistics"]["splits"].items() if split["pairs"]}
    chart = folder / "taxonomy.png"
    chart.write_bytes(taxonomy_png(splits))
    written = [chart]
    samples = pick_samples(worldtasks)
    if samples:
        grid = folder / "samples.jpg"
        grid.write_bytes(grid_jpeg([read_picture(images_root, row).data for row in samples]))
        written.append(grid)
    readme = tree / "README.md"
    text = sections(manifest, options, configs(tree, manifest["version"]), samples)
    readme.write_text(f"---\n{front_matter(tree, manifest, options)}\n---\n\n" + text, encoding="utf-8")
    return [*written, readme]


def configs(tree: Path, version: str) -> list[dict[str, Any]]:
    """The `configs` of the front matter: those whose files are there, the first as default.

    images: an image a row with its pairs, both splits. ids: a pair a row of both splits, without pixels. Each carries
    the release's `version` (hexadecimal) as three numbers: `datasets` keeps what it loaded by the folder's name, which
    is `latest` for every collection, by config, and by this.
    """
    number = int(version, 16)
    numbers = f"0.{number >> 24}.{number % 2**24}"
    found = []
    for name, pattern in (("images", "data/{}-*.parquet"), ("ids", "ids/{}.parquet")):
        paths = {split: pattern.format(split) for split in SPLITS}
        files = [{"split": split, "path": path} for split, path in paths.items() if list(tree.glob(path))]
        if files:
            found.append({"config_name": name, "version": numbers, "data_files": files})
    found[0]["default"] = True
    return found


def front_matter(tree: Path, manifest: Mapping[str, Any], options: PublishOptions) -> str:
    """YAML of the card's head, without the dashes."""
    from huggingface_hub import DatasetCardData

    pairs = sum(manifest["pairs"].values())
    other = options.license == "other"
    return DatasetCardData(
        pretty_name=options.title,
        license=options.license,
        license_name=options.license_name if other else None,
        license_link=options.license_link or None if other else None,
        language=[options.language],
        task_categories=["image-to-video", "image-text-to-text"],
        size_categories=[next((name for limit, name in SIZES if pairs < limit), "10M<n<100M")],
        annotations_creators=["machine-generated"],
        source_datasets=["original"],
        tags=["world-model", "video-generation", "instruction-following", "self-distillation", "worldtasks"],
        configs=configs(tree, manifest["version"]),
    ).to_yaml()


def pick_samples(worldtasks: Path) -> list[dict[str, Any]]:
    """Up to SAMPLES train rows of different images whose pixels may be shown, by the order of their ids' hashes."""
    columns = ["sample_id", "frame_id", "image", "image_sha256", "task", "solution", "redistributable"]
    columns += ["split", "status"]
    best: list[tuple[str, int, dict]] = []
    for table in whole_frames(worldtasks, columns, 50_000):
        mine = pc.and_(pc.equal(table["status"], KEPT), pc.equal(table["split"], "train"))
        shown = table.filter(pc.and_(mine, table["redistributable"]))
        images = shown.group_by("frame_id", use_threads=False).aggregate([("sample_id", "min")])
        ranked = ((hashlib.sha256(name.encode()).hexdigest(), name) for name in images["sample_id_min"].to_pylist())
        for rank, name in heapq.nsmallest(SAMPLES, ranked):
            row = shown.slice(pc.index(shown["sample_id"], name).as_py(), 1).to_pylist()[0]
            best.append((rank, len(best), row))
        best = heapq.nsmallest(SAMPLES, best)
    return [row for _, _, row in best]
