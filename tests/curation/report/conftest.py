"""Small synthetic collections with the real schemas: tables of two shards and JPEG frames."""

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from curation import schemas
from curation.report.build import build_report
from storage.tables import write_table
from tests.curation.report.spoiled import FACTS
from tests.pages.markup import Markup

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
OPTIONS = {
    "min_laplacian_var": 12.0,
    "min_mean_luma": 20.0,
    "max_mean_luma": 235.0,
    "max_black_ratio": 0.85,
    "max_white_ratio": 0.85,
}
AGENTS, TYPES = ("first_person", "human", "object"), ("navigation", "positioning", "compound", "other")


def row_of(schema: pa.Schema, **values) -> dict:
    """A kept row with a plain value of the right type in every column that is not given."""
    plain = {pa.string(): "", pa.bool_(): True}
    made = {}
    for column in schema:
        number = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
        made[column.name] = 0 if number else plain.get(column.type)
    return made | {"status": "kept"} | values


@dataclass
class Collection:
    """A folder of images and, by stage, the rows of each shard; `tables` writes them."""

    root: Path
    rows: dict[str, list[list[dict]]] = field(default_factory=dict)

    def tables(self) -> dict[str, list[Path]]:
        found = {}
        for stage, shards in self.rows.items():
            found[stage] = [
                self.root / "tables" / stage / f"shard-{number:04d}.parquet" for number in range(len(shards))
            ]
            for path, rows in zip(found[stage], shards, strict=True):
                write_table(path, rows, SCHEMAS[stage], {"options": {"filter": OPTIONS} if stage == "quality" else {}})
        return found


def paint(path: Path, seed: int, size: tuple[int, int] = (480, 270)) -> None:
    """A JPEG of a gradient with a disc, different for every seed."""
    width, height = size
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    pixels = np.stack([255 * x / width, 255 * y / height, np.full((height, width), random.integers(40, 220))], axis=-1)
    centre = random.uniform(0.2, 0.8, 2) * (width, height)
    pixels[(x - centre[0]) ** 2 + (y - centre[1]) ** 2 < (height / 6) ** 2] = random.integers(0, 255, 3)
    out = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(out, "JPEG", quality=90)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(out.getvalue())


def verdict(reason: str, detail: str = "") -> dict:
    return {"status": "rejected" if reason else "kept", "reason": reason, "detail": detail}


def build(root: Path, clips: int = 8, frames: int = 4, shards: int = 2) -> Collection:
    """A whole chain: some of everything kept and rejected, counts that add up from stage to stage."""
    made = Collection(root, {stage: [[] for _ in range(shards)] for stage in SCHEMAS})
    random = np.random.default_rng(7)
    for clip in range(clips + 2):
        clip_id = hashlib.sha256(f"clip {clip}".encode()).hexdigest()[:16]
        shard = made.rows, clip % shards
        broken = clip >= clips
        facts = {
            "clip_id": clip_id,
            "path": f"clip {clip}.mp4",
            "codec": "h264",
            "pix_fmt": "yuv420p",
            "width": 480,
            "height": 270,
        }
        _add(
            shard, "clips", facts | verdict("unreadable_container" if broken else "", "no moov atom" if broken else "")
        )
        for index in range(0 if broken else frames):
            _frame(root, shard, clip_id, clip, index, random)
    for stage in made.rows:
        made.rows[stage] = [
            sorted(rows, key=lambda row: (row.get("frame_id", row["clip_id"]), row.get("task_index", 0)))
            for rows in made.rows[stage]
        ]
    return made


def _add(shard, stage: str, values: dict) -> None:
    rows, number = shard
    names = set(SCHEMAS[stage].names)
    rows[stage][number].append(
        row_of(SCHEMAS[stage], **{name: value for name, value in values.items() if name in names})
    )


