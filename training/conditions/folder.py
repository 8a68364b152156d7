"""Where a collection's encoded conditions lie: a folder for each model, so that two do not replace each other's."""

import json
from pathlib import Path
from typing import Any

from models.video.options import VideoModelOptions
from storage.collection import Store
from storage.files import sha256_bytes
from storage.json_files import read_object

# Where and how fast, not what: conditions are the same on every device.
INCIDENTAL = {"device", "vae_batch"}


def conditions_folder(store: Store, model: VideoModelOptions) -> Path:
    settings = model.model_dump(mode="json", exclude=INCIDENTAL)
    digest = sha256_bytes(json.dumps(settings, sort_keys=True).encode())[:8]
    return store.conditions / f"{model.kind}-{digest}"


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """What the conditions in `folder` are of; None when there are none."""
    path = folder / "manifest.json"
    return read_object(path, "dataset_version", "identity") if path.exists() else None
