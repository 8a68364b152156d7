"""Small WorldTasks inputs: shard tables of pairs and clips, and real JPEG files behind them."""

import hashlib
import io
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from curation.assembly.assemble import assemble
from curation.assembly.options import WorldtasksOptions
from curation.schemas import AESTHETICS, CLIPS, TAXONOMY
from storage.tables import KEPT, REJECTED, read_rows, write_table

AGENTS = ("first_person", "human", "vehicle")
TYPES = ("navigation", "positioning", "other")


def scattered(number: int) -> str:
    """A perceptual hash far from those of other numbers."""
    return hashlib.sha256(f"hash {number}".encode()).hexdigest()[:16]


def jpeg(number: int, size: int = 24) -> bytes:
    """A small picture of its own for every number."""
    pixels = np.random.default_rng(number).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    return encoded(Image.fromarray(pixels).resize((size, size), Image.Resampling.NEAREST))


def encoded(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=90)
    return out.getvalue()


@dataclass
class Collection:
    """A collection under construction: add clips and frames, then write its shards."""

    folder: Path
    clips: dict[str, dict] = field(default_factory=dict)
    frames: dict[str, dict] = field(default_factory=dict)
    pairs: list[dict] = field(default_factory=list)

    def clip(
        self, clip_id: str, redistributable: bool | None = True, external_id: str = "", start: float | None = None
    ):
        row = dict.fromkeys(CLIPS.names) | {"clip_id": clip_id, "status": KEPT, "reason": "", "detail": ""}
        row |= {"external_id": external_id, "external_start_s": start, "redistributable": redistributable}
        self.clips[clip_id] = row

    def frame(
        self,
        clip_id: str,
        milliseconds: int,
        phash: str,
        pairs: int = 8,
        text: str = "go there",
        picture: np.ndarray | None = None,
    ):
        """Adds a frame whose picture is `picture` (uint8 [H, W]) or a small one of its own."""
        if clip_id not in self.clips:
            self.clip(clip_id)
        frame_id, number = f"{clip_id}_{milliseconds:08d}", len(self.frames)
        data = jpeg(number) if picture is None else encoded(Image.fromarray(picture))
        height, width = (24, 24) if picture is None else picture.shape
        image = f"images/{number // 100:03d}/{number}.jpg"
        path = self.folder / image
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        frame = {"frame_id": frame_id, "clip_id": clip_id, "seconds": milliseconds / 1000, "image": image}
        frame |= {"image_sha256": hashlib.sha256(data).hexdigest(), "width": width, "height": height}
        frame["phash"] = phash
        self.frames[frame_id] = frame
        for index in range(pairs):
            row = dict.fromkeys(TAXONOMY.names) | frame | {"status": KEPT, "reason": "", "detail": ""}
            row |= {
                "task_index": index,
                "agent": "Man",
                "task": f"[Man]: {text} {index}.",
                "solution": f"He does. {text}",
            }
            row |= {"agent_category": AGENTS[(number + index) % 3], "task_type": TYPES[index % 3]}
            row |= {"vlm": "scripted", "prompt_hash": "0", "prompt_tokens": 0, "completion_tokens": 0}
            self.pairs.append(row)
        return frame_id

    def write(self, shards: int = 2, name: str = "a") -> tuple[list[Path], list[Path]]:
        """(taxonomy tables, clips tables), clips dealt to shards by a hash of their ids."""

        def shard_of(clip_id: str) -> int:
            return hashlib.md5(clip_id.encode()).digest()[0] % shards

        tables = ([], [])
        for shard in range(shards):
            pairs = [row for row in self.pairs if shard_of(row["clip_id"]) == shard]
            pairs.sort(key=lambda row: (row["frame_id"], row["task_index"]))
            clips = [self.clips[clip] for clip in sorted(self.clips) if shard_of(clip) == shard]
            for number, (rows, schema, kind) in enumerate([(pairs, TAXONOMY, "taxonomy"), (clips, CLIPS, "clips")]):
                path = self.folder / "tables" / kind / f"{name}-{shard:02d}.parquet"
                write_table(path, rows, schema, {})
                tables[number].append(path)
        return tables

    def write_embeddings(self, vectors: dict[str, list[float] | None]) -> Path:
        """An AESTHETICS table with the given embeddings by frame id."""
        rows = []
        for frame_id in sorted(self.frames):
            row = dict.fromkeys(AESTHETICS.names) | self.frames[frame_id] | {"scorer": "clip", "status": KEPT}
            rows.append(row | {"reason": "", "detail": "", "embedding": vectors.get(frame_id)})
        path = self.folder / "tables" / "aesthetics" / "a-00.parquet"
        write_table(path, rows, AESTHETICS, {})
        return path


def built(collection, out, shards=2, aesthetics=(), **options):
    counts = assemble(*collection.write(shards), list(aesthetics), out, WorldtasksOptions(**options), {"made": "here"})
    return counts, list(read_rows(out))


def reasons(rows) -> dict[str, str]:
    """Each rejected sample's reason."""
    return {row["sample_id"]: row["reason"] for row in rows if row["status"] == REJECTED}


@pytest.fixture
def collection(tmp_path) -> Collection:
    return Collection(tmp_path / "collection")


@pytest.fixture
def forty(collection) -> Collection:
    """40 clips with 3 distinct frames of 8 pairs each; sources of every fourth clip forbid redistribution."""
    for clip in range(40):
        collection.clip(f"clip{clip:03d}", clip % 4 != 3, f"video{clip // 2}", 12.5 * clip)
        for frame in range(3):
            collection.frame(f"clip{clip:03d}", 1000 * frame, scattered(10 * clip + frame))
    return collection


@pytest.fixture(name="scattered")
def scattered_hash():
    return scattered
