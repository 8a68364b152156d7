"""What the training of a robot world model is told: PersistWorld, teacher forcing, and the baselines beside them."""

from typing import Literal

from pydantic import Field, model_validator

from evaluation.rollouts.options import MetricSettings
from models.robot.options import RobotModelOptions
from storage.options import Options
from training.options.loop import MemoryOptions, OptimizerOptions, RunOptions
from training.options.methods import DistillOptions, RegulariserOptions, RobotMethod, RolloutOptions
from training.options.objectives import NFT
from training.options.policies import LoRAOptions


class PrefixOptions(Options):
    """How many chunks a group's context is rolled out before its branches part."""

    kind: Literal["random", "fixed", "growing"] = Field(
        "random",
        description="random: uniform from 0 to `most`, for each group (PersistWorld). fixed: always `most`. growing: "
        "uniform from 0 to a length that grows to `most` over `growth` of the run.",
    )
    most: int = Field(9, ge=0, le=100, description="Most chunks of a prefix.")
    growth: float = Field(0.5, gt=0, le=1, description="growing: share of the steps after which `most` is reached.")


class TimeOptions(Options):
    """Which frames a chunk is conditioned on."""

    history: Literal["replay", "training"] = Field(
        "replay",
        description="Ages of the history frames. replay: of the released rollouts, {first, first, 28, 20, 12, 4}. "
        "training: of the base's training, {24, 20, 16, 12, 8, 4}.",
    )
    stride: int = Field(1, ge=1, le=100, description="Rows of an episode between two frames of the model.")


class RobotRolloutOptions(RolloutOptions):
    """Groups, their shared prefix, and their branches."""

    group: int = Field(16, ge=2, description="Branches of a group (K). Their rewards are compared, so at least 2.")
    steps: int = Field(50, ge=1, description="Euler steps of a chunk.")
    batch: int = Field(16, ge=1, description="Chunks sampled together.")
    chunks: int = Field(1, ge=1, le=16, description="Chunks of a branch (F).")
    prefix: PrefixOptions = PrefixOptions()
    time: TimeOptions = TimeOptions()

    @property
    def prefixes(self) -> int:
        return self.prefix.most

    @property
    def parts(self) -> int:
        return self.chunks


class RobotRewardOptions(Options):
    """r = -w LPIPS + w SSIM + w PSNR, means over frames, then over views; and how rewards become advantages."""

    lpips: float = Field(1.0, ge=0, description="Weight of -LPIPS. It counts only with `metrics.lpips_backbone`.")
    ssim: float = Field(1.0, ge=0, description="Weight of SSIM.")
    psnr: float = Field(1 / 32, ge=0, description="Weight of PSNR in dB.")
    wrist_weight: float = Field(1.0, ge=0, description="Weight of the wrist view in the mean over views.")
    metrics: MetricSettings = MetricSettings()
    normalise: bool = Field(False, description="Divide each reward by its running standard deviation first.")
    std_scope: Literal["group", "global"] = Field("group", description="Whose standard deviation divides advantages.")
    clip: float = Field(1.0, gt=0, description="Advantages (z-scores) are clipped to [-clip, clip].")
    scale: float = Field(1.0, gt=0, description="Clipped advantages are rescaled to [-scale, scale].")
    best: int = Field(5, ge=0, description="Branches with the highest rewards trained in each group.")
    worst: int = Field(5, ge=0, description="Branches with the lowest rewards trained. Both 0: all branches.")

    @property
    def weights(self) -> dict[str, float]:
        """The weight of each reward by its name."""
        return {"lpips": self.lpips, "ssim": self.ssim, "psnr": self.psnr}

    @property
    def counted(self) -> dict[str, float]:
        """The weights that count: of LPIPS only where its backbone is there."""
        return {name: w for name, w in self.weights.items() if name != "lpips" or self.metrics.lpips_backbone}

    def weight_of(self, source: str) -> float:
        """The sum of the weights of the rewards that the scorer of frames gives."""
        return sum(self.counted.values())


class RobotRegulariserOptions(RegulariserOptions):
    """Penalties for distance from the base model."""

    kl_ref: float = Field(1e-4, ge=0, description="Weight of the squared distance to the base's predictions.")
    kl_space: Literal["clean", "velocity"] = Field(
        "clean",
        description="clean: of denoised frames, (D - D_base)^2. velocity: of velocities, which is that over sigma^2.",
    )


