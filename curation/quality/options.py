"""Settings of the low-level filter; apart from its code, which loads OpenCV."""

from pydantic import BaseModel, ConfigDict, Field, model_validator


class QualityOptions(BaseModel):
    """Thresholds of the low-level filter; the defaults are the paper's (appendix A.6)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_laplacian_var: float = Field(
        12.0,
        ge=0,
        description="Variance of the Laplacian (squared luma levels, short side at most 720 px); less is blurred",
    )
    min_mean_luma: float = Field(20.0, ge=0, le=255, description="Mean luma, levels 0..255; less is too dark")
    max_mean_luma: float = Field(235.0, ge=0, le=255, description="Mean luma, levels 0..255; more is too bright")
    max_black_ratio: float = Field(
        0.85, ge=0, le=1, description="Share of pixels with luma <= 16; more is mostly black"
    )
    max_white_ratio: float = Field(
        0.85, ge=0, le=1, description="Share of pixels with luma >= 239; more is mostly white"
    )

    @model_validator(mode="after")
    def _ordered(self) -> "QualityOptions":
        if self.min_mean_luma > self.max_mean_luma:
            raise ValueError(f"min_mean_luma {self.min_mean_luma} is above max_mean_luma {self.max_mean_luma}")
        return self
