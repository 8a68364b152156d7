"""Conditions encoded once: what images and prompts become, in safetensors, so that training needs no encoders.

    manifest.json               model identity, dataset version, shapes, counts, the hash of every other file
    pairs.jsonl                 task-solution pairs by split, in the order given
    videos.jsonl                videos for supervised fine-tuning and their tasks
    images-00000.safetensors    "<image id>/<name>"
    prompts-00000.safetensors   "<SHA-256 of the text>/<name>": each distinct text of T and D once
    videos-00000.safetensors    "<video id>/state", and "<video id>/<name>" of its first frame

The same model and input give the same bytes. Prompt embeddings are stored without the zeros behind their end.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.video.pixels import fit
from models.video.protocol import VideoModel
from storage.files import sha256_bytes
from storage.folders import building
from storage.tables import chunks
from training.conditions.store import FORMAT, MANIFEST, PAIRS, STATE, VIDEOS, Pair, text_key

SHARD_BYTES = 512 * 2**20


@dataclass(frozen=True)
class ConditionFacts:
    """What `write_conditions` wrote. `sha256` is the manifest's, and so names all content."""

    identity: str
    dataset_version: str
    pairs: dict[str, int]  # by split
    images: int
    prompts: int
    videos: int
    bytes: int
    sha256: str


def write_conditions(
    model: VideoModel,
    splits: Mapping[str, Sequence[Pair]],
    images: Callable[[str], np.ndarray],
    out: Path,
    *,
    dataset_version: str,
    batch: int = 16,
    videos: Iterable[tuple[str, str, np.ndarray]] = (),
    left_out: Mapping[str, int] = MappingProxyType({}),
    shard_bytes: int = SHARD_BYTES,
) -> ConditionFacts:
    """Encodes the conditions of all pairs into the folder `out`, which is replaced whole at the end or not at all.

    `images(image_id)` gives uint8 [H, W, 3] RGB of any size, fitted by `fit`; `videos` are (id, task, uint8 frames
    [T, H, W, 3], T as the model's), fitted alike. Each image, text and video is encoded once, `batch` together.
    `left_out`, how many pairs were not handed in and why, is written down with the counts. Raises ValueError naming the
    pair, image or video that is empty, doubled or of a wrong shape.
    """
    pairs = [(split, pair) for split, members in splits.items() for pair in members]
    _check_pairs(pairs)
    image_ids = sorted({pair.image_id for _, pair in pairs})
    texts = {text for _, pair in pairs for text in (pair.task, pair.solution)}
    with building(out) as folder:
        shards = _Shards(folder, shard_bytes)
        for ids in chunks(image_ids, batch):
            fitted = np.stack([fit(_pixels(f"image {i!r}", images(i), 3), model.shape) for i in ids])
            shards.add("images", ids, model.encode_image(torch.from_numpy(fitted)).tensors)
        known = _write_videos(model, videos, batch, shards)
        texts |= {task for _, task in known}
        for some in chunks(sorted(texts, key=text_key), batch):
            shards.add("prompts", [text_key(text) for text in some], model.encode_prompt(some).tensors, trimmed=True)
        shards.close()
        lines = [{"split": split, **asdict(pair)} for split, pair in pairs]
        shards.write(PAIRS, _jsonl(lines))
        shards.write(VIDEOS, _jsonl([{"video_id": i, "task": task} for i, task in known]))
        counts = {"images": len(image_ids), "prompts": len(texts), "videos": len(known)}
        by_split = {split: len(members) for split, members in splits.items()}
        manifest = {
            "format": FORMAT,
            "identity": model.identity,
            "dataset_version": dataset_version,
            "video": asdict(model.shape),
            "counts": {**counts, "pairs": by_split, "left_out": dict(left_out)},
            "tensors": shards.rows,
            "files": shards.files,
        }
        text = json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
        (folder / MANIFEST).write_text(text, encoding="utf-8")
    size = sum(file["bytes"] for file in shards.files.values())
    sha256 = sha256_bytes(text.encode())
    return ConditionFacts(model.identity, dataset_version, by_split, **counts, bytes=size, sha256=sha256)


