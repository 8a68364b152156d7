"""Encoded episodes on disk, read with NumPy alone: what training and rollouts read in place of videos.

    manifest.json            what they are of: model, version, contract, sizes, a line for each episode
    statistics.json          what the states are normalised by
    episodes/KEY.safetensors of one episode: `latents` [n, V, C, h, w], `states` float64 [n, D], and `frames` uint8
                             [n, V, H, W, 3] unless they are read from the videos

KEY names the content: the recording, the encoder and the sizes (robots/write_encoded.py). Frames are the recorded
pixels at the model's size, never decoded latents. Rows are the episode's own, at its own rate.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError, safe_open

from robots.episode import Footage
from robots.frames import read_frames
from storage.damage import Damaged
from storage.files import confined
from storage.notes import read_note

if TYPE_CHECKING:
    from robots.statistics import Statistics

FORMAT = 1
MANIFEST, STATISTICS = "manifest.json", "statistics.json"
SUM = "sha256"
REMEDY = "materialize episode_latents again"
OPEN_FILES = 64


class NotEncoded(ValueError):
    """A folder holds no encoded episodes, or not the one asked for; the message names it."""


@dataclass(frozen=True)
class EncodedEpisode:
    """One episode as it was encoded. n_rows: its rows; states are read when they are first asked for."""

    episode_id: str
    split: str
    text: str
    scene: str
    n_rows: int
    fps: float
    path: Path
    footage: tuple[Footage, ...]  # in the order of the store's views
    stored: bool  # whether its frames lie in its file

    @cached_property
    def states(self) -> np.ndarray:
        """float64 [n_rows, D], in the contract's units, not normalised."""
        return _opened(self.path).get_tensor("states")


class EpisodeStore:
    """The encoded episodes of `folder`. Raises NotEncoded for a folder without, Damaged for a spoilt file."""

    def __init__(self, folder: Path):
        self.folder = Path(folder)
        path = self.folder / MANIFEST
        if not path.is_file():
            raise NotEncoded(f"{self.folder} holds no encoded episodes (no {MANIFEST}): materialize episode_latents")
        self.manifest = read_note(path, REMEDY)
        if self.manifest.get("format") != FORMAT:
            raise Damaged(path, f"format {self.manifest.get('format')!r}, {FORMAT} is read here", REMEDY)
        self._episodes = {line["episode_id"]: self._episode(line) for line in self.manifest["episodes"]}

    def _episode(self, line: Mapping[str, Any]) -> EncodedEpisode:
        given = {name: line[name] for name in ("episode_id", "split", "text", "scene", "n_rows", "fps")}
        footage = tuple(Footage(**{**one, "path": Path(one["path"])}) for one in line["footage"])
        path = confined(self.folder / "episodes", line["file"])
        return EncodedEpisode(**given, path=path, footage=footage, stored=self.manifest["pixels"] == "stored")

    @property
    def identity(self) -> str:
        """`latents_identity` of the model that encoded them."""
        return self.manifest["identity"]

    @property
    def version(self) -> str:
        """A hash of all that was encoded: changes with every episode, split, text, statistic or model."""
        return self.manifest["version"]

    @property
    def contract(self) -> str:
        """The name of the robot's action contract."""
        return self.manifest["contract"]

    @property
    def views(self) -> tuple[str, ...]:
        return tuple(self.manifest["views"])

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of a view in pixels."""
        return self.manifest["height"], self.manifest["width"]

    @property
    def left_out(self) -> list[dict[str, str]]:
        """{episode_id, rule, message} of kept episodes that could not be encoded: a frame was damaged, say."""
        return self.manifest["left_out"]

    @cached_property
    def statistics(self) -> "Statistics":
        from robots.statistics import read_statistics

        return read_statistics(self.folder / STATISTICS)

    def episodes(self, split: str | None = None) -> list[EncodedEpisode]:
        """The episodes of a split, or all, in the manifest's order. Raises NotEncoded for a split without any."""
        found = [one for one in self._episodes.values() if split is None or one.split == split]
        if not found:
            splits = sorted({one.split for one in self._episodes.values()})
            raise NotEncoded(f"{self.folder} has no episode of split {split!r}: its splits are {', '.join(splits)}")
        return found

    def episode(self, episode_id: str) -> EncodedEpisode:
        if episode_id not in self._episodes:
            raise NotEncoded(f"{self.folder} has no episode {episode_id!r}: it has {len(self._episodes)} others")
        return self._episodes[episode_id]

    def latents(self, episode_id: str, rows: Sequence[int]) -> np.ndarray:
        """Scaled latents of `rows` in their order, float32 [len, V, C, h, w]. Raises IndexError for an absent row."""
        return self._rows(episode_id, "latents", rows).astype(np.float32, copy=False)

    def frames(self, episode_id: str, rows: Sequence[int]) -> np.ndarray:
        """Recorded frames of `rows` at the model's size, uint8 [len, V, H, W, 3] RGB. Raises as `latents`."""
        episode = self.episode(episode_id)
        if episode.stored:
            return self._rows(episode_id, "frames", rows)
        rows = _checked(episode, rows)
        return np.stack([read_frames(one, rows, episode.fps, self.size) for one in episode.footage], axis=1)

    def _rows(self, episode_id: str, name: str, rows: Sequence[int]) -> np.ndarray:
        episode = self.episode(episode_id)
        places, order = np.unique(_checked(episode, rows), return_inverse=True)
        stored = _opened(episode.path).get_slice(name)
        # A stretch of neighbours is one read; rows far apart are read one by one.
        breaks = np.flatnonzero(np.diff(places) > 1) + 1
        read = [stored[int(part[0]) : int(part[-1]) + 1] for part in np.split(places, breaks)]
        return np.concatenate(read)[order]


