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
# Of VBench-I2V: they compare a video with the picture that it was made of.
I2V_DIMENSIONS = ("i2v_subject", "i2v_background")
KNOWN = (*DIMENSIONS, *I2V_DIMENSIONS)


class VbenchOptions(Options):
    """One step on one run's folder. Unknown names are errors."""

    step: Literal["export", "table"] = Field(
        description="export: videos in one flat folder, and the commands to run. table: the results of these commands."
    )
    run: Path = Field(description="Folder of the run with the generated videos.")
    out: Path | None = Field(None, description="Folder for videos, results and table. null: `vbench` in the run's.")
    seed: int | None = Field(None, description="Seed whose videos are taken. null: the run's only seed.")
    others: tuple[Path, ...] = Field((), description="table: further scored runs, compared with `run` video by video.")
    dimensions: tuple[str, ...] = Field(
        DIMENSIONS,
        min_length=1,
        description="Dimensions to score: the default six, and i2v_subject and i2v_background of VBench-I2V.",
    )
    benchmark: Path | None = Field(
        None, description="export with dimensions of VBench-I2V: the benchmark's folder, with the given pictures."
    )

    @field_validator("dimensions")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if set(value) - set(KNOWN) or len(set(value)) != len(value):
            raise ValueError(f"{list(value)}: choose from {', '.join(KNOWN)}, each at most once")
        return value

    @model_validator(mode="after")
    def _own_folders(self) -> "VbenchOptions":
        if self.out is not None and self.others:
            raise ValueError("out and others: runs that are compared have their results in their own folders")
        return self

    @model_validator(mode="after")
    def _pictures(self) -> "VbenchOptions":
        if self.step == "export" and self.i2v and self.benchmark is None:
            raise ValueError(
                f"benchmark is not set, but {', '.join(self.i2v)} need the pictures that were given: name it"
            )
        return self

    @property
    def plain(self) -> tuple[str, ...]:
        """The dimensions of VBench itself."""
        return tuple(name for name in self.dimensions if name in DIMENSIONS)

    @property
    def i2v(self) -> tuple[str, ...]:
        """The dimensions of VBench-I2V."""
        return tuple(name for name in self.dimensions if name in I2V_DIMENSIONS)

    @property
    def place(self) -> Path:
        return self.out or self.run / "vbench"
