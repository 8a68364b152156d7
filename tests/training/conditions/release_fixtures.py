"""A small release made by hand: the tree that `published_dataset` would leave, of microworld scenes."""

import json
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from microworld.families import sample_tasks
from microworld.render import render_scene
from microworld.scene import sample_scene
from storage.collection import Store
from storage.files import sha256_bytes, sha256_file

VERSION = "0123456789ab"


def store_at(root: Path) -> Store:
    from assets.support.partitions import SHARDS

    return Store(root, "small", tuple(SHARDS.get_partition_keys()))


def write_release(store: Store, images: int = 8, pairs: int = 3, version: str = VERSION, seed: int = 0) -> Path:
    """`images` frames, a quarter of them of the benchmark, with `pairs` pairs each (one in the benchmark)."""
    tree = store.published / version
    for name in ("ids", "data"):
        (tree / name).mkdir(parents=True)
    rows: dict[str, list[dict]] = {"train": [], "bench": []}
    stored: dict[str, list[dict]] = {"train": [], "bench": []}
    for number in range(images):
        rng = np.random.default_rng([seed, number])
        scene = sample_scene(rng)
        frame, split = f"clip{number:04d}_00000000", "bench" if number % 4 == 3 else "train"
        data = cv2.imencode(".jpg", render_scene(scene, 128)[:, :, ::-1])[1].tobytes()
        tasks = sample_tasks(scene.layout, rng, pairs if split == "train" else 1)
        found = [
            {"id": f"{frame}_{index}", "agent": task.instruction.agent, "task": task.text, "solution": task.solution,
             "agent_category": "object", "task_type": task.family}
            for index, task in enumerate(tasks)
        ]  # fmt: skip
        rows[split] += [
            pair | {"clip_id": frame[:8], "frame_id": frame, "image_sha256": sha256_bytes(data)} for pair in found
        ]
        image = {"image": {"bytes": data, "path": f"{frame}.jpg"}, "width": 128, "height": 128}
        stored[split].append(image | {"frame_id": frame, "pairs": found})
    for split, lines in rows.items():
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (tree / "ids" / f"{split}.jsonl").write_text(text)
        pq.write_table(pa.Table.from_pylist(stored[split]), tree / "data" / f"{split}-00000-of-00001.parquet")
    manifest = {"version": version, "pairs": {split: len(lines) for split, lines in rows.items()}}
    (tree / "manifest.json").write_text(json.dumps(manifest))
    files = sorted(path for path in tree.rglob("*") if path.is_file())
    sums = "".join(f"{sha256_file(path)}  {path.relative_to(tree).as_posix()}\n" for path in files)
    (tree / "SHA256SUMS").write_text(sums)
    latest = store.published / "latest"
    latest.unlink(missing_ok=True)
    latest.symlink_to(version)
    return tree