def _checked(episode: EncodedEpisode, rows: Sequence[int]) -> np.ndarray:
    found = np.asarray(rows, np.int64)
    if not len(found):
        raise IndexError(f"no rows of episode {episode.episode_id!r} are asked for: name one at least")
    wrong = found[(found < 0) | (found >= episode.n_rows)]
    if len(wrong):
        last = episode.n_rows - 1
        raise IndexError(f"episode {episode.episode_id!r} has no row {wrong[0]}: its rows are 0 to {last}")
    return found


def checksum(tensors: Mapping[str, np.ndarray]) -> str:
    """A SHA-256 over names, dtypes, shapes and values."""
    total = hashlib.sha256()
    for name in sorted(tensors):
        array = np.ascontiguousarray(tensors[name])
        total.update(json.dumps([name, array.dtype.str, list(array.shape)]).encode())
        total.update(array.data)
    return total.hexdigest()


def _opened(path: Path) -> safe_open:
    """The file of an episode, mapped into memory. Raises Damaged, also for a file that is gone."""
    try:
        status = path.stat()
    except FileNotFoundError as error:
        raise Damaged(path, "it is gone", REMEDY) from error
    return _handle(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=OPEN_FILES)
def _handle(path: Path, size: int, mtime_ns: int) -> safe_open:
    _check_sum(path, size, mtime_ns)
    return safe_open(path, framework="np")


@cache
def _check_sum(path: Path, size: int, mtime_ns: int) -> None:
    """Reads all of a file, once in a process. Raises Damaged where it is not what was written."""
    try:
        handle = safe_open(path, framework="np")
        found = checksum({name: handle.get_tensor(name) for name in handle.keys()})  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise Damaged(path, str(error), REMEDY) from error
    if (handle.metadata() or {}).get(SUM) != found:
        raise Damaged(path, "its content is not what was written", REMEDY)


def intact(path: Path) -> bool:
    """Whether an episode's file is there and holds what was written. A damaged one raises Damaged."""
    if not path.exists():
        return False
    _opened(path)
    return True
