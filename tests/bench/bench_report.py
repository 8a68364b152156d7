"""The curation report's time, peak memory and size, against the number of rows.

    python tests/bench/bench_report.py [--quick]

Synthetic tables of all eight stages with the real schemas, eight frames a clip and eight pairs a frame, in eight
shards; real JPEG files (640x360) behind every frame. Each build runs in a fresh process, which reads its own peak
resident memory.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from machine import machine
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from curation import schemas  # noqa: E402
from curation.report.build import build_report  # noqa: E402

SCHEMAS = {
    "clips": schemas.CLIPS,
    "frames": schemas.FRAMES,
    "quality": schemas.QUALITY,
    "aesthetics": schemas.AESTHETICS,
    "screening": schemas.SCREENING,
    "tasks": schemas.TASKS,
    "taxonomy": schemas.TAXONOMY,
    "worldtasks": schemas.WORLDTASKS,
}
SHARDS, PICTURES = 8, 64
TEXTS = {
    "task": "[Red disc]: Move to the blue frame near the upper edge.",
    "solution": "The red disc glides " + "slowly and evenly along the floor " * 8 + "and stops.",
    "vlm": "scripted-bench",
    "prompt_hash": "0123456789abcdef",
    "mode": "keyframe",
}
CHOICES = {
    "agent_category": ["first_person", "human", "vehicle", "object"],
    "task_type": ["navigation", "positioning", "perception"],
}


def synthesise(root: Path, frames: int) -> None:
    """Tables of about `frames` frames and eight times as many pairs, and the pictures they name."""
    random = np.random.default_rng(0)
    for index in range(PICTURES):
        pixels = random.integers(0, 255, (12, 20, 3), np.uint8)
        (root / "images").mkdir(exist_ok=True)
        Image.fromarray(pixels).resize((640, 360), Image.Resampling.BICUBIC).save(root / "images" / f"{index}.jpg")
    for stage, schema in SCHEMAS.items():
        rows = {"clips": frames // 8, "tasks": 8 * frames, "taxonomy": 8 * frames, "worldtasks": 8 * frames}.get(
            stage, frames
        )
        (root / stage).mkdir()
        for shard in range(SHARDS):
            part = np.arange(shard, rows, SHARDS)
            pq.write_table(columns(stage, schema, part, random), root / stage / f"{shard}.parquet", compression="zstd")


def columns(stage: str, schema: pa.Schema, part: np.ndarray, random: np.random.Generator) -> pa.Table:
    kept = random.uniform(size=len(part)) < 0.9
    unit = part if stage in ("clips", "frames", "quality", "aesthetics", "screening") else part // 8
    special = {
        "frame_id": [f"{frame // 8:016x}_{frame % 8 * 500:08d}" for frame in unit],
        "clip_id": [f"{frame // (1 if stage == 'clips' else 8):016x}" for frame in unit],
        "image": [f"images/{frame % PICTURES}.jpg" for frame in unit],
        "task_index": part % 8,
        "split": np.where(kept, "train", ""),
        "status": np.where(kept, "kept", "rejected"),
        "reason": np.where(kept, "", np.where(part % 3 == 0, "blurred", "near_duplicate")),
        "laplacian_var": random.lognormal(4, 1.5, len(part)),
        "mean_luma": random.uniform(0, 255, len(part)),
        "log_odds": random.normal(2, 2, len(part)),
    }
    special |= {name: random.choice(values, len(part)) for name, values in CHOICES.items()}
    made = {}
    for field in schema:
        if field.name in special:
            made[field.name] = pa.array(special[field.name], field.type)
        elif pa.types.is_floating(field.type):
            made[field.name] = pa.array(random.uniform(0, 1, len(part)), field.type)
        elif pa.types.is_integer(field.type):
            made[field.name] = pa.array(np.full(len(part), 7), field.type)
        elif field.type == pa.string():
            made[field.name] = pa.array([TEXTS.get(field.name, "")] * len(part), pa.string())
        else:
            made[field.name] = pa.nulls(len(part), field.type)
    return pa.table(made, schema)


def measured(root: Path) -> tuple[float, float, float]:
    """(seconds, peak MiB, page MB) of one build in a fresh process."""
    line = subprocess.run(
        [sys.executable, __file__, "--build", str(root)], check=True, capture_output=True, text=True
    ).stdout
    seconds, peak, size = map(float, line.split())
    return seconds, peak, size


def build(root: Path) -> None:
    tables = {stage: sorted((root / stage).glob("*.parquet")) for stage in SCHEMAS}
    began = time.perf_counter()
    built = build_report(tables, root, root / "report.html", {"collection": "bench"})
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(seconds, peak, built["size_bytes"] / 1e6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small tables, one repeat")
    parser.add_argument("--build", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.build:
        return build(options.build)
    repeats = 1 if options.quick else 3
    print(f"## Curation report\n\n{machine('pyarrow', 'numpy', 'pillow', 'jinja2')}; medians of {repeats}\n")
    print("| frames | pairs | build, s | peak memory, MiB | page, MB |\n|---:|---:|---:|---:|---:|")
    for frames in (1_000, 4_000) if options.quick else (1_000, 12_500, 100_000):
        with tempfile.TemporaryDirectory() as folder:
            synthesise(Path(folder), frames)
            runs = [measured(Path(folder)) for _ in range(repeats)]
        seconds, peak, size = (statistics.median(values) for values in zip(*runs, strict=True))
        print(f"| {frames:,} | {8 * frames:,} | {seconds:.2f} | {peak:.0f} | {size:.2f} |", flush=True)


if __name__ == "__main__":
    main()
