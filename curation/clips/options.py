"""Settings of the stage `clips`: where the videos come from."""

from typing import Literal

from pydantic import Field, field_validator, model_validator

from curation.options import Options
from media.remote import SCHEMES


class MicroworldSource(Options):
    """Small scenes that the project draws itself. Some clips are bad on purpose."""

    kind: Literal["microworld"] = "microworld"
    clips: int = Field(60, ge=1, le=100_000, description="Number of clips, including the bad ones.")
    seed: int = Field(7, ge=0, description="Seed of scenes and motions.")


class FolderSource(Options):
    """Every video file below a folder."""

    kind: Literal["folder"] = "folder"
    folder: str = Field(description="Folder of videos, searched with its subfolders.")
    redistributable: bool = Field(
        False,
        description="Whether frames of these videos may be published. false: they appear only in the ids-only release.",
    )


class MiraDataSource(Options):
    """A MiraData metadata CSV and the local files of its clips, or of the whole videos. Their pixels are never
    published."""

    kind: Literal["miradata"] = "miradata"
    csv: str = Field(description="The metadata CSV, v0 or v1.")
    folder: str = Field(
        description="Folder with the clips' files (<clip id>.mp4) or the whole videos (<video id>.mp4), searched with "
        "its subfolders. Missing ones are listed as absent."
    )
    length_tolerance_s: float = Field(
        2.0,
        ge=0,
        description="How many seconds a clip's file may be longer or shorter than its row of the CSV says, and a whole "
        "video end before it.",
    )


class RemoteSource(Options):
    """Videos on other machines, read by range and not copied: all below a folder, or those of a list."""

    kind: Literal["remote"] = "remote"
    folder: str | None = Field(
        None, description="Address of a folder, such as s3://bucket/videos, searched with its subfolders. Not https://."
    )
    urls: str | None = Field(None, description="A local text file with the address of a video on each line.")
    schemes: list[str] = Field(
        ["https", "s3", "gs", "hf"],
        min_length=1,
        description="How addresses may begin: https, http, s3, gs, hf. Others are rejected, unopened.",
    )
    redistributable: bool = Field(
        False,
        description="Whether frames of these videos may be published. false: they appear only in the ids-only release.",
    )

    @field_validator("schemes")
    @classmethod
    def known(cls, value: list[str]) -> list[str]:
        if unknown := sorted(set(value) - set(SCHEMES)):
            raise ValueError(f"schemes {unknown}: use some of {', '.join(SCHEMES)}")
        return value

    @model_validator(mode="after")
    def one_place(self):
        if (self.folder is None) == (self.urls is None):
            raise ValueError("remote: give either folder or urls")
        return self


Source = MicroworldSource | FolderSource | MiraDataSource | RemoteSource


class ClipsOptions(Options):
    """The source, and how its files are opened. A longer limit decides: what timed out is opened again."""

    incidental = ("workers",)

    source: Source = Field(default=MicroworldSource(), discriminator="kind", description="Source of the videos.")
    cut_threshold: float | None = Field(
        None,
        gt=1,
        description="For films: how many times a frame must differ more than those around it to begin a new shot; 3 is "
        "usual. Frames and SFT windows keep off these cuts. Decodes every frame. null: no cuts are looked for.",
    )
    workers: int = Field(2, ge=1, le=256, description="Files opened at the same time.")
    timeout_s: float = Field(60.0, gt=0, description="Seconds after which opening a file is given up.")
