"""Final weights as a diffusers LoRA folder: pytorch_lora_weights.safetensors, a model card, the scores.

Tensors that were trained whole lie beside it in whole_tensors.safetensors.

The file is written by diffusers' own code, with the adapter's rank and alpha in its metadata, so that the pipeline's
`load_lora_weights` gives the very policy that was trained.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.video.facts import Family
from models.video.whole_tensors import WHOLE, write_whole
from storage.folders import building
from storage.hub import errors_without
from training.policies.card import CardFacts, model_card
from training.policies.lora import Policies

WEIGHTS, CARD, SCORES = "pytorch_lora_weights.safetensors", "README.md", "scores.json"


@dataclass(frozen=True)
class Exported:
    """A written LoRA folder: its trained tensors and their bytes in the file."""

    folder: Path
    tensors: int
    bytes: int


def export_lora(policies: Policies, name: str, out: Path, *, family: Family, card: CardFacts) -> Exported:
    """Writes the adapter `name` into the folder `out`, which is replaced whole.

    Keys are "transformer.<layer>.lora_A.weight", float32 as trained. `family` is the base model's. Raises KeyError for
    an unknown adapter, ValueError for a pipeline class that diffusers does not have.
    """
    with building(out) as folder:
        tensors = write_weights(policies, name, folder, family)
        text = model_card(card, family, lora_writer(family.pipeline)[1], WEIGHTS, WHOLE if policies.whole else "")
        (folder / CARD).write_text(text, encoding="utf-8")
        scores = json.dumps(dict(card.numbers), indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
        (folder / SCORES).write_text(scores + "\n", encoding="utf-8")
        size = (folder / WEIGHTS).stat().st_size
    return Exported(out, tensors, size)


def write_weights(policies: Policies, name: str, folder: Path, family: Family) -> int:
    """Writes the adapter's weights alone into `folder`, and returns how many tensors; errors as `export_lora`."""
    import diffusers
    from peft import get_peft_model_state_dict

    if name not in policies.names:
        raise KeyError(f"there is no adapter {name!r}: choose from {list(policies.names)}")
    if not isinstance(getattr(diffusers, family.pipeline, None), type):
        raise ValueError(f"diffusers has no pipeline class {family.pipeline!r}: install a version that has it")
    tensors = get_peft_model_state_dict(policies.transformer, adapter_name=name)
    tensors = {key: tensor.detach().cpu().contiguous() for key, tensor in sorted(tensors.items())}
    lora_writer(family.pipeline)[0].save_lora_weights(
        folder,
        transformer_lora_layers=tensors,
        transformer_lora_adapter_metadata=adapter_metadata(policies.transformer.peft_config[name]),
    )
    sort_metadata(folder / WEIGHTS)
    named = policies.named(name)
    write_whole({key: named[key] for key in policies.whole}, folder)
    return len(tensors) + len(policies.whole)


def lora_writer(pipeline_class: str) -> tuple[type, bool]:
    """The class whose `save_lora_weights` writes the file, and whether the pipeline itself can load it.

    HunyuanVideo-1.5's pipeline has no LoRA methods in diffusers 0.42; its transformer loads what the other pipelines of
    one transformer write.
    """
    import diffusers
    from diffusers.loaders.lora_pipeline import WanLoraLoaderMixin

    pipeline = getattr(diffusers, pipeline_class)
    loads_itself = hasattr(pipeline, "save_lora_weights")
    return (pipeline if loads_itself else WanLoraLoaderMixin), loads_itself


def adapter_metadata(config: Any) -> dict[str, Any]:
    """peft's LoraConfig as JSON in a fixed order: as a set, its targets would come in another order in each process."""
    told = {key: sorted(value) if isinstance(value, set) else value for key, value in config.to_dict().items()}
    return {key: getattr(value, "value", value) for key, value in told.items()}


def sort_metadata(path: Path) -> None:
    """Rewrites the header of a safetensors file with its metadata in order of names: as written, it is random."""
    data = path.read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # tensors begin at a multiple of 8 bytes
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[end:])


def push(folder: Path, repo_id: str, private: bool, api: Any = None) -> str:
    """Uploads an exported folder to a model repository of the Hub, in one commit; returns its address.

    The token comes from the environment variable HF_TOKEN and nowhere else. `private` only counts for a repository that
    is created here. Raises ValueError without token or for a folder without weights, PushFailed for whatever the Hub
    and the network do. `api`: an HfApi, for tests.
    """
    token = os.environ.get("HF_TOKEN", "")
    if not token:
        raise ValueError("the Hub token is empty: set the environment variable HF_TOKEN")
    missing = [name for name in (WEIGHTS, CARD) if not (folder / name).is_file()]
    if missing:
        raise ValueError(f"{folder} has no {' and no '.join(missing)}: give the folder final/ of a training run")
    with errors_without(token):
        if api is None:
            from huggingface_hub import HfApi

            api = HfApi(token=token)
        api.create_repo(repo_id=repo_id, repo_type="model", private=private, exist_ok=True)
        commit = api.upload_folder(
            repo_id=repo_id,
            repo_type="model",
            folder_path=folder,
            commit_message=f"LoRA {folder.name}",
            allow_patterns=[WEIGHTS, *([WHOLE] if (folder / WHOLE).is_file() else []), CARD, SCORES],
        )
        return f"https://huggingface.co/{repo_id}/tree/{commit.oid}"
