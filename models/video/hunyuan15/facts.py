"""HunyuanVideo-1.5: what is known of it before it is loaded."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.video.facts import VAE, Call, Family, Published

LORA_TARGETS = (
    *("to_q", "to_k", "to_v", "to_out.0", "add_q_proj", "add_k_proj", "add_v_proj", "to_add_out"),
    *("ff.net.0.proj", "ff.net.2", "ff_context.net.0.proj", "ff_context.net.2"),
)
VAE_FACTS = VAE(1.26e9, 25.4e6, 1000, 2)


def pipeline_call(model: Mapping[str, Any], arguments: dict[str, Any], base: Path) -> Call:
    """See models.video.facts.Family. The size comes from the image."""
    rest = {name: value for name, value in arguments.items() if name not in ("height", "width")}
    return ["pipe.guider = pipe.guider.new(guidance_scale=1.0)"], rest


PUBLISHED = (
    Published(
        ids=(
            "hunyuanvideo-community/HunyuanVideo-1.5-Diffusers-480p_i2v_distilled",
            "hunyuanvideo-community/HunyuanVideo-1.5-Diffusers-720p_i2v_distilled",
            "hunyuanvideo-community/HunyuanVideo-1.5-Diffusers-480p_i2v",
            "hunyuanvideo-community/HunyuanVideo-1.5-Diffusers-720p_i2v",
        ),
        source="model card of tencent/HunyuanVideo-1.5: 8.3B",
        configs={
            "transformer": {"num_layers": 54, "num_attention_heads": 16, "attention_head_dim": 128, "task_type": "i2v"},
            "image_encoder": {"image_size": 384, "patch_size": 14},
        },
    ),
)
HUNYUAN15 = Family(
    kind="hunyuan15",
    pipeline="HunyuanVideo15ImageToVideoPipeline",
    transformer="HunyuanVideo15Transformer3DModel",
    prompt_tokens=1000,
    lora_targets=LORA_TARGETS,
    pipeline_call=pipeline_call,
    published=PUBLISHED,
)