class TeacherForcingOptions(Options):
    """Training on true chunks behind a true history, as the base was trained."""

    states: int = Field(
        0,
        ge=0,
        description="True chunks of a step over all processes. 0: as many as cost what a step of PersistWorld costs, "
        "in denoiser evaluations (a backward pass counts 2).",
    )
    history_noise: float = Field(
        0.0, ge=0, description="Noise of history frames: sigma ~ this x |N(0, 1)| for each frame (Ctrl-World: 0.3)."
    )
    noisy_history: float = Field(0.3, gt=0, description="The same for the method noisy_history.")
    current_noise: float = Field(0.0, ge=0, description="Most noise of the current frame, sigma ~ U(0, this).")
    action_dropout: float = Field(
        0.0, ge=0, le=1, description="Share of chunks whose action tokens are zeroed (Ctrl-World: 0.05, for guidance)."
    )
    same_history: float = Field(0.0, ge=0, le=1, description="Share of chunks whose history is the current frame.")


class RobotHeldOutOptions(Options):
    """Closed-loop rollouts and the action-shuffle gap, before, along and after training."""

    episodes: int = Field(
        32, ge=2, description="Most episodes of the split val, evenly spaced: they choose the best checkpoint."
    )
    test_episodes: int = Field(
        0,
        ge=0,
        description="Most episodes of the split test, on which base and trained model are compared in the end. "
        "0: they are compared on those of val.",
    )
    chunks: int = Field(14, ge=1, description="Chunks of a rollout: 14 are 57 frames.")
    every: int = Field(20, ge=0, description="Steps between evaluations. 0: only before and after training.")
    steps: int = Field(50, ge=1, description="Euler steps of a chunk.")
    seed: int = Field(1, ge=0, description="Seed of each chunk's noise.")
    batch: int = Field(16, ge=1, description="Rollouts side by side.")


class RobotOptimizerOptions(OptimizerOptions):
    """How a gradient changes the weights, and which of them are scored."""

    kind: Literal["adamw", "muon"] = Field("muon", description="muon: Muon for matrices, AdamW for the rest.")
    lr: float = Field(1e-4, gt=0, description="The learning rate.")
    score_ema: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Decay of an average of the trained weights that is scored and exported in their place. 0: none.",
    )

    @property
    def scored(self) -> float:
        return self.score_ema


class RobotTrainOptions(Options):
    """One training run of a robot world model."""

    model: RobotModelOptions
    episodes: str = Field(min_length=1, description="Folder of encoded episodes (asset `episode_latents`).")
    dataset_version: str = Field("", description="Version that the episodes must have. Empty: any.")
    output: str = Field(min_length=1, description="Folder for checkpoints, logs and the final weights.")
    method: RobotMethod = Field("persistworld", description="PersistWorld, or one of its baselines.")
    objective: NFT = NFT(levels="log_normal", level_mean=0.7, level_std=1.6, level_each=True, timesteps=1)
    lora: LoRAOptions = LoRAOptions(rank=64, alpha=64.0, whole=("action_encoder",))
    rollout: RobotRolloutOptions = RobotRolloutOptions()
    teacher_forcing: TeacherForcingOptions = TeacherForcingOptions()
    rewards: RobotRewardOptions = RobotRewardOptions()
    regularisers: RobotRegulariserOptions = RobotRegulariserOptions()
    optimizer: RobotOptimizerOptions = RobotOptimizerOptions()
    memory: MemoryOptions = MemoryOptions()
    run: RunOptions = RunOptions(steps=8000)
    held_out: RobotHeldOutOptions = RobotHeldOutOptions()
    licence: str = Field("", description="Licence of the base model, an SPDX id for the card.")

    @property
    def distill(self) -> DistillOptions:
        """No method of robots has a Demonstrator."""
        return DistillOptions()

    @model_validator(mode="after")
    def _fits(self) -> "RobotTrainOptions":
        if self.rewards.best + self.rewards.worst > self.rollout.group:
            raise ValueError(
                f"rewards.best {self.rewards.best} and rewards.worst {self.rewards.worst}: their sum must be at most "
                f"rollout.group ({self.rollout.group})"
            )
        if self.objective.levels == "logit_normal":
            raise ValueError("objective.levels logit_normal is for flow models: use log_normal, or sampler")
        return self
