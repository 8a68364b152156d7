"""Plain facts for planning: published sizes of video models, of their VAEs, and of GPUs.

Sizes are the arguments of diffusers' classes in each checkpoint's transformer/config.json, from the model cards named
beside them. FLOPs of VAEs were counted by torch's FlopCounterMode on diffusers 0.42's classes (17 frames of 192x192,
without weights).
"""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Published:
    """One model by its Hub ids: the transformer's arguments, and what its VAE and prompts make of a video.

    `compression`: frames, height and width in one latent; `channels` of a latent; `context_tokens` (prompt and image);
    `audio`: latents a second and numbers in one.
    """

    ids: tuple[str, ...]
    source: str
    kind: str
    transformer: dict[str, Any]
    compression: tuple[int, int, int]
    channels: int
    patch: int
    context_tokens: int
    audio: tuple[float, int] = (0.0, 0)
    joint_context: bool = False


WAN = {"attention_head_dim": 128, "text_dim": 4096, "freq_dim": 256, "patch_size": (1, 2, 2)}
PUBLISHED = (
    Published(
        ids=("Lightricks/LTX-2", "rootonchair/LTX-2-19b-distilled"),
        source="model card of Lightricks/LTX-2: 19B",
        kind="ltx2",
        transformer={"num_layers": 48, "num_attention_heads": 32, "attention_head_dim": 128},
        compression=(8, 32, 32),
        channels=128,
        patch=1,
        context_tokens=1024,
        audio=(25.0, 128),
    ),
    Published(
        ids=(
            "hunyuanvideo-community/HunyuanVideo-1.5-Diffusers-480p_i2v_distilled",
            "hunyuanvideo-community/HunyuanVideo-1.5-Diffusers-720p_i2v_distilled",
            "hunyuanvideo-community/HunyuanVideo-1.5-Diffusers-480p_i2v",
            "hunyuanvideo-community/HunyuanVideo-1.5-Diffusers-720p_i2v",
        ),
        source="model card of tencent/HunyuanVideo-1.5: 8.3B",
        kind="hunyuan15",
        transformer={"num_layers": 54, "num_attention_heads": 16, "attention_head_dim": 128},
        compression=(4, 16, 16),
        channels=32,
        patch=1,
        context_tokens=1000 + 256 + 729,
        joint_context=True,
    ),
    Published(
        ids=("Wan-AI/Wan2.1-I2V-14B-480P-Diffusers", "Wan-AI/Wan2.1-I2V-14B-720P-Diffusers"),
        source="model card of Wan-AI/Wan2.1-I2V-14B-480P: 14B and what reads its CLIP embedding",
        kind="wan",
        transformer={
            **WAN,
            "num_layers": 40,
            "num_attention_heads": 40,
            "in_channels": 36,
            "ffn_dim": 13824,
            "image_dim": 1280,
            "added_kv_proj_dim": 5120,
        },
        compression=(4, 8, 8),
        channels=16,
        patch=2,
        context_tokens=512 + 257,
    ),
    Published(
        ids=("Wan-AI/Wan2.1-T2V-1.3B-Diffusers",),
        source="model card of Wan-AI/Wan2.1-T2V-1.3B: 1.3B (text-to-video; here with the channels of a first frame)",
        kind="wan",
        transformer={**WAN, "num_layers": 30, "num_attention_heads": 12, "in_channels": 36, "ffn_dim": 8960},
        compression=(4, 8, 8),
        channels=16,
        patch=2,
        context_tokens=512,
    ),
    Published(
        ids=("Wan-AI/Wan2.2-TI2V-5B-Diffusers",),
        source="model card of Wan-AI/Wan2.2-TI2V-5B: 5B",
        kind="wan",
        transformer={
            **WAN,
            "num_layers": 30,
            "num_attention_heads": 24,
            "in_channels": 48,
            "out_channels": 48,
            "ffn_dim": 14336,
        },
        compression=(4, 16, 16),
        channels=48,
        patch=2,
        context_tokens=512,
    ),
)


@dataclass(frozen=True)
class VAE:
    """Parameters, and for decoding FLOPs and working bytes a pixel of the video; bytes are rough."""

    parameters: float
    flops: float
    working_bytes: float
    element_bytes: int


VAES = {
    "ltx2": VAE(1.22e9, 1.35e6, 200, 2),
    "hunyuan15": VAE(1.26e9, 25.4e6, 1000, 2),
    "wan": VAE(0.13e9, 8.6e6, 60, 4),
    "wan2.2": VAE(0.70e9, 18.7e6, 60, 4),
}


@dataclass(frozen=True)
class GPU:
    """Dense bfloat16 FLOP/s and bytes, from the vendor's data sheet."""

    name: str
    flops: float
    memory: float
    aliases: tuple[str, ...] = field(default=())


GPUS = (
    GPU("a100", 312e12, 80e9, ("a100-80",)),
    GPU("a100-40", 312e12, 40e9),
    GPU("h100", 989e12, 80e9),
    GPU("h200", 989e12, 141e9),
    GPU("h20", 148e12, 96e9),
    GPU("b200", 2250e12, 180e9),
    GPU("l40s", 362e12, 48e9),
    GPU("a6000", 155e12, 48e9),
    GPU("4090", 165e12, 24e9, ("rtx4090",)),
)


def gpu_named(name: str) -> GPU:
    """Raises ValueError for a GPU that is not in the table, with those that are."""
    for gpu in GPUS:
        if name.lower() in (gpu.name, *gpu.aliases):
            return gpu
    raise ValueError(f"--gpu {name}: one of {', '.join(gpu.name for gpu in GPUS)} is expected")


def published(path: str) -> Published | None:
    """The table's row for a Hub id."""
    return next((row for row in PUBLISHED if path in row.ids), None)
