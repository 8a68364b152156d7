"""From options to a video model, its identity, and what it costs."""

import hashlib
import json
from importlib import import_module
from types import ModuleType

import torch
from torch import nn

from models.video.checkpoint import Checkpoint, open_checkpoint
from models.video.facts import Description
from models.video.options import VideoModelOptions
from models.video.protocol import VideoModel

ENCODING = 1  # raised when an adapter encodes the same input otherwise than before


def build_video_model(options: VideoModelOptions, encoders: bool = True) -> VideoModel:
    """The model, frozen, on its device. Without `encoders` text and image encoders are never read: conditions then come
    from a cache (their files must be there all the same: the identity names them).

    Raises FileNotFoundError (no checkpoint, or a part or shard is missing) and ValueError (parts that do not fit each
    other, the kind or the asked shape) before any weights are loaded.
    """
    checkpoint, parts = _open(options)
    checkpoint.check(parts)
    identity = identity_of(options, checkpoint, parts)
    return _parts(options).load(checkpoint, options, identity, device_of(options.device), encoders)


def identity_of(options: VideoModelOptions, checkpoint: Checkpoint, parts: dict[str, str]) -> str:
    """`kind:` and 16 hexadecimal digits over the content of every part (see `Checkpoint.content`) and the options that
    change encodings. The same with and without encoders, on any device, in any folder."""
    settings = options.model_dump(mode="json", include={"frames", "height", "width", "fps", "dtype"})
    settings["max_prompt_tokens"] = options.prompt_tokens
    settings |= options.own.encoding() if options.own else {}
    text = json.dumps([ENCODING, settings, checkpoint.content(parts)], sort_keys=True)
    return f"{options.kind}:{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def identify(options: VideoModelOptions) -> str:
    """The identity that `build_video_model` would give the model, without loading it. Raises as that does."""
    checkpoint, parts = _open(options)
    checkpoint.check(parts)
    return identity_of(options, checkpoint, parts)


def describe(options: VideoModelOptions, checkpoint: Checkpoint | None = None) -> Description:
    """What a cost planner needs, from configs alone: no weights are read or fetched.

    `checkpoint` stands in for the one that the options name. Raises as `build_video_model` does for shapes that do not
    fit.
    """
    checkpoint = checkpoint or _open(options, weights=False)[0]
    found = _parts(options).describe(checkpoint, options)
    transformer = skeleton(options, checkpoint)
    linear = {name: layer for name, layer in transformer.named_modules() if isinstance(layer, nn.Linear)}
    return Description(
        kind=options.kind,
        parameters=sum(parameter.numel() for parameter in transformer.parameters()),
        pixels=options.frames * options.height * options.width,
        layers={name: (layer.in_features, layer.out_features) for name, layer in linear.items()},
        tensors={name: tuple(parameter.shape) for name, parameter in transformer.named_parameters()},
        **found,
    )


def skeleton(options: VideoModelOptions, checkpoint: Checkpoint | None = None) -> nn.Module:
    """The denoiser on torch's meta device: every layer with its shape, no memory. From configs alone, as `describe`."""
    import diffusers

    config = (checkpoint or _open(options, weights=False)[0]).config("transformer")
    with torch.device("meta"):
        return getattr(diffusers, options.family.transformer).from_config(
            {name: value for name, value in config.items() if not name.startswith("_")}
        )


def _parts(options: VideoModelOptions) -> ModuleType:
    return import_module(f"models.video.{options.kind}.parts")


def _open(options: VideoModelOptions, weights: bool = True) -> tuple[Checkpoint, dict[str, str]]:
    """The checkpoint and the parts it needs. Which these are depends on its configs, so those are fetched first."""
    adapter = _parts(options)
    checkpoint = open_checkpoint(options.path, options.revision, adapter.PARTS, weights=False)
    parts = adapter.part_kinds(checkpoint)
    if weights and checkpoint.commit:
        checkpoint = open_checkpoint(options.path, checkpoint.commit, parts)
    return checkpoint, parts


def device_of(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("device is cuda, but torch sees no GPU: use auto or cpu")
    return torch.device(name)
