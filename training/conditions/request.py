"""What the encoder is told: where the dataset lies, what to encode, and what decides the result."""

import json
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

from storage.collection import Store
from storage.files import sha256_bytes
from training.conditions.folder import conditions_folder
from training.conditions.options import ConditionsOptions

# Changes when the same input gives other conditions. By hand: encoding takes hours of a GPU, so nothing is encoded
# again because the code was put in order.
VERSION = "3"


class NoRelease(RuntimeError):
    """No release of the dataset was chosen yet."""


def encoding_request(
    store: Store, options: ConditionsOptions, vlm: BaseModel, labels: Any, clips: Callable[[], list[tuple[dict, str]]]
) -> dict[str, Any]:
    """Everything that the encoder needs to know, as JSON values.

    `vlm` (options) labels windows of `clips()`, rows with their files, where `options` ask for them; `labels` (JSON) is
    what decides the labels. Raises NoRelease.
    """
    release = store.pinned_release()
    if release is None:
        raise NoRelease("no release is chosen: materialise `training_data` first")
    decides: list[Any] = [VERSION, options.most_cropped, options.held_out.model_dump(mode="json")]
    job: dict[str, Any] = {
        "options": options.model_dump(mode="json"),
        "tree": release["tree"],
        "folder": str(store.folder),
        "out": str(conditions_folder(store, options.model)),
    }
    if options.sft_videos.count:
        decides += [options.sft_videos.model_dump(mode="json"), labels]
        job |= {
            "vlm": vlm.model_dump(mode="json"),
            "clips": clips(),
            "journal": str(store.journal("conditions", "sft_videos")),
        }
    digest = sha256_bytes(json.dumps(decides, sort_keys=True).encode())[:8]
    return job | {"dataset_version": f"{release['version']}+{digest}"}