def _frame(root: Path, shard, clip_id: str, clip: int, index: int, random) -> None:
    frame_id = f"{clip_id}_{index * 500:08d}"
    frame = {
        "frame_id": frame_id,
        "clip_id": clip_id,
        "seconds": index / 2,
        "image": f"images/{frame_id}.jpg",
        "image_sha256": "0" * 64,
        "width": 480,
        "height": 270,
    }
    paint(root / frame["image"], 100 * clip + index)
    frame |= {"requested_s": index / 2 + 0.01 * index, "pts": index, "mode": "keyframe"}
    _add(shard, "frames", frame)
    sharp = float(random.lognormal(4, 1.5))
    luma = float(random.uniform(10, 200))
    reason = "blurred" if sharp < 12 else "too_dark" if luma < 20 else ""
    measured = {
        "laplacian_var": sharp,
        "mean_luma": luma,
        "luma_std": 40.0,
        "black_ratio": 0.01,
        "white_ratio": 0.0,
        "phash": f"{hash((clip, index)) & (2**64 - 1):016x}",
    }
    frame |= measured
    _add(
        shard,
        "quality",
        frame
        | verdict(
            reason,
            f"laplacian_var {sharp:.6g} < 12.0"
            if reason == "blurred"
            else f"mean_luma {luma:.6g} < 20.0"
            if reason
            else "",
        ),
    )
    if reason:
        return
    score = float(random.uniform(0, 1))
    frame |= {"scorer": "colorfulness", "aesthetic": 50 * score, "score": score, "cut_score": 0.1}
    _add(
        shard,
        "aesthetics",
        frame | verdict("below_cut" if score < 0.1 else "", f"score {score:.4f} < 0.1" if score < 0.1 else ""),
    )
    if score < 0.1:
        return
    odds = float(random.normal(2, 2))
    asked = {
        "vlm": "scripted-test",
        "prompt_hash": "abcd",
        "prompt_tokens": 300,
        "completion_tokens": 1,
        "log_odds": odds,
        "threshold": 0.0,
    }
    _add(
        shard,
        "screening",
        frame | asked | verdict("unsuitable" if odds < 0 else "", f"log_odds {odds:.4f} < 0" if odds < 0 else ""),
    )
    if odds < 0:
        return
    for task in range(8):
        dropped = "too_long" if random.uniform() < 0.1 else ""
        pair = {
            "task_index": task,
            "agent": "Red disc",
            "task": f"[Red disc]: Move to the blue frame number {task}.",
            "solution": f"The red disc glides {task} steps to the right and stops in the blue frame.",
        }
        bill = {
            "vlm": "scripted-test",
            "prompt_hash": "beef",
            "prompt_tokens": 400 if task == 0 else 0,
            "completion_tokens": 700 if task == 0 else 0,
        }
        _add(shard, "tasks", frame | pair | bill | verdict(dropped, "120 words > 90" if dropped else ""))
        if dropped:
            continue
        kinds = {"agent_category": AGENTS[task % 3], "task_type": TYPES[task % 4]}
        _add(shard, "taxonomy", frame | pair | bill | kinds | verdict(""))
        twin = index == 3
        split = "" if twin else "bench" if clip == 0 else "train"
        detail = f"6 bits from {clip_id}_{1000:08d}" if twin else ""
        _add(
            shard,
            "worldtasks",
            frame
            | pair
            | kinds
            | {"sample_id": f"{frame_id}_{task}", "split": split}
            | verdict("near_duplicate" if twin else "", detail),
        )


@pytest.fixture(scope="session")
def shared_collection(tmp_path_factory) -> Collection:
    """A collection that no test changes."""
    return build(tmp_path_factory.mktemp("collection"))


@pytest.fixture
def new_collection(tmp_path) -> Callable[..., Collection]:
    """Makes a collection of one's own, to spoil."""
    return lambda **sizes: build(tmp_path / "own", **sizes)


@pytest.fixture(scope="session")
def make_row() -> Callable[..., dict]:
    return row_of


@pytest.fixture
def page(tmp_path):
    """Builds the report of a collection and parses it; the result of build_report is `.built`, the text `.html`."""

    def make(collection, facts=FACTS, tables=None, **options) -> Markup:
        out = tmp_path / "report.html"
        built = build_report(collection.tables() if tables is None else tables, collection.root, out, facts, **options)
        html = out.read_text(encoding="utf-8")
        parsed = Markup(html)
        parsed.built, parsed.html = built, html
        return parsed

    return make
