"""The parts of a HunyuanVideo-1.5 checkpoint: whether they fit each other and the asked shape, their cost, loaded."""

from collections.abc import Mapping

import torch

from models.video.checkpoint import Checkpoint
from models.video.facts import Asked
from models.video.hunyuan15.adapter import GLYPH_TOKENS, Hunyuan15, latent_shape
from models.video.hunyuan15.facts import VAE_FACTS
from models.video.pixels import check_size
from models.video.protocol import VideoShape

PARTS = {
    "transformer": "weights",
    "vae": "weights",
    "scheduler": "scheduler",
    "text_encoder": "weights",
    "tokenizer": "tokenizer",
    "text_encoder_2": "weights",
    "tokenizer_2": "tokenizer",
    "image_encoder": "weights",
    "feature_extractor": "processor",
}


def check_fit(transformer: Mapping, vae: Mapping, shape: VideoShape) -> None:
    """Raises ValueError unless the configs belong to one image-to-video model that can make videos of `shape`."""
    if transformer["use_meanflow"]:
        raise ValueError("the transformer has use_meanflow and predicts means over a step: give a plain checkpoint")
    if transformer["task_type"] != "i2v":
        raise ValueError(f"the transformer's task_type is {transformer['task_type']!r}: it must be 'i2v'")
    if transformer["patch_size_t"] != 1:
        raise ValueError(f"the transformer's patch_size_t is {transformer['patch_size_t']}: it must be 1")
    spatial = vae["spatial_compression_ratio"] * transformer["patch_size"]
    check_size(shape, spatial, vae["temporal_compression_ratio"], "HunyuanVideo-1.5")
    wanted = 2 * vae["latent_channels"] + 1
    if transformer["in_channels"] != wanted:
        raise ValueError(
            f"the transformer takes {transformer['in_channels']} channels, but the VAE's latents need {wanted}"
        )


def part_kinds(checkpoint: Checkpoint) -> dict[str, str]:
    """Every part the checkpoint needs: name -> kind, as `Checkpoint.check` takes them."""
    return dict(PARTS)


def read_configs(checkpoint: Checkpoint) -> tuple[dict, dict]:
    """(transformer, vae), with the classes' own defaults for what is left out."""
    from diffusers import AutoencoderKLHunyuanVideo15, HunyuanVideo15Transformer3DModel

    transformer = checkpoint.full_config("transformer", HunyuanVideo15Transformer3DModel)
    return transformer, checkpoint.full_config("vae", AutoencoderKLHunyuanVideo15)


def describe(checkpoint: Checkpoint, options: Asked) -> dict:
    """What models.video.facts.Description holds, but for what the layers tell."""
    transformer, vae = read_configs(checkpoint)
    check_fit(transformer, vae, options.shape)
    channels, frames, height, width = latent_shape(vae, options.shape)
    patch = transformer["patch_size"]
    hidden = transformer["num_attention_heads"] * transformer["attention_head_dim"]
    vision = checkpoint.config("image_encoder")
    image_tokens = (vision.get("image_size", 224) // vision.get("patch_size", 16)) ** 2
    return {
        "hidden": hidden,
        "ffn": int(hidden * transformer["mlp_ratio"]),
        "depth": transformer["num_layers"],
        "tokens": frames * (height // patch) * (width // patch),
        "audio_tokens": 0,
        "context_tokens": options.prompt_tokens + GLYPH_TOKENS + image_tokens,
        "joint_context": True,
        "state_size": channels * frames * height * width,
        "vae": VAE_FACTS,
    }


def load(checkpoint: Checkpoint, options: Asked, identity: str, device: torch.device, encoders: bool) -> Hunyuan15:
    """From a checkpoint that `Checkpoint.check` has passed. `vae_batch` is always 1 (see VAE_BATCH)."""
    from diffusers import (
        AutoencoderKLHunyuanVideo15,
        FlowMatchEulerDiscreteScheduler,
        HunyuanVideo15Transformer3DModel,
    )

    transformer, vae = read_configs(checkpoint)
    check_fit(transformer, vae, options.shape)
    dtype = getattr(torch, options.dtype)
    parts = {
        "transformer": checkpoint.load("transformer", HunyuanVideo15Transformer3DModel, dtype, device),
        "vae": checkpoint.load("vae", AutoencoderKLHunyuanVideo15, dtype, device),
        "scheduler": checkpoint.load_scheduler(FlowMatchEulerDiscreteScheduler),
    }
    if encoders:
        from transformers import Qwen2_5_VLTextModel, SiglipImageProcessor, SiglipVisionModel, T5EncoderModel

        parts["text_encoder"] = checkpoint.load("text_encoder", Qwen2_5_VLTextModel, dtype, device)
        parts["tokenizer"] = checkpoint.load_tokenizer("tokenizer")
        parts["text_encoder_2"] = checkpoint.load("text_encoder_2", T5EncoderModel, dtype, device)
        parts["tokenizer_2"] = checkpoint.load_tokenizer("tokenizer_2")
        parts["image_encoder"] = checkpoint.load("image_encoder", SiglipVisionModel, dtype, device)
        parts["feature_extractor"] = SiglipImageProcessor.from_pretrained(checkpoint.root / "feature_extractor")
    return Hunyuan15(parts, options.shape, identity, device, options.prompt_tokens)
