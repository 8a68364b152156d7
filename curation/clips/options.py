"""Settings of the stage `clips`: where the videos come from."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class MicroworldSource(BaseModel):
    """Small scenes drawn by the project itself, with some deliberately bad clips among them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["microworld"] = "microworld"
    clips: int = Field(60, ge=1, le=100_000, description="Number of clips, bad ones included.")
    seed: int = Field(7, ge=0, description="Seed of scenes and motions.")


class FolderSource(BaseModel):
    """Every video file below a folder."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["folder"] = "folder"
    folder: str = Field(description="Folder of videos, searched with its subfolders.")
    redistributable: bool = Field(
        False,
        description="Whether frames of these videos may be published; if not, only the ids-only release has them.",
    )


class MiraDataSource(BaseModel):
    """A MiraData metadata CSV and the local files of its clips. Their pixels are never published."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["miradata"] = "miradata"
    csv: str = Field(description="The metadata CSV, v0 or v1.")
    folder: str = Field(description="Folder with the clips' files; absent ones are listed as absent.")


Source = MicroworldSource | FolderSource | MiraDataSource


class ClipsOptions(BaseModel):
    """The source, and how its files are opened."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: Source = Field(default=MicroworldSource(), discriminator="kind", description="Where the videos come from.")
    workers: int = Field(2, ge=1, le=256, description="Files opened at once.")
    timeout_s: float = Field(60.0, gt=0, description="Hard limit for opening one file, in seconds.")

    def decisive(self) -> dict[str, Any]:
        """What decides the rows. A longer limit does: it is a reason to open again what timed out."""
        return self.model_dump(exclude={"workers"})
