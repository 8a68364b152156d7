"""What decides the encoded conditions."""

from typing import Literal

from pydantic import Field

from models.video.options import VideoModelOptions
from storage.options import Options


class HeldOutOptions(Options):
    """The source of the evaluation's tasks."""

    source: Literal["bench", "microworld"] = Field(
        "bench",
        description="bench: the release's benchmark split. microworld: new scenes drawn from the seed. Then train "
        "pairs with a held-out combination of agent, target and family are left out.",
    )
    tasks: int = Field(200, ge=1, le=100_000, description="Most held-out tasks. Fewer if the source has fewer.")
    seed: int = Field(1, ge=0, description="microworld: seed of scenes and tasks. bench: seed of the choice of tasks.")
    unseen_share: float = Field(
        0.25, ge=0, le=1, description="microworld: share of tasks with held-out combinations (ids unseen-...)."
    )


class SFTVideoOptions(Options):
    """Clip windows labelled with tasks by the VLM, for the baseline `sft`."""

    count: int = Field(0, ge=0, description="Number of windows. 0: none; then method sft cannot be trained.")
    seconds: float | None = Field(None, gt=0, description="Length of a window. null: the model's frames / fps.")
    judge_frames: int = Field(8, ge=2, le=64, description="Frames of a window that the VLM sees.")
    max_tokens: int = Field(200, ge=16, description="Token limit of a label.")
    max_failed_share: float = Field(0.03, ge=0, le=1, description="Share of requests that may fail.")


class ConditionsOptions(Options):
    """Which image latents and prompt embeddings are encoded, and how."""

    model: VideoModelOptions
    batch: int = Field(16, ge=1, le=4096, description="Images, prompts or videos encoded together.")
    most_cropped: float = Field(
        0.25,
        ge=0,
        le=1,
        description="Leave out pairs whose picture would lose more than this share of its area when it is cropped to "
        "the model's shape, because T and D may mention what was cut off. Also applies to benchmark pairs and to clips "
        "for `sft`.",
    )
    held_out: HeldOutOptions = HeldOutOptions()
    sft_videos: SFTVideoOptions = SFTVideoOptions()
    grace_s: float = Field(60.0, gt=0, description="Seconds that a cancelled encoder has to end before it is killed.")
