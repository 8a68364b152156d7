"""The parts of an LTX-2 checkpoint: whether they fit each other and the asked shape, what they cost, loaded."""

from collections.abc import Mapping

import torch

from models.video.checkpoint import Checkpoint
from models.video.facts import Asked
from models.video.ltx2.adapter import LTX2, latent_shape
from models.video.ltx2.facts import VAE_FACTS
from models.video.pixels import check_size
from models.video.protocol import VideoShape

AUDIO_COMPRESSION = 4  # of AutoencoderKLLTX2Audio, in time and in mel bins
PARTS = {
    "transformer": "weights",
    "vae": "weights",
    "audio_vae": "config",
    "connectors": "weights",
    "scheduler": "scheduler",
    "text_encoder": "weights",
    "tokenizer": "tokenizer",
}


def vae_compression(vae: Mapping) -> tuple[int, int, int]:
    """Frames, height and width in one latent: said by the config, or what AutoencoderKLLTX2Video derives from it."""
    scaling = vae["spatio_temporal_scaling"]
    halvings = len(vae["block_out_channels"]) * scaling if isinstance(scaling, bool) else sum(scaling)
    side = vae["spatial_compression_ratio"] or vae["patch_size"] * 2**halvings
    return (vae["temporal_compression_ratio"] or vae["patch_size_t"] * 2**halvings, side, side)


def audio_latent_shape(audio_vae: Mapping, shape: VideoShape) -> tuple[int, int, int]:
    """(C, L, M) of the audio's latents: as many seconds as the video."""
    rate = audio_vae["sample_rate"] / audio_vae["mel_hop_length"] / AUDIO_COMPRESSION  # latents a second
    return (
        audio_vae["latent_channels"],
        round(shape.frames / shape.fps * rate),
        audio_vae["mel_bins"] // AUDIO_COMPRESSION,
    )


def check_fit(configs: Mapping[str, Mapping], shape: VideoShape, max_prompt_tokens: int) -> None:
    """Raises ValueError unless the configs belong to one model that can make videos of `shape`."""
    transformer, audio = configs["transformer"], audio_latent_shape(configs["audio_vae"], shape)
    if (transformer["patch_size"], transformer["patch_size_t"]) != (1, 1):
        raise ValueError("the transformer's patch_size and patch_size_t must be 1, as in all LTX-2 checkpoints")
    steps, rows, columns = transformer["vae_scale_factors"]
    compression = vae_compression(configs["vae"])
    if compression != (steps, rows, columns):
        raise ValueError(
            f"the VAE compresses frames, height and width by {compression}, but the transformer expects "
            f"{(steps, rows, columns)}: are they from one checkpoint?"
        )
    check_size(shape, rows, steps, "LTX-2")
    if min(shape.height, shape.width) < 2 * rows:
        raise ValueError(
            f"{shape.height}x{shape.width} pixels: use at least {2 * rows} each way, because edges are mirrored"
        )
    if not audio[1]:
        raise ValueError(f"{shape.frames} frames at {shape.fps} a second are too short to carry any audio latent")
    if audio[0] * audio[2] != transformer["audio_in_channels"]:
        raise ValueError(
            f"audio_vae makes {audio[0]} x {audio[2]} numbers a latent, but the transformer takes "
            f"{transformer['audio_in_channels']}: are they from one checkpoint?"
        )
    for stream in ("video", "audio"):
        registers = configs["connectors"][f"{stream}_connector_num_learnable_registers"]
        if registers and max_prompt_tokens % registers:
            raise ValueError(f"max_prompt_tokens: {max_prompt_tokens}: use a multiple of {registers} (registers)")
    if configs["text_encoder"].get("model_type") != "gemma3":
        found = configs["text_encoder"].get("model_type")
        raise ValueError(f"the text encoder is {found!r}: only LTX-2.0 and 2.3, which have 'gemma3', are supported")


def part_kinds(checkpoint: Checkpoint) -> dict[str, str]:
    """Every part an LTX-2 checkpoint needs: name -> kind, as `Checkpoint.check` takes them."""
    return dict(PARTS)


def read_configs(checkpoint: Checkpoint) -> dict[str, dict]:
    """The configs by part, with the classes' own defaults for what is left out."""
    from diffusers import AutoencoderKLLTX2Audio, AutoencoderKLLTX2Video, LTX2VideoTransformer3DModel
    from diffusers.pipelines.ltx2 import LTX2TextConnectors

    classes = {
        "transformer": LTX2VideoTransformer3DModel,
        "vae": AutoencoderKLLTX2Video,
        "audio_vae": AutoencoderKLLTX2Audio,
        "connectors": LTX2TextConnectors,
    }
    configs = {part: checkpoint.full_config(part, cls) for part, cls in classes.items()}
    return {**configs, "text_encoder": checkpoint.config("text_encoder")}


def describe(checkpoint: Checkpoint, options: Asked) -> dict:
    """What models.video.facts.Description holds, but for what the layers tell."""
    configs = read_configs(checkpoint)
    check_fit(configs, options.shape, options.prompt_tokens)
    transformer = configs["transformer"]
    channels, frames, height, width = latent_shape(transformer, options.shape)
    audio = audio_latent_shape(configs["audio_vae"], options.shape)
    hidden = transformer["num_attention_heads"] * transformer["attention_head_dim"]
    return {
        "hidden": hidden,
        "ffn": 4 * hidden,
        "depth": transformer["num_layers"],
        "tokens": frames * height * width,
        "audio_tokens": audio[1],
        "context_tokens": options.prompt_tokens,
        "joint_context": False,
        "state_size": channels * frames * height * width + audio[0] * audio[1] * audio[2],
        "vae": VAE_FACTS,
    }


def load(checkpoint: Checkpoint, options: Asked, identity: str, device: torch.device, encoders: bool) -> LTX2:
    """From a checkpoint that `Checkpoint.check` has passed."""
    from diffusers import AutoencoderKLLTX2Video, FlowMatchEulerDiscreteScheduler, LTX2VideoTransformer3DModel

    configs = read_configs(checkpoint)
    check_fit(configs, options.shape, options.prompt_tokens)
    dtype, audio = getattr(torch, options.dtype), audio_latent_shape(configs["audio_vae"], options.shape)
    parts = {
        "transformer": checkpoint.load("transformer", LTX2VideoTransformer3DModel, dtype, device),
        "vae": checkpoint.load("vae", AutoencoderKLLTX2Video, dtype, device),
        "scheduler": checkpoint.load_scheduler(FlowMatchEulerDiscreteScheduler),
    }
    if encoders:
        from diffusers.pipelines.ltx2 import LTX2TextConnectors
        from transformers import Gemma3ForConditionalGeneration

        parts["connectors"] = checkpoint.load("connectors", LTX2TextConnectors, dtype, device)
        parts["text_encoder"] = checkpoint.load("text_encoder", Gemma3ForConditionalGeneration, dtype, device)
        parts["tokenizer"] = checkpoint.load_tokenizer("tokenizer")
        parts["tokenizer"].padding_side = "left"  # Gemma's
        if parts["tokenizer"].pad_token is None:
            parts["tokenizer"].pad_token = parts["tokenizer"].eos_token
    shape, tokens = options.shape, options.prompt_tokens
    return LTX2(parts, audio, shape, identity, device, tokens, options.vae_batch, options.own)
