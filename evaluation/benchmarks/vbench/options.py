"""Options of `python -m evaluation.benchmarks.vbench`."""

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from storage.options import Options

# They need no prompts of VBench's own.
DIMENSIONS = (
    "subject_consistency",
    "background_consistency",
    "motion_smoothness",
    "dynamic_degree",
    "aesthetic_quality",
    "imaging_quality",
)


class VbenchOptions(Options):
    """One step on one run's folder. Unknown names are errors."""

    step: Literal["export", "table"] = Field(
        description="export: videos in one flat folder, and the commands to run. table: the results of these commands."
    )
    run: Path = Field(description="Folder of the run with the generated videos.")
    out: Path | None = Field(None, description="Folder for videos, results and table. null: `vbench` in the run's.")
    seed: int | None = Field(None, description="Seed whose videos are taken. null: the run's only seed.")
    others: tuple[Path, ...] = Field((), description="table: further scored runs, compared with `run` video by video.")
    dimensions: tuple[str, ...] = Field(DIMENSIONS, min_length=1, description="Dimensions to score.")

    @field_validator("dimensions")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if set(value) - set(DIMENSIONS) or len(set(value)) != len(value):
            raise ValueError(f"{list(value)}: choose from {', '.join(DIMENSIONS)}, each at most once")
        return value

    @model_validator(mode="after")
    def _own_folders(self) -> "VbenchOptions":
        if self.out is not None and self.others:
            raise ValueError("out and others: runs that are compared have their results in their own folders")
        return self

    @property
    def place(self) -> Path:
        return self.out or self.run / "vbench"
