"""LTX-2: what is known of it before it is loaded, and the options that it alone has."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from models.video.facts import VAE, Call, Family, Published
from storage.options import Options

# Levels of the distilled 8-step model, from packages/ltx-pipelines/src/ltx_pipelines/utils/constants.py of the
# repository Lightricks/LTX-2 (diffusers holds the same list in pipelines/ltx2/utils.py).
DISTILLED_SIGMAS = (1.0, 0.99375, 0.9875, 0.98125, 0.975, 0.909375, 0.725, 0.421875, 0.0)

# The video's layers and its attention to the audio. The audio's own layers stay as they are: no loss looks at them.
ATTENTIONS = ("attn1", "attn2", "audio_to_video_attn")
LORA_TARGETS = (
    *(f"{attention}.{layer}" for attention in ATTENTIONS for layer in ("to_q", "to_k", "to_v", "to_out.0")),
    "ff.net.0.proj",
    "ff.net.2",
)
VAE_FACTS = VAE(1.22e9, 1.35e6, 200, 2)


class LTX2Options(Options):
    """Options that only LTX-2 has."""

    schedule: Literal["shifted", "distilled"] = Field(
        "shifted", description="Noise levels: shifted by length (full model), or the distilled model's 8 levels."
    )
    image_crf: int = Field(
        33, ge=0, le=51, description="H.264 quality that the first frame is compressed with, as in training. 0: none."
    )
    cross_timestep: bool | None = Field(
        None, description="Audio-video attention sees the other stream's time. null: as in the checkpoint's version."
    )

    def encoding(self) -> dict[str, Any]:
        """The options that change what is encoded: part of the model's identity."""
        return {"image_crf": self.image_crf}


def pipeline_call(model: Mapping[str, Any], arguments: dict[str, Any], base: Path) -> Call:
    """See models.video.facts.Family. Without guidance of any kind, neither for the video nor for its audio."""
    off = {"guidance_scale": 1.0, "stg_scale": 0.0, "modality_scale": 1.0, "guidance_rescale": 0.0}
    arguments = {
        **arguments,
        "frame_rate": model.get("fps", 24.0),
        **off,
        **{f"audio_{name}": value for name, value in off.items()},
        "spatio_temporal_guidance_blocks": None,
    }
    if (model.get("ltx2") or {}).get("schedule") != "distilled":
        return [], arguments
    plain = "use_dynamic_shifting=False, shift_terminal=None"
    return [
        "# The distilled noise levels are used as they are.",
        f"pipe.scheduler = type(pipe.scheduler).from_config(pipe.scheduler.config, {plain})",
    ], {**arguments, "sigmas": list(DISTILLED_SIGMAS[:-1])}


PUBLISHED = (
    Published(
        ids=("Lightricks/LTX-2", "rootonchair/LTX-2-19b-distilled"),
        source="model card of Lightricks/LTX-2: 19B",
        configs={
            "vae": {"spatial_compression_ratio": 32, "temporal_compression_ratio": 8},
            "text_encoder": {"model_type": "gemma3"},
        },
    ),
)
LTX2 = Family(
    kind="ltx2",
    pipeline="LTX2ImageToVideoPipeline",
    transformer="LTX2VideoTransformer3DModel",
    prompt_tokens=1024,
    lora_targets=LORA_TARGETS,
    pipeline_call=pipeline_call,
    published=PUBLISHED,
    options=LTX2Options,
)
