"""Settings of robot world models; apart from the code, which loads torch."""

from typing import Literal

from pydantic import Field, field_validator, model_validator

from storage.options import Options

VIEW = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"


class RobotSettings(Options):
    """What a robot world model was trained for: written beside its weights, and asked for in a recipe.

    Defaults are those of Ctrl-World's released DROID model.
    """

    kind: Literal["ctrl_world"] = Field("ctrl_world", description="Family of the checkpoint.")
    views: tuple[str, ...] = Field(
        ("external_1", "external_2", "wrist"),
        min_length=1,
        max_length=3,
        description="Cameras, in the order in which they are stacked by height.",
    )
    height: int = Field(192, ge=8, le=4096, description="Pixels of one view.")
    width: int = Field(320, ge=8, le=4096, description="Pixels of one view.")
    history: int = Field(6, ge=1, le=64, description="Past frames that a chunk is conditioned on.")
    frames: int = Field(5, ge=2, le=64, description="Frames of a chunk. The first is the current one.")
    actions: int = Field(7, ge=1, le=256, description="Numbers of one frame's action.")
    fps: float = Field(5.0, gt=0, le=240, allow_inf_nan=False, description="Frames per second of the model.")
    frame_level: bool = Field(
        True, description="A token for each frame from its own action. false: one from all actions, for every frame."
    )
    text: bool = Field(
        False, description="Add the instruction's CLIP embedding to the tokens. The folder then needs text_encoder/."
    )
    noise_aug: float = Field(
        0.0,
        ge=0,
        le=10,
        description="noise_aug_strength that the network is told. Ctrl-World trains with 0; its sampler says 0.02.",
    )
    sigma_min: float = Field(0.002, gt=0, description="The sampler's last noise level before 0.")
    sigma_max: float = Field(700.0, gt=0, description="The sampler's first noise level.")

    @field_validator("views")
    @classmethod
    def _views_have_names(cls, views: tuple[str, ...]) -> tuple[str, ...]:
        import re

        wrong = [view for view in views if not re.fullmatch(VIEW, view)]
        if wrong or len(set(views)) != len(views):
            raise ValueError(
                f"views are {list(views)}: each needs a name of its own, of letters, digits, dots, dashes and "
                "underscores"
            )
        return views

    @model_validator(mode="after")
    def _levels_fall(self) -> "RobotSettings":
        if self.sigma_min >= self.sigma_max:
            raise ValueError(f"sigma_min is {self.sigma_min}: it must be below sigma_max ({self.sigma_max})")
        return self


class RobotModelOptions(RobotSettings):
    """The checkpoint, what is asked of it, and how it is run."""

    path: str = Field(min_length=1, description="A folder with robot.json (see docs/robots.md), or a Hub id.")
    revision: str | None = Field(None, description="Branch, tag or commit of a Hub id.")
    adapt: bool = Field(
        False,
        description="Run at other views, sizes or frames than the checkpoint was trained for, to train it for these. "
        "With another number of `actions` the action encoder's first layer starts anew.",
    )
    dtype: Literal["float32", "bfloat16"] = Field("bfloat16", description="Precision of the frozen UNet.")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: CUDA if there is a GPU.")
    decode_chunk: int = Field(
        7, ge=1, le=1024, description="Frames of a view decoded together. The decoder looks along time: it shows."
    )
    vae_batch: int = Field(8, ge=1, le=1024, description="Pictures encoded, or views decoded, at once.")

    @property
    def settings(self) -> RobotSettings:
        """What the model is asked for, without how it is run."""
        return RobotSettings(**self.model_dump(include=set(RobotSettings.model_fields)))


class RobotFile(RobotSettings):
    """robot.json, beside the weights: what they were trained for."""

    format: Literal[1] = 1
    contract: str = Field("", max_length=200, description="Name of the action contract of its episodes.")
    pattern: str = Field("", max_length=40, description="Ages of the history frames in its training.")
    stride: int = Field(1, ge=1, description="Rows of an episode between two frames in its training.")
    base: str = Field("", max_length=400, description="What it was trained from.")
