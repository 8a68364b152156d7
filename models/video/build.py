"""From options to a video model, its identity, and what it costs."""

import hashlib
import json
from collections.abc import Mapping

import torch

from models.video import hunyuan15, ltx2_parts, wan_parts
from models.video.loading import Checkpoint, open_checkpoint
from models.video.options import LTX2Options, VideoModelOptions
from models.video.protocol import VideoModel, VideoShape

ADAPTERS = {"wan": wan_parts, "ltx2": ltx2_parts, "hunyuan15": hunyuan15}
TRANSFORMERS = {
    "wan": "WanTransformer3DModel",
    "ltx2": "LTX2VideoTransformer3DModel",
    "hunyuan15": "HunyuanVideo15Transformer3DModel",
}
ENCODING = 1  # raised when an adapter encodes the same input otherwise than before


def build_video_model(options: VideoModelOptions, encoders: bool = True) -> VideoModel:
    """The model, frozen, on its device. Without `encoders` text and image encoders are never read: conditions then come
    from a cache (their files must be there all the same: the identity names them).

    Raises FileNotFoundError (no checkpoint, or a part or shard is missing) and ValueError (parts that do not fit each
    other, the kind or the asked shape) before any weights are loaded.
    """
    adapter = ADAPTERS[options.kind]
    checkpoint, parts = _open(options)
    checkpoint.check(parts)
    extra = {"options": options.ltx2 or LTX2Options()} if options.kind == "ltx2" else {}
    return adapter.load(
        checkpoint,
        shape_of(options),
        identity_of(options, checkpoint, parts),
        _device(options.device),
        getattr(torch, options.dtype),
        encoders,
        _prompt_tokens(options),
        options.vae_batch,
        **extra,
    )


def identity_of(options: VideoModelOptions, checkpoint: Checkpoint, parts: dict[str, str]) -> str:
    """`kind:` and 16 hexadecimal digits over the content of every part (see `Checkpoint.content`) and the options that
    change encodings. The same with and without encoders, on any device, in any folder."""
    settings = options.model_dump(mode="json", include={"frames", "height", "width", "fps", "dtype"})
    settings["max_prompt_tokens"] = _prompt_tokens(options)
    if options.kind == "ltx2":
        settings["image_crf"] = (options.ltx2 or LTX2Options()).image_crf
    text = json.dumps([ENCODING, settings, checkpoint.content(parts)], sort_keys=True)
    return f"{options.kind}:{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def identify(options: VideoModelOptions) -> str:
    """The identity that `build_video_model` would give the model, without loading it. Raises as that does."""
    checkpoint, parts = _open(options)
    checkpoint.check(parts)
    return identity_of(options, checkpoint, parts)


def describe(options: VideoModelOptions) -> dict:
    """What a cost planner needs, from configs alone: no weights are read or fetched.

    kind, frames, height, width, fps; of the transformer: parameters, layers, hidden_size, ffn_size; of one video:
    tokens (of the picture), audio_tokens, context_tokens (prompt and image), joint_context (whether the context lies in
    the same attention as the video, or is attended to crosswise), state_size (numbers in one state). Raises as
    `build_video_model` does for shapes that do not fit.
    """
    checkpoint, _ = _open(options, weights=False)
    shape = options.model_dump(include={"kind", "frames", "height", "width", "fps"})
    return {**shape, **ADAPTERS[options.kind].facts(checkpoint, shape_of(options), _prompt_tokens(options))}


def skeleton(options: VideoModelOptions) -> torch.nn.Module:
    """The denoiser on torch's meta device: every layer with its shape, no memory. From configs alone, as `describe`."""
    checkpoint, _ = _open(options, weights=False)
    return empty_transformer(options.kind, checkpoint.config("transformer"))


def empty_transformer(kind: str, config: Mapping) -> torch.nn.Module:
    """diffusers' denoiser of this kind with these arguments (the class's own defaults otherwise), on meta."""
    import diffusers

    with torch.device("meta"):
        return getattr(diffusers, TRANSFORMERS[kind]).from_config(
            {name: value for name, value in config.items() if not name.startswith("_")}
        )


def shape_of(options: VideoModelOptions) -> VideoShape:
    return VideoShape(options.frames, options.height, options.width, options.fps)


def _prompt_tokens(options: VideoModelOptions) -> int:
    return options.max_prompt_tokens or ADAPTERS[options.kind].PROMPT_TOKENS


def _open(options: VideoModelOptions, weights: bool = True) -> tuple[Checkpoint, dict[str, str]]:
    """The checkpoint and the parts it needs. Which these are depends on its configs, so those are fetched first."""
    adapter = ADAPTERS[options.kind]
    checkpoint = open_checkpoint(options.path, options.revision, adapter.PARTS, weights=False)
    parts = adapter.part_kinds(checkpoint)
    if weights and checkpoint.commit:
        checkpoint = open_checkpoint(options.path, checkpoint.commit, parts)
    return checkpoint, parts


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("device: cuda was asked for, and torch sees none: use auto or cpu")
    return torch.device(name)
