"""The parts of a Wan checkpoint: whether they fit each other and the asked shape, what they cost, loaded."""

from collections.abc import Mapping

import torch

from models.video.checkpoint import Checkpoint
from models.video.facts import Asked
from models.video.pixels import check_size
from models.video.protocol import VideoShape
from models.video.wan.adapter import Wan, latent_shape
from models.video.wan.facts import VAES, WAN

CLIP = ("image_encoder", "image_processor")
PARTS = {
    "transformer": "weights",
    "vae": "weights",
    "scheduler": "scheduler",
    "text_encoder": "weights",
    "tokenizer": "tokenizer",
    "image_encoder": "weights",
    "image_processor": "processor",
}


def check_fit(
    transformer: Mapping, vae: Mapping, shape: VideoShape, max_prompt_tokens: int, expand_timesteps: bool
) -> None:
    """Raises ValueError unless the configs belong to one image-to-video model that can make videos of `shape`."""
    patch = transformer["patch_size"]
    check_size(shape, vae["scale_factor_spatial"] * max(patch[1:]), vae["scale_factor_temporal"], "this Wan model")
    channels, frames, height, width = latent_shape(vae, shape)
    wanted = channels if expand_timesteps else 2 * channels + vae["scale_factor_temporal"]
    if transformer["in_channels"] != wanted:
        what = "held first frame" if expand_timesteps else "first frame and its mask"
        raise ValueError(
            f"the transformer takes {transformer['in_channels']} channels, but {channels} latent channels with the "
            f"{what} need {wanted}: is this a text-to-video checkpoint?"
        )
    tokens = (frames // patch[0], height // patch[1], width // patch[2])
    if max(tokens) > transformer["rope_max_seq_len"]:
        raise ValueError(
            f"{shape.frames} frames of {shape.height}x{shape.width} are {tokens} tokens: use at most "
            f"{transformer['rope_max_seq_len']} along each axis (rope_max_seq_len)"
        )
    # With CLIP embeddings diffusers' attention takes the last 512 tokens for the prompt.
    if transformer.get("image_dim") is not None and max_prompt_tokens != WAN.prompt_tokens:
        raise ValueError(
            f"max_prompt_tokens: {max_prompt_tokens} does not work with CLIP image embeddings: use "
            f"{WAN.prompt_tokens}, the only length that diffusers' attention can tell from the image"
        )


def part_kinds(checkpoint: Checkpoint) -> dict[str, str]:
    """Every part this checkpoint needs: name -> kind, as `Checkpoint.check` takes them.

    Raises ValueError for checkpoints of two transformers.
    """
    index = checkpoint.index()
    if index.get("boundary_ratio") is not None or checkpoint.has("transformer_2"):
        raise ValueError(
            f"{checkpoint.source} has two transformers, one for high and one for low noise (Wan 2.2 A14B), and one "
            "LoRA cannot train both. Supported: Wan 2.1 I2V, Wan 2.2 TI2V-5B, and models that join the frame by "
            "channels"
        )
    if not (checkpoint.root / "transformer").is_dir() or checkpoint.config("transformer").get("image_dim") is not None:
        return dict(PARTS)
    return {part: kind for part, kind in PARTS.items() if part not in CLIP}


def read_configs(checkpoint: Checkpoint) -> tuple[dict, dict, bool]:
    """(transformer, vae, expand_timesteps), with the classes' own defaults for what is left out."""
    from diffusers import WanTransformer3DModel

    transformer = checkpoint.full_config("transformer", WanTransformer3DModel)
    expand = bool(checkpoint.index().get("expand_timesteps", False))
    return transformer, checkpoint.full_config("vae", vae_class(checkpoint)), expand


def vae_class(checkpoint: Checkpoint) -> type:
    """The microworld's own VAE, or Wan's."""
    from diffusers import AutoencoderKLWan

    from models.video.frame_vae import FrameVAE

    return FrameVAE if checkpoint.config("vae").get("_class_name") == "FrameVAE" else AutoencoderKLWan


def describe(checkpoint: Checkpoint, options: Asked) -> dict:
    """What models.video.facts.Description holds, but for what the layers tell."""
    transformer, vae, expand = read_configs(checkpoint)
    check_fit(transformer, vae, options.shape, options.prompt_tokens, expand)
    channels, frames, height, width = latent_shape(vae, options.shape)
    depth, rows, columns = transformer["patch_size"]
    clip = 0
    if transformer["image_dim"] is not None:
        vision = checkpoint.config("image_encoder")
        clip = (vision.get("image_size", 224) // vision.get("patch_size", 32)) ** 2 + 1
    return {
        "hidden": transformer["num_attention_heads"] * transformer["attention_head_dim"],
        "ffn": transformer["ffn_dim"],
        "depth": transformer["num_layers"],
        "tokens": (frames // depth) * (height // rows) * (width // columns),
        "audio_tokens": 0,
        "context_tokens": options.prompt_tokens + clip,
        "joint_context": False,
        "state_size": channels * frames * height * width,
        "vae": VAES.get(vae["scale_factor_spatial"], VAES[8]),
    }


def load(checkpoint: Checkpoint, options: Asked, identity: str, device: torch.device, encoders: bool) -> Wan:
    """From a checkpoint that `Checkpoint.check` has passed. VAE and CLIP stay float32, as Wan's authors run them."""
    from diffusers import FlowMatchEulerDiscreteScheduler, UniPCMultistepScheduler
    from diffusers import WanTransformer3DModel as Transformer

    transformer, vae, expand = read_configs(checkpoint)
    check_fit(transformer, vae, options.shape, options.prompt_tokens, expand)
    dtype = getattr(torch, options.dtype)
    parts = {
        "transformer": checkpoint.load("transformer", Transformer, dtype, device),
        "vae": checkpoint.load("vae", vae_class(checkpoint), torch.float32, device),
        "scheduler": checkpoint.load_scheduler(FlowMatchEulerDiscreteScheduler, UniPCMultistepScheduler),
    }
    if encoders:
        from transformers import UMT5EncoderModel

        parts["text_encoder"] = checkpoint.load("text_encoder", UMT5EncoderModel, dtype, device)
        parts["tokenizer"] = checkpoint.load_tokenizer("tokenizer")
    if encoders and transformer["image_dim"] is not None:
        from transformers import CLIPImageProcessor, CLIPVisionModel

        parts["image_encoder"] = checkpoint.load("image_encoder", CLIPVisionModel, torch.float32, device)
        parts["image_processor"] = CLIPImageProcessor.from_pretrained(checkpoint.root / "image_processor")
    return Wan(parts, options.shape, identity, device, options.prompt_tokens, expand, options.vae_batch)
