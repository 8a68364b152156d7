"""What a training run is told: the strict block that recipes write and `python -m training.train --config` reads.

A block a file, named as the room that reads it.
"""

from pydantic import Field, model_validator

from models.video.options import VideoModelOptions
from storage.options import Options
from training.options.loop import HeldOutOptions, MemoryOptions, OptimizerOptions, RunOptions
from training.options.methods import DistillOptions, Method, RegulariserOptions, RolloutOptions
from training.options.objectives import AWM, Objective
from training.options.policies import LoRAOptions
from training.options.rewards import RewardOptions


class TrainOptions(Options):
    """One training run."""

    model: VideoModelOptions
    conditions: str = Field(min_length=1, description="Folder of encoded conditions (asset `conditions`).")
    dataset_version: str = Field("", description="Release that the conditions must come from. Empty: any.")
    output: str = Field(min_length=1, description="Folder for checkpoints, logs and the final weights.")
    method: Method = Field("wmsd", description="World Model Self-Distillation, or one of its ablations and baselines.")
    objective: Objective = Field(AWM(), description="The policy gradient's loss.")
    lora: LoRAOptions = LoRAOptions()
    rollout: RolloutOptions = RolloutOptions()
    rewards: RewardOptions = RewardOptions()
    distill: DistillOptions = DistillOptions()
    regularisers: RegulariserOptions = RegulariserOptions()
    optimizer: OptimizerOptions = OptimizerOptions()
    memory: MemoryOptions = MemoryOptions()
    run: RunOptions = RunOptions()
    held_out: HeldOutOptions = HeldOutOptions()
    licence: str = Field("", description="Licence of the base model and so of the LoRA: an SPDX id for the card.")

    @model_validator(mode="after")
    def _fits(self) -> "TrainOptions":
        if self.objective.kind == "flow_grpo":
            first, last = self.objective.window
            if not 0 <= first < last <= self.rollout.steps:
                raise ValueError(
                    f"objective.window {self.objective.window}: it must satisfy 0 <= first < last <= rollout.steps "
                    f"({self.rollout.steps})"
                )
        if self.distill.timesteps > self.rollout.steps:
            raise ValueError(
                f"distill.timesteps {self.distill.timesteps}: use at most rollout.steps ({self.rollout.steps})"
            )
        if self.distill.flow_time and self.distill.states == "renoised":
            raise ValueError(
                "distill.flow_time true does not fit distill.states renoised, because re-noised levels cover no flow "
                "time: set distill.flow_time false, or distill.states trajectory"
            )
        if self.rewards.best + self.rewards.worst > self.rollout.group:
            raise ValueError(
                f"rewards.best {self.rewards.best} and rewards.worst {self.rewards.worst}: their sum must be at most "
                f"rollout.group ({self.rollout.group})"
            )
        return self
