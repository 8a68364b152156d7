"""Settings of the release."""

import os
from typing import Literal

from pydantic import Field, model_validator

from curation.options import Options


class LocalTarget(Options):
    """Only the local folder."""

    kind: Literal["local"] = "local"


class HubTarget(Options):
    """A dataset repository on the Hugging Face Hub. The token is read from the environment variable HF_TOKEN."""

    kind: Literal["hub"] = "hub"
    branch: str = Field("main", min_length=1, description="Branch to commit to.")
    tag: str = Field("", description="Tag of the commit. Empty: v and the version.")
    private: bool = Field(True, description="Whether a new repository is private.")


class PublishOptions(Options):
    """What the release says about itself, and how it is split into files."""

    title: str = Field("WorldTasks", min_length=1, max_length=100, description="The dataset's name on its card")
    license: str = Field("other", min_length=1, description="Licence id as the Hub lists them, e.g. cc-by-4.0 or other")
    license_name: str = Field("see-sources", description="Name of the licence, if `license` is other")
    license_link: str = Field("", description="Address of the licence's text, if `license` is other")
    language: str = Field("en", description="Language code of the tasks")
    contact: str = Field("", description="Mail or web address for removal requests. A Hub release needs it")
    repo_id: str = Field("", description="owner/name on the Hub. Empty for a local release")
    shard_mb: int = Field(400, ge=1, le=500, description="Largest size of one Parquet file with images, MB")
    images_per_folder: int = Field(5000, ge=1, le=9999, description="Image files a folder. The Hub takes under 10,000")
    image_files: bool = Field(True, description="Also write the images as files in the authors' layout")


class ReleaseOptions(PublishOptions):
    """The release, and where it goes."""

    target: LocalTarget | HubTarget = Field(
        default=LocalTarget(), discriminator="kind", description="Where the release goes."
    )

    @model_validator(mode="after")
    def _hub_needs_names_and_a_token(self) -> "ReleaseOptions":
        if self.target.kind == "hub":
            token = os.environ.get("HF_TOKEN", "")
            wanted = {"repo_id": self.repo_id, "contact": self.contact, "environment variable HF_TOKEN": token}
            missing = [name for name, value in wanted.items() if not value]
            if missing:
                raise ValueError(f"a Hub release needs {', '.join(missing)}")
        return self

    def content(self) -> PublishOptions:
        """What decides the release itself."""
        return PublishOptions(**self.model_dump(exclude={"target"}))
