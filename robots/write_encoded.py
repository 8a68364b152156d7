"""Writes encoded episodes (robots/encoded.py), one file an episode, named by content.

A file is renamed into place when it is whole. So a killed run repeats no finished episode, a new episode costs only
itself, and a damaged file is made again. The encoder is a function from frames to latents: this room knows no torch.
"""

import json
import time
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from safetensors.numpy import save_file

from media.errors import MediaError
from robots.encoded import FORMAT, MANIFEST, STATISTICS, SUM, checksum, intact
from robots.episode import Episode, Finding
from robots.frames import read_frames
from robots.rules import damaged
from storage.damage import Damaged, tell
from storage.files import replacing, sha256_bytes, sha256_file, sweep
from storage.notes import write_note

if TYPE_CHECKING:
    from robots.statistics import Statistics

Encode = Callable[[np.ndarray], np.ndarray]
VERSION = 1  # changes when the same recording and encoder give another file


@dataclass(frozen=True)
class Recording:
    """An episode to encode. content: a hash of its states and its footage's bytes; shard: where it is listed."""

    episode: Episode
    content: str
    shard: str = ""


@dataclass(frozen=True)
class Encoding:
    """How episodes are encoded. identity: the model's `latents_identity`; views in stacking order; sizes in pixels."""

    identity: str
    contract: str
    views: tuple[str, ...]
    height: int
    width: int
    dtype: Literal["float16", "float32"] = "float32"
    pixels: Literal["stored", "video"] = "stored"
    batch: int = 16  # rows decoded and encoded together

    def key(self, recording: Recording) -> str:
        """The name of the recording's file, without its ending."""
        decides = [VERSION, recording.content, self.identity, self.views, self.height, self.width]
        return sha256_bytes(json.dumps([*decides, self.dtype, self.pixels]).encode())[:40]


@dataclass(frozen=True)
class Encoded:
    """What `write_encoded` did, and what the folder holds now."""

    version: str
    encoded: int
    reused: int
    left_out: int
    episodes: int
    rows: int
    bytes: int
    seconds: float


def write_encoded(
    folder: Path,
    recordings: Iterable[Recording],
    encode: Encode,
    encoding: Encoding,
    statistics: "Statistics",
    shards: Container[str] | None = None,
    done: Callable[[Recording], None] = lambda recording: None,
) -> Encoded:
    """Encodes every recording into `folder` unless its file is there, then writes the manifest anew.

    `encode`: frames uint8 [n, V, H, W, 3] RGB -> scaled latents [n, V, C, h, w]. `shards`: those to encode, None for
    all; a recording of another one is listed if its file is there. `done` is told of each newly encoded episode. An
    episode without a view that is wanted or with an unreadable frame is left out, by the rule's name. Files that are
    listed no more are removed. Raises ValueError for an id given twice, for latents that are not finite and where no
    episode can be listed.
    """
    from robots.statistics import write_statistics

    began, folder = time.monotonic(), Path(folder)
    lines: dict[str, dict[str, Any]] = {}
    left_out: dict[str, Finding] = {}
    encoded = reused = 0
    sweep(folder)
    for recording in recordings:
        episode = recording.episode
        if episode.episode_id in lines.keys() | left_out.keys():
            raise ValueError(f"episode {episode.episode_id!r} is given twice: ids name one episode each")
        path = folder / "episodes" / f"{encoding.key(recording)}.safetensors"
        if _there(path):
            reused += 1
        elif shards is None or recording.shard in shards:
            if finding := _write(path, recording, encode, encoding):
                left_out[episode.episode_id] = finding
                continue
            encoded += 1
            done(recording)
        else:
            continue
        lines[episode.episode_id] = _line(recording, path, encoding)
    if not lines:
        why = next((f"{one.rule}: {one.message}" for one in left_out.values()), "none was kept by `episodes`")
        raise ValueError(f"there is no episode that can be encoded ({why})")
    write_statistics(folder / STATISTICS, statistics)
    manifest = {
        "format": FORMAT,
        "identity": encoding.identity,
        "contract": encoding.contract,
        "views": list(encoding.views),
        "height": encoding.height,
        "width": encoding.width,
        "dtype": encoding.dtype,
        "pixels": encoding.pixels,
        "left_out": [
            {"episode_id": name, "rule": one.rule, "message": one.message} for name, one in sorted(left_out.items())
        ],
        "episodes": sorted(lines.values(), key=lambda line: line["episode_id"]),
    }
    # Where the videos lie is not what was encoded.
    said = [{name: line[name] for name in line if name != "footage"} for line in manifest["episodes"]]
    decides = [manifest | {"episodes": said}, sha256_file(folder / STATISTICS)]
    manifest["version"] = version = sha256_bytes(json.dumps(decides, sort_keys=True).encode())[:16]
    write_note(folder / MANIFEST, manifest)
    _remove_others(folder / "episodes", {line["file"] for line in lines.values()})
    size = sum((folder / "episodes" / line["file"]).stat().st_size for line in lines.values())
    rows = sum(line["n_rows"] for line in lines.values())
    return Encoded(version, encoded, reused, len(left_out), len(lines), rows, size, time.monotonic() - began)


def _there(path: Path) -> bool:
    try:
        return intact(path)
    except Damaged as error:
        tell(error, "the episode is encoded again")
        return False


def _write(path: Path, recording: Recording, encode: Encode, encoding: Encoding) -> Finding | None:
    """Encodes one episode, or says what is wrong with it."""
    episode = recording.episode
    if missing := [view for view in encoding.views if view not in episode.footage]:
        told = (
            f"no view {missing[0]!r}: it has {', '.join(episode.footage)}, the model wants {', '.join(encoding.views)}"
        )
        return Finding("view_count", f"episode {episode.episode_id}: {told}", refused=True)
    frames, latents = [], []
    for start in range(0, episode.frames, encoding.batch):
        rows = range(start, min(start + encoding.batch, episode.frames))
        try:
            some = _pixels(episode, rows, encoding)
        except MediaError as error:
            return damaged(episode, error)
        made = np.asarray(encode(some))
        if not np.isfinite(made).all():
            raise ValueError(
                f"episode {episode.episode_id!r}, rows {rows[0]} to {rows[-1]}: the latents are not finite"
            )
        latents.append(made.astype(encoding.dtype))
        if encoding.pixels == "stored":
            frames.append(some)
    tensors = {"latents": np.concatenate(latents), "states": np.asarray(episode.states, np.float64)}
    if frames:
        tensors["frames"] = np.concatenate(frames)
    tensors = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    with replacing(path) as temporary:
        save_file(tensors, temporary, metadata={SUM: checksum(tensors)})
    return None


def _pixels(episode: Episode, rows: Sequence[int], encoding: Encoding) -> np.ndarray:
    """uint8 [n, V, H, W, 3] RGB."""
    size = encoding.height, encoding.width
    return np.stack([read_frames(episode.footage[view], rows, episode.fps, size) for view in encoding.views], axis=1)


def _line(recording: Recording, path: Path, encoding: Encoding) -> dict[str, Any]:
    episode = recording.episode
    footage = [asdict(one) | {"path": str(one.path)} for one in map(episode.footage.get, encoding.views)]
    return {
        "episode_id": episode.episode_id,
        "shard": recording.shard,
        "split": episode.split,
        "text": episode.text,
        "scene": episode.scene,
        "n_rows": episode.frames,
        "fps": episode.fps,
        "file": path.name,
        "digest": recording.content,
        "footage": footage,
    }


def _remove_others(folder: Path, named: set[str]) -> None:
    for path in folder.glob("*.safetensors"):
        if path.name not in named:
            path.unlink()