class _Shards:
    """Writes named tensors into shards of a bounded size, and remembers what each file and each kind of row is."""

    def __init__(self, folder: Path, limit: int):
        self.folder, self.limit = folder, limit
        self.files: dict[str, dict[str, Any]] = {}  # name -> bytes, sha256
        self.rows: dict[str, dict[str, Any]] = {}  # kind -> tensor name -> shape and dtype of one row
        self._kind, self._number, self._held, self._size = "", 0, {}, 0

    def add(self, kind: str, ids: Sequence[str], tensors: Mapping[str, Tensor], trimmed: bool = False) -> None:
        """Adds row i of every tensor [B, ...] under the i-th id; all of a kind come one after another."""
        if kind != self._kind:
            self.close()
            self._kind, self._number = kind, 0
        for name, tensor in tensors.items():
            row = {"shape": list(tensor.shape[1:]), "dtype": str(tensor.dtype).removeprefix("torch.")}
            if self.rows.setdefault(kind, {}).setdefault(name, row) != row or len(tensor) != len(ids):
                raise ValueError(
                    f"{kind}: the model gave {len(tensor)} rows of {name} like {row} for {len(ids)} {kind}, after rows "
                    f"like {self.rows[kind][name]}: it must give one row each, all of one shape and dtype"
                )
        for number, one in enumerate(ids):
            for name, tensor in tensors.items():
                row = tensor[number].detach().cpu()
                row = (row[: _end(row)] if trimmed and row.ndim else row).contiguous().clone()
                self._held[f"{one}/{name}"] = row
                self._size += row.nbytes
            if self._size >= self.limit:
                self._flush()

    def write(self, name: str, data: bytes) -> None:
        (self.folder / name).write_bytes(data)
        self.files[name] = {"bytes": len(data), "sha256": sha256_bytes(data)}

    def close(self) -> None:
        if self._held:
            self._flush()

    def _flush(self) -> None:
        from safetensors.torch import save

        self.write(f"{self._kind}-{self._number:05d}.safetensors", save(self._held))
        self._number, self._held, self._size = self._number + 1, {}, 0


def _write_videos(
    model: VideoModel, videos: Iterable[tuple[str, str, np.ndarray]], batch: int, shards: _Shards
) -> list[tuple[str, str]]:
    known: dict[str, str] = {}
    for some in chunks(videos, batch):
        clips = []
        for video_id, task, frames in some:
            if video_id in known or not video_id or not task.strip():
                raise ValueError(f"video {video_id!r} with task {task!r}: give each video a new id and a task")
            known[video_id] = task
            frames = _pixels(f"video {video_id!r}", frames, 4)
            if len(frames) != model.shape.frames:
                raise ValueError(f"video {video_id!r} has {len(frames)} frames: the model needs {model.shape.frames}")
            clips.append(np.stack([fit(frame, model.shape) for frame in frames]))
        pixels = torch.from_numpy(np.stack(clips))
        first = model.encode_image(pixels[:, 0]).tensors
        if STATE in first:
            raise ValueError(f"the model calls a condition {STATE!r}: this name is reserved for a video's latents")
        shards.add("videos", [video_id for video_id, *_ in some], {**first, STATE: model.encode_video(pixels)})
    return list(known.items())


def _check_pairs(pairs: Sequence[tuple[str, Pair]]) -> None:
    if not pairs:
        raise ValueError("there are no task-solution pairs to encode: at least one is needed")
    seen: dict[str, str] = {}
    for split, pair in pairs:
        empty = [name for name in ("pair_id", "image_id", "task", "solution") if not getattr(pair, name).strip()]
        if empty:
            raise ValueError(f"pair {pair.pair_id!r} of {split}: {', '.join(empty)} must not be empty")
        if pair.pair_id in seen:
            raise ValueError(f"pair {pair.pair_id!r} is in {seen[pair.pair_id]} and again in {split}: give it once")
        seen[pair.pair_id] = split


def _pixels(what: str, pixels: np.ndarray, dimensions: int) -> np.ndarray:
    wanted = "uint8 [H, W, 3]" if dimensions == 3 else "uint8 [T, H, W, 3]"
    if pixels.dtype != np.uint8 or pixels.ndim != dimensions or pixels.shape[-1] != 3 or not pixels.size:
        raise ValueError(f"{what} is {pixels.dtype} {list(pixels.shape)}: it must be {wanted}")
    return pixels


def _end(row: Tensor) -> int:
    """How many leading entries of [L, ...] hold anything but zeros: at least 1, as safetensors wants bytes."""
    used = torch.nonzero(row.flatten(1).ne(0).any(1) if row.ndim > 1 else row.ne(0))
    return int(used[-1]) + 1 if len(used) else 1


def _jsonl(rows: Sequence[Mapping[str, Any]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n" for row in rows).encode()
