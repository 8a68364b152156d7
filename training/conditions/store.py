"""Reading encoded conditions: checked when they are opened, then read tensor by tensor from mapped files."""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.video.protocol import Condition, VideoShape
from storage.files import sha256_file
from storage.json_files import NotJson, parse_json, read_json

FORMAT = 1
MANIFEST, PAIRS, VIDEOS = "manifest.json", "pairs.jsonl", "videos.jsonl"
STATE = "state"  # the name of a video's latents beside its first frame's conditions
SHARD = re.compile(r"(images|prompts|videos)-\d{5}\.safetensors")
REMEDY = "materialise the asset `conditions` again"


class StaleConditions(ValueError):
    """Conditions of another model, dataset or format than the run wants."""


class DamagedConditions(ValueError):
    """A file of the conditions is missing, cut off or changed."""


@dataclass(frozen=True)
class Pair:
    """A task T and its solution D for one image, with the taxonomy's words for both."""

    pair_id: str
    image_id: str
    task: str
    solution: str
    task_type: str
    agent_category: str
    agent: str


def text_key(text: str) -> str:
    """What a prompt is stored under: the SHA-256 of its UTF-8 bytes."""
    return hashlib.sha256(text.encode()).hexdigest()


class ConditionStore:
    """The folder that `training.conditions.encoding.write_conditions` wrote.

    Raises FileNotFoundError where there is none, StaleConditions when `identity` (a model's) or `dataset_version` is
    given and another, DamagedConditions naming the file that is missing or not as written. With `verify` every file is
    hashed (about 1 GB/s); without, only sizes and headers are looked at: for the other processes of a run of which one
    has verified. Tensors come back on the CPU, equal to what the model encoded, in its own precision.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        identity: str | None = None,
        dataset_version: str | None = None,
        verify: bool = True,
    ):
        self.folder = Path(folder)
        manifest = self._manifest()
        try:
            self.identity: str = manifest["identity"]
            self.dataset_version: str = manifest["dataset_version"]
            self.shape = VideoShape(**manifest["video"])
            self.counts: dict[str, Any] = manifest["counts"]
            self._rows: dict[str, dict[str, dict]] = manifest["tensors"]
            files: dict[str, dict] = manifest["files"]
            self._refuse_stale(identity, dataset_version)
            self._where: dict[str, dict[str, Any]] = {"images": {}, "prompts": {}, "videos": {}}
            for name, facts in files.items():
                self._check(name, facts["bytes"], facts["sha256"], verify)
            self._splits: dict[str, list[Pair]] = {split: [] for split in self.counts["pairs"]}
        except (KeyError, TypeError, AttributeError) as error:
            raise DamagedConditions(f"{self.folder / MANIFEST} lacks {error}: {REMEDY}") from error
        names = {field.name for field in fields(Pair)}
        for row in self._lines(PAIRS, names | {"split"}):
            self._splits.setdefault(row.pop("split"), []).append(Pair(**row))
        self._tasks = {row["video_id"]: row["task"] for row in self._lines(VIDEOS, {"video_id", "task"})}

    def splits(self) -> dict[str, int]:
        """Pairs by split."""
        return {split: len(pairs) for split, pairs in self._splits.items()}

    def pairs(self, split: str) -> list[Pair]:
        """The pairs of a split in the order written. Raises KeyError for a split that is not there."""
        if split not in self._splits:
            raise KeyError(f"there is no split {split!r}: the conditions in {self.folder} have {sorted(self._splits)}")
        return list(self._splits[split])

    def executor(self, pairs: Sequence[Pair]) -> Condition:
        """Image and T of each pair: what the Executor is given, [B, ...]."""
        return self._images(pairs) | self._prompts([pair.task for pair in pairs])

    def demonstrator(self, pairs: Sequence[Pair]) -> Condition:
        """Image and D of each pair: what the Demonstrator is given, [B, ...]."""
        return self._images(pairs) | self._prompts([pair.solution for pair in pairs])

    def videos(self) -> list[tuple[str, str]]:
        """(video id, task) of every video for supervised fine-tuning, in the order written."""
        return list(self._tasks.items())

    def video_states(self, ids: Sequence[str]) -> Tensor:
        """The clean states at sigma = 0 of videos, [B, ...]."""
        return self._stack("videos", ids, [STATE])[STATE]

    def video_conditions(self, ids: Sequence[str]) -> Condition:
        """The first frame and the task of each video, [B, ...]."""
        names = [name for name in self._rows.get("videos", {}) if name != STATE]
        frames = Condition(self._stack("videos", ids, names))
        return frames | self._prompts([self._tasks[one] for one in ids])

    def _images(self, pairs: Sequence[Pair]) -> Condition:
        return Condition(self._stack("images", [pair.image_id for pair in pairs], list(self._rows["images"])))

    def _prompts(self, texts: Sequence[str]) -> Condition:
        keys = {text: text_key(text) for text in texts}
        shown = {key: f"the text {text[:60]!r}" for text, key in keys.items()}
        names = list(self._rows["prompts"])
        return Condition(self._stack("prompts", [keys[text] for text in texts], names, shown.__getitem__))

    def _stack(
        self, kind: str, ids: Sequence[str], names: Sequence[str], shown: Callable[[str], str] = repr
    ) -> dict[str, Tensor]:
        """name -> [B, ...]; each distinct id is read once."""
        read: dict[str, dict[str, Tensor]] = {}
        for one in ids:
            if one not in read:
                read[one] = {name: self._read(kind, one, name, shown) for name in names}
        return {name: torch.stack([read[one][name] for one in ids]) for name in names}

    def _read(self, kind: str, one: str, name: str, shown: Callable[[str], str]) -> Tensor:
        key = f"{one}/{name}"
        if key not in self._where[kind]:
            raise KeyError(f"the conditions in {self.folder} lack {name} of {shown(one)} ({kind}): {REMEDY}")
        tensor = self._where[kind][key].get_tensor(key)
        length = self._rows[kind][name]["shape"]
        if list(tensor.shape) == length:
            return tensor
        full = tensor.new_zeros(length)
        full[: len(tensor)] = tensor
        return full

    def _manifest(self) -> Mapping[str, Any]:
        path = self.folder / MANIFEST
        if not path.is_file():
            raise FileNotFoundError(f"there are no conditions in {self.folder}, which has no {MANIFEST}: {REMEDY}")
        try:
            manifest = read_json(path)
        except NotJson as error:
            raise DamagedConditions(f"{error}. {REMEDY}") from error
        if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
            found = manifest.get("format") if isinstance(manifest, dict) else type(manifest).__name__
            raise StaleConditions(f"{path} has format {found!r}, but this code reads {FORMAT}: {REMEDY}")
        return manifest

    def _refuse_stale(self, identity: str | None, dataset_version: str | None) -> None:
        wrong = [
            f"{what} {there!r}, but the run needs {wanted!r}"
            for what, there, wanted in (
                ("model", self.identity, identity),
                ("dataset version", self.dataset_version, dataset_version),
            )
            if wanted is not None and wanted != there
        ]
        if wrong:
            raise StaleConditions(f"the conditions in {self.folder} are of {'; of '.join(wrong)}: {REMEDY}")

    def _check(self, name: str, size: int, sha256: str, verify: bool) -> None:
        from safetensors import SafetensorError, safe_open

        shard = SHARD.fullmatch(name)
        if not shard and name not in (PAIRS, VIDEOS):
            raise DamagedConditions(f"{self.folder / MANIFEST} names {name!r}, not a file of conditions: {REMEDY}")
        path = self.folder / name
        if not path.is_file():
            raise DamagedConditions(f"{path} is missing: {REMEDY}")
        if path.stat().st_size != size:
            raise DamagedConditions(f"{path} has {path.stat().st_size} bytes, but {size} were written: {REMEDY}")
        if verify and sha256_file(path) != sha256:
            raise DamagedConditions(f"{path} has changed since it was written (its SHA-256 differs): {REMEDY}")
        if shard:
            try:
                file = safe_open(path, framework="pt", device="cpu")
            except SafetensorError as error:
                raise DamagedConditions(f"{path} is not a safetensors file ({error}): {REMEDY}") from error
            self._where[shard[1]].update(dict.fromkeys(file.keys(), file))

    def _lines(self, name: str, wanted: set[str]) -> Iterable[dict[str, str]]:
        path = self.folder / name
        try:
            lines = path.read_text(encoding="utf-8").split("\n")
            rows = [parse_json(line, f"line {number}") for number, line in enumerate(lines, 1) if line]
        except (OSError, ValueError) as error:
            raise DamagedConditions(f"{path} cannot be read ({error}): {REMEDY}") from error
        if any(not isinstance(row, dict) or row.keys() != wanted for row in rows):
            raise DamagedConditions(f"{path} has rows whose keys are not exactly {sorted(wanted)}: {REMEDY}")
        return rows
