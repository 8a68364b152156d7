"""Settings of video models; apart from the code, which loads torch."""

from typing import Literal

from pydantic import BaseModel, Field, model_validator

from models.video.facts import Family, VideoShape
from models.video.families import FAMILIES, Kind
from models.video.ltx2.facts import LTX2Options
from storage.options import Options


class VideoModelOptions(Options):
    """The checkpoint, and the size and length of its videos."""

    kind: Kind = Field(description="Family of the checkpoint.")
    path: str = Field(min_length=1, description="A folder in diffusers' layout, or a Hub id owner/name.")
    revision: str | None = Field(None, description="Branch, tag or commit of a Hub id.")
    frames: int = Field(ge=1, le=1025, description="Frames of a video.")
    height: int = Field(ge=8, le=4096, description="Pixels")
    width: int = Field(ge=8, le=4096, description="Pixels")
    fps: float = Field(gt=0, le=240, allow_inf_nan=False, description="Frames per second.")
    dtype: Literal["float32", "bfloat16"] = Field("bfloat16", description="Precision of the frozen weights.")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: CUDA if there is a GPU.")
    max_prompt_tokens: int | None = Field(
        None, ge=1, le=8192, description="Token length of prompts, cut or padded. null: as in the model's training."
    )
    vae_batch: int = Field(1, ge=1, le=1024, description="Videos encoded or decoded at once.")
    ltx2: LTX2Options | None = Field(None, description="Options of kind ltx2 only.")

    @property
    def family(self) -> Family:
        return FAMILIES[self.kind]

    @property
    def shape(self) -> VideoShape:
        return VideoShape(self.frames, self.height, self.width, self.fps)

    @property
    def prompt_tokens(self) -> int:
        """The length prompts are cut or padded to."""
        return self.max_prompt_tokens or self.family.prompt_tokens

    @property
    def own(self) -> BaseModel | None:
        """The block that only this kind has, with its defaults when it was not given; None for a kind without one."""
        return self.family.options and (getattr(self, self.kind) or self.family.options())

    @model_validator(mode="after")
    def _blocks_fit_the_kind(self) -> "VideoModelOptions":
        for family in FAMILIES.values():
            if family.options and getattr(self, family.kind) is not None and self.kind != family.kind:
                raise ValueError(f"the block {family.kind} is given, but kind is {self.kind!r}: remove the block")
        return self
