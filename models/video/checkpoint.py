"""Checkpoint folders in the layout of diffusers: found, checked before anything is loaded, named by their content.

What class a part has is decided by the adapter, never by the folder: its model_index.json is only compared.
"""

import hashlib
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from models.weights import check_filled, check_whole, fingerprint, read_json, weight_files
from storage.json_files import parse_json

INDEX = "model_index.json"
TOKENIZERS = ("tokenizer.json", "tokenizer_config.json", "spiece.model", "tokenizer.model", "vocab.json")
CONFIGS = {
    "weights": "config.json",
    "config": "config.json",
    "scheduler": "scheduler_config.json",
    "processor": "preprocessor_config.json",
}


@dataclass(frozen=True)
class Checkpoint:
    """A folder of parts. `commit` names its content when it came from the Hub; a local folder has none."""

    root: Path
    source: str
    commit: str | None = None

    def index(self) -> dict:
        """model_index.json: the pipeline's class, its parts' classes and its own settings."""
        return read_json(self.root / INDEX)

    def config(self, part: str, kind: str = "weights") -> dict:
        return read_json(self.root / part / CONFIGS[kind])

    def has(self, part: str) -> bool:
        """Whether the checkpoint lists `part` (an optional one is listed as [null, null]) or holds its folder."""
        listed = self.index().get(part)
        return (isinstance(listed, list) and any(listed)) or (self.root / part).is_dir()

    def check(self, parts: Mapping[str, str]) -> None:
        """Raises FileNotFoundError or ValueError unless every part (name -> weights, scheduler, tokenizer, processor)
        is there whole."""
        missing = [part for part in parts if not (self.root / part).is_dir()]
        if missing:
            raise FileNotFoundError(
                f"{self.source} has no {', '.join(f'{part}/' for part in missing)}: give a diffusers folder with "
                f"{', '.join(f'{part}/' for part in parts)}"
            )
        for part, kind in parts.items():
            if kind == "tokenizer":
                if not any((self.root / part / name).is_file() for name in TOKENIZERS):
                    raise FileNotFoundError(f"{self.root / part} has no tokenizer: it needs one of {TOKENIZERS}")
                for file in sorted((self.root / part).glob("*.json")):
                    parse_json(file.read_bytes(), str(file))
                continue
            self.config(part, kind)
            if kind == "weights":
                for file in weight_files(self.root / part):
                    check_whole(file)

    def load(self, part: str, cls: type, dtype, device):
        """The part as `cls` (of diffusers or transformers), in `dtype` on `device`, frozen and in evaluation mode.

        Raises ValueError when the config names another class, or when its weights do not fill every parameter: the
        libraries only warn and leave what is missing random.
        """
        self._check_class(part, cls, self.config(part))
        model, report = cls.from_pretrained(
            self.root / part,
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
            **{"dtype" if cls.__module__.startswith("transformers") else "torch_dtype": dtype},
        )
        check_filled(report, self.root / part)
        return model.eval().requires_grad_(False).to(device)

    def load_scheduler(self, *classes: type):
        """The scheduler, whichever of `classes` its config names; raises ValueError for any other."""
        saved = self.config("scheduler", "scheduler").get("_class_name")
        for cls in classes:
            if cls.__name__ == saved:
                return cls.from_pretrained(self.root / "scheduler", local_files_only=True)
        known = " or ".join(cls.__name__ for cls in classes)
        raise ValueError(f"{self.source} has the scheduler {saved!r}: only {known} is supported")

    def load_tokenizer(self, part: str):
        from transformers import AutoTokenizer

        # Said outright: by default it asks on the terminal whether the folder's own code shall run.
        return AutoTokenizer.from_pretrained(self.root / part, local_files_only=True, trust_remote_code=False)

    def full_config(self, part: str, cls: type) -> dict:
        """The part's config with the defaults of diffusers' `cls` for what it leaves out.

        Raises ValueError when the config names another class.
        """
        config = self.config(part)
        self._check_class(part, cls, config)
        defaults = inspect.signature(cls.__init__).parameters.values()
        return {**{option.name: option.default for option in defaults if option.name != "self"}, **config}

    def _check_class(self, part: str, cls: type, config: dict) -> None:
        saved = config.get("_class_name", cls.__name__)
        if saved != cls.__name__:
            raise ValueError(f"{self.source}: {part} is a {saved}, but must be a {cls.__name__}")

    def content(self, parts: Mapping[str, str]) -> str:
        """A hash of what the parts hold, for cache keys.

        From the Hub: repository and commit. In a folder: the name and content of every file of every part, whole up to
        64 MiB; of larger ones the size, the header and 256 blocks of 64 KiB spread evenly, which catches any training
        that moved all weights, but not a hand-made change of a few numbers in between.
        """
        if self.commit:
            return hashlib.sha256(f"{self.source}@{self.commit}".encode()).hexdigest()
        files = [self.root / INDEX] if (self.root / INDEX).is_file() else []
        for part in sorted(parts):
            files += sorted(path for path in (self.root / part).rglob("*") if path.is_file())
        lines = [f"{path.relative_to(self.root).as_posix()} {fingerprint(path)}" for path in files]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@dataclass(frozen=True)
class PublishedConfigs(Checkpoint):
    """A checkpoint that is not here: `configs` of its parts from a table (models.video.facts.Published), no weights."""

    configs: Mapping[str, Mapping] = field(default_factory=dict)

    def index(self) -> dict:
        return dict(self.configs.get(INDEX, {}))

    def config(self, part: str, kind: str = "weights") -> dict:
        return dict(self.configs.get(part, {}))


def open_checkpoint(
    path: str,
    revision: str | None,
    parts: Mapping[str, str],
    weights: bool = True,
    index: str = INDEX,
    files: Sequence[str] = (),
) -> Checkpoint:
    """The folder `path`, or the Hub repository `owner/name` at `revision` in the Hub's own cache.

    `index` names the file that every such folder has. From the Hub only it, `files`, and the parts' configs, tokenizers
    and (with `weights`) safetensors are fetched. Raises FileNotFoundError when there is neither, ValueError for a
    revision of a local folder, huggingface_hub's errors when a download fails.
    """
    folder = Path(path).expanduser()
    if folder.is_dir():
        if revision is not None:
            raise ValueError(f"revision {revision!r} is set for the local folder {path}: it is only for Hub ids")
        if not (folder / index).is_file():
            raise FileNotFoundError(f"{path} has no {index}: give a folder in diffusers' layout")
        return Checkpoint(folder.resolve(), path)
    if path.count("/") != 1 or path.startswith((".", "/", "~")):
        raise FileNotFoundError(f"no folder {path!r}: give a diffusers folder or a Hub id owner/name")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    wanted = ("*.json", "*.jinja", "*.txt", "*.model", *(("*.safetensors",) if weights else ()))
    patterns = [index, *files, *(f"{part}/{name}" for part in parts for name in wanted)]
    try:
        root = Path(snapshot_download(path, revision=revision, allow_patterns=patterns))
    except (HfHubHTTPError, LocalEntryNotFoundError) as error:
        raise FileNotFoundError(f"{path!r} is no folder here, nor could it be downloaded: {error}") from error
    return Checkpoint(root, path, root.name)
