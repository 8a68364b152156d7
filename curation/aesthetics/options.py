"""Settings of scoring and cutting; apart from the code, which loads OpenCV."""

from typing import Literal

from pydantic import Field, model_validator

from curation.options import Options


class ScoreWeights(Options):
    """Weights of the three terms. Only their proportions matter."""

    aesthetic: float = Field(0.6, ge=0, le=1, description="Weight of the scorer's rank")
    sharpness: float = Field(0.25, ge=0, le=1, description="Weight of the rank of sharpness (Laplacian variance)")
    exposure: float = Field(0.15, ge=0, le=1, description="Weight of the exposure term")

    @model_validator(mode="after")
    def _some_weight(self) -> "ScoreWeights":
        if self.aesthetic + self.sharpness + self.exposure == 0:
            raise ValueError("the weights aesthetic, sharpness and exposure are all 0: set at least one above 0")
        return self


class AestheticsOptions(Options):
    """How frames are scored and how many are kept; the share is the paper's (appendix A.6)."""

    incidental = ("batch_size",)

    scorer: Literal["colorfulness", "clip"] = Field("colorfulness", description="Scorer. colorfulness needs no weights")
    clip_weights: str | None = Field(
        None, description="ViT-L/14 OpenAI weights as open_clip safetensors: a file, a folder or a Hub id"
    )
    head_weights: str | None = Field(
        None, description="LAION linear aesthetic head as safetensors: a file, a folder or a Hub id"
    )
    keep_share: float = Field(0.9, gt=0, le=1, description="Share of frames to keep, by combined score")
    weights: ScoreWeights = Field(ScoreWeights(), description="Weights of the combined score")
    recut: bool = Field(False, description="Compute population and cut again instead of using the stored ones")
    batch_size: int = Field(64, ge=1, le=4096, description="Frames scored at once")

    @model_validator(mode="after")
    def _weights_fit_the_scorer(self) -> "AestheticsOptions":
        for name in ("clip_weights", "head_weights"):
            given = getattr(self, name) is not None
            if given != (self.scorer == "clip"):
                need = "is needed" if self.scorer == "clip" else "is not used"
                raise ValueError(f"{name} {need} with scorer {self.scorer!r}")
        return self
