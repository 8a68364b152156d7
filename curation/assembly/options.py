"""Settings of assembly and release."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class WorldtasksOptions(BaseModel):
    """What decides the assembled table and its benchmark split."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    near_duplicate_distance: int = Field(
        4,
        ge=0,
        le=12,
        description="Frames whose 64-bit perceptual hashes differ in at most this many bits are one picture",
    )
    clip_similarity: float = Field(
        0.99, gt=0.5, le=1, description="Frames whose CLIP embeddings have at least this cosine are one picture"
    )
    bench_size: int = Field(200, ge=0, description="Image-task pairs of the benchmark (the paper's: 200)")
    max_bench_share: float = Field(0.1, gt=0, le=0.5, description="Largest share of the images the benchmark may take")
    max_excluded_share: float = Field(
        0.1,
        ge=0,
        le=1,
        description="Largest share of the images that train may lose so as to share no clip with the benchmark",
    )
    split_salt: str = Field("worldtasks", description="Another text draws another benchmark from the same pairs")
    removed: str | None = Field(
        None, description="Text file of clip, frame, sample or source-video ids, one a line, that must not be published"
    )
    min_train_pairs: int = Field(1, ge=0, description="Least number of train pairs a release may have")
    min_bench_pairs: int = Field(1, ge=0, description="Least number of benchmark pairs a release may have")


class PublishOptions(BaseModel):
    """What the release says about itself and how it is cut into files."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str = Field("WorldTasks", min_length=1, max_length=100, description="The dataset's name on its card")
    license: str = Field("other", min_length=1, description="Licence id as the Hub lists them, e.g. cc-by-4.0 or other")
    license_name: str = Field("see-sources", description="Name of the licence where `license` is other")
    license_link: str = Field("", description="Address of the licence's text where `license` is other")
    language: str = Field("en", description="Language code of the tasks")
    contact: str = Field("", description="Mail or web address for removal requests; required for a Hub release")
    repo_id: str = Field("", description="owner/name on the Hub, for the card's examples; empty for a local release")
    shard_mb: int = Field(400, ge=1, le=500, description="Largest size of one Parquet file with images, MB")
    images_per_folder: int = Field(5000, ge=1, le=9999, description="Image files a folder; the Hub takes under 10,000")
    image_files: bool = Field(True, description="Also write the images as files in the authors' own layout")


def read_removal_list(path: str | Path | None) -> frozenset[str]:
    """The ids of a removal list: one a line, blank lines and lines starting with # skipped; empty without a list.

    Raises FileNotFoundError: a list that was asked for and is not there must not pass for an empty one.
    """
    if not path:
        return frozenset()
    lines = (line.strip() for line in Path(path).read_text(encoding="utf-8-sig").splitlines())
    return frozenset(line for line in lines if line and not line.startswith("#"))
