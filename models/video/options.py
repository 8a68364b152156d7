"""Settings of video models; apart from the code, which loads torch."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class LTX2Options(BaseModel):
    """What only LTX-2 has."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schedule: Literal["shifted", "distilled"] = Field(
        "shifted", description="Noise levels: shifted by length (full model), or the 8 of the distilled model"
    )
    image_crf: int = Field(
        33, ge=0, le=51, description="H.264 quality the first frame is passed through, as in training; 0: not at all"
    )
    cross_timestep: bool | None = Field(
        None, description="Audio-video attention sees the other stream's time; none: as the checkpoint's version does"
    )


class VideoModelOptions(BaseModel):
    """Which checkpoint, and what it makes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["wan", "ltx2", "hunyuan15"] = Field(description="Family: which adapter reads the checkpoint")
    path: str = Field(min_length=1, description="A folder in the layout of diffusers, or a Hub id owner/name")
    revision: str | None = Field(None, description="Branch, tag or commit of a Hub id")
    frames: int = Field(ge=1, le=1025, description="Frames of a video")
    height: int = Field(ge=8, le=4096, description="Pixels")
    width: int = Field(ge=8, le=4096, description="Pixels")
    fps: float = Field(gt=0, le=240, allow_inf_nan=False, description="Frames per second")
    dtype: Literal["float32", "bfloat16"] = Field("bfloat16", description="Precision of the frozen weights")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: CUDA where there is one")
    max_prompt_tokens: int | None = Field(
        None, ge=1, le=8192, description="Length prompts are cut or padded to; none: what the model was trained with"
    )
    vae_batch: int = Field(1, ge=1, le=1024, description="Videos encoded or decoded at once")
    ltx2: LTX2Options | None = Field(None, description="Only with kind ltx2")

    @model_validator(mode="after")
    def _blocks_fit_the_kind(self) -> "VideoModelOptions":
        if self.ltx2 is not None and self.kind != "ltx2":
            raise ValueError(f"the block ltx2 was given with kind {self.kind!r}: it is for kind 'ltx2'")
        return self
