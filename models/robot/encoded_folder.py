"""Where a collection's encoded episodes lie: a folder for each VAE, set of views and size."""

import json
from pathlib import Path

from models.robot.options import RobotModelOptions
from storage.collection import Store
from storage.files import sha256_bytes

DECIDES = {"kind", "path", "revision", "views", "height", "width"}


def encoded_folder(store: Store, model: RobotModelOptions) -> Path:
    """The folder that the asset `episode_latents` fills and training reads, whether it is there yet or not."""
    settings = model.model_dump(mode="json", include=DECIDES)
    digest = sha256_bytes(json.dumps(settings, sort_keys=True).encode())[:8]
    return store.episode_latents / f"{model.kind}-{digest}"
