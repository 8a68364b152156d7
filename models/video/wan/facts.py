"""Wan: what is known of it before it is loaded."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.video.facts import VAE, Call, Family, Published
from storage.json_files import read_object

LORA_TARGETS = ("to_q", "to_k", "to_v", "to_out.0", "ffn.net.0.proj", "ffn.net.2")
VAES = {8: VAE(0.13e9, 8.6e6, 60, 4), 16: VAE(0.70e9, 18.7e6, 60, 4)}  # of 2.1 and 2.2, by pixels a latent's side


def pipeline_call(model: Mapping[str, Any], arguments: dict[str, Any], base: Path) -> Call:
    """See models.video.facts.Family.

    The pipeline rounds frames up to a multiple of the VAE's temporal factor, plus one: one fewer is asked for where the
    VAE keeps every frame (the microworld's).
    """
    config = base / "vae" / "config.json"
    factor = read_object(config).get("scale_factor_temporal", 4) if config.is_file() else 4
    if factor == 1 and "num_frames" in arguments:
        arguments = {**arguments, "num_frames": arguments["num_frames"] - 1}
    return [], {**arguments, "guidance_scale": 1.0}


PUBLISHED = (
    Published(
        ids=("Wan-AI/Wan2.1-I2V-14B-480P-Diffusers", "Wan-AI/Wan2.1-I2V-14B-720P-Diffusers"),
        source="model card of Wan-AI/Wan2.1-I2V-14B-480P: 14B and what reads its CLIP embedding",
        configs={
            "transformer": {
                "num_layers": 40,
                "num_attention_heads": 40,
                "in_channels": 36,
                "ffn_dim": 13824,
                "image_dim": 1280,
                "added_kv_proj_dim": 5120,
            },
            "image_encoder": {"image_size": 224, "patch_size": 14},
        },
    ),
    Published(
        ids=("Wan-AI/Wan2.1-T2V-1.3B-Diffusers",),
        source="model card of Wan-AI/Wan2.1-T2V-1.3B: 1.3B (text-to-video; here with the channels of a first frame)",
        configs={"transformer": {"num_layers": 30, "num_attention_heads": 12, "in_channels": 36, "ffn_dim": 8960}},
    ),
    Published(
        ids=("Wan-AI/Wan2.2-TI2V-5B-Diffusers",),
        source="model card of Wan-AI/Wan2.2-TI2V-5B: 5B",
        configs={
            "transformer": {
                "num_layers": 30,
                "num_attention_heads": 24,
                "in_channels": 48,
                "out_channels": 48,
                "ffn_dim": 14336,
            },
            "vae": {"z_dim": 48, "scale_factor_spatial": 16},
            "model_index.json": {"expand_timesteps": True},
        },
    ),
)
WAN = Family(
    kind="wan",
    pipeline="WanImageToVideoPipeline",
    transformer="WanTransformer3DModel",
    prompt_tokens=512,
    lora_targets=LORA_TARGETS,
    pipeline_call=pipeline_call,
    published=PUBLISHED,
)
