"""What decides the encoded conditions."""

from typing import Literal

from pydantic import Field

from models.video.options import VideoModelOptions
from storage.options import Options


class HeldOutOptions(Options):
    """Where the tasks of the evaluation come from."""

    source: Literal["bench", "microworld"] = Field(
        "bench",
        description="bench: the release's benchmark split. microworld: fresh scenes drawn from the seed; train pairs "
        "whose combination of agent, target and family is one of the world's held-out ones are then left out.",
    )
    tasks: int = Field(200, ge=1, le=100_000, description="Held-out tasks, at most; fewer where the source has fewer.")
    seed: int = Field(1, ge=0, description="microworld: seed of scenes and tasks. bench: of the choice.")
    unseen_share: float = Field(
        0.25, ge=0, le=1, description="microworld: share of the tasks that are held-out combinations (ids unseen-...)."
    )


class SFTVideoOptions(Options):
    """Clip windows labelled with tasks by the VLM, for the baseline `sft`."""

    count: int = Field(0, ge=0, description="Windows encoded; 0: none, and the method sft cannot be trained.")
    seconds: float | None = Field(None, gt=0, description="Length of a window; none: frames / fps of the model.")
    judge_frames: int = Field(8, ge=2, le=64, description="Frames of a window that the VLM sees.")
    max_tokens: int = Field(200, ge=16, description="Token limit of a label.")
    max_failed_share: float = Field(0.03, ge=0, le=1, description="Share of requests that may go unanswered.")


class ConditionsOptions(Options):
    """Image latents and prompt embeddings, encoded once."""

    model: VideoModelOptions
    batch: int = Field(16, ge=1, le=4096, description="Images, prompts or videos encoded together.")
    most_cropped: float = Field(
        0.25,
        ge=0,
        le=1,
        description="Pairs of the release whose picture would lose more than this share of its area to the crop to the "
        "model's shape are left out (benchmark pairs and clips for `sft` too): T and D may speak of what is then no "
        "longer seen.",
    )
    held_out: HeldOutOptions = HeldOutOptions()
    sft_videos: SFTVideoOptions = SFTVideoOptions()
    grace_s: float = Field(60.0, gt=0, description="Seconds a cancelled encoder has to end before it is killed.")
