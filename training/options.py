"""What a training run is told: the strict block that recipes write and `python -m training.train --config` reads."""

import math
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model, model_validator

from models.video.options import VideoModelOptions
from models.vlm.questions import QUESTIONS
from storage.strict_yaml import read_yaml
from training.rewards.judgements import JudgeOptions


class Options(BaseModel):
    """Unknown names are errors, values do not change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class LoRAOptions(Options):
    rank: int = Field(32, ge=1, le=1024, description="Rank of each adapter.")
    alpha: float = Field(64.0, gt=0, description="The adapter's output is scaled by alpha / rank.")
    targets: tuple[str, ...] = Field((), description="Names of linear layers; none: those the model's adapter lists.")


class RolloutOptions(Options):
    tasks: int = Field(4, ge=1, description="Tasks (groups) a step, over all processes.")
    group: int = Field(12, ge=2, description="Rollouts K of each task; at least 2, since rewards are compared.")
    steps: int = Field(8, ge=1, description="Sampler steps of a rollout.")
    batch: int = Field(12, ge=1, description="Videos sampled together; each batch is judged while the next is sampled.")


# A field a question of the judge.
QuestionWeights = create_model(
    "QuestionWeights",
    __base__=Options,
    **{
        one.name: (float, Field(one.weight, ge=0, description=f"Weight of the judge's log-odds that {one.yes}."))
        for one in QUESTIONS
    },
)


class RewardOptions(QuestionWeights):
    distill: float = Field(1.0, ge=0, description="Weight of r_distill (lambda_distill, Eq. 9).")
    normalise: bool = Field(False, description="Divide each reward by its running std before weighting.")
    std_scope: Literal["group", "global"] = Field("group", description="Whose std divides the advantages.")
    clip: float = Field(5.0, gt=0, description="Advantages are clipped to +-clip.")
    scale: float = Field(1.0, gt=0, description="A clipped advantage of +-clip becomes +-scale.")
    judge_noise: float = Field(
        0.0,
        ge=0,
        description="Standard deviation of Gaussian noise on the log-odds that become rewards, to see what a judge "
        "that errs does to training. Held-out tasks are judged without it.",
    )
    judge_flip: float = Field(0.0, ge=0, le=1, description="Share of them that is turned into its opposite, likewise.")
    judge: JudgeOptions = JudgeOptions()


class Levels(Options):
    """At which of the sampler's noise levels rollouts are trained, noised again; the default range is AWM's."""

    timesteps: int = Field(4, ge=1, description="Noise levels a rollout is trained at.")
    skip_first: int = Field(1, ge=0, description="Of the sampler's levels, the first so many are left out of training.")
    fraction: float = Field(
        0.9,
        gt=0,
        le=1,
        description="Levels are those of this share of the sampler's steps, from noise on. Where motion is decided at "
        "high noise, the levels after it add nothing but noise to the gradient.",
    )

    def within(self, steps: int) -> range:
        """The sampler's step indices whose levels are used, of `steps`: of 14, 1 to 11 by default. May be empty."""
        return range(self.skip_first, math.floor(steps * self.fraction + 1e-9))  # 0.29 * 100 is 28.999...


class AWM(Levels):
    """Advantage-weighted matching."""

    kind: Literal["awm"] = "awm"
    weighting: Literal["uniform", "t", "t2", "huber", "ghuber"] = "ghuber"
    power: float = Field(0.25, gt=0, le=1, description="ghuber: p.")
    clip: float = Field(1.0, gt=0, description="Likelihood ratios are clipped to 1 +- clip.")


class FlowGRPO(Options):
    """Flow-GRPO: stochastic sampler steps, clipped ratio, KL to the base."""

    kind: Literal["flow_grpo"] = "flow_grpo"
    eta: float = Field(0.7, gt=0, description="Noise of the stochastic steps.")
    window: tuple[int, int] = Field(
        (0, 4),
        description="Stochastic steps from the first to before the second, the only ones at which the Demonstrator is "
        "asked: anchor and r_distill are averages over their flow time.",
    )
    clip: float = Field(1e-3, gt=0, description="Likelihood ratios are clipped to 1 +- clip.")
    kl: float = Field(0.0, ge=0, description="Weight of the KL of a step's mean to the base model's.")


class NFT(Levels):
    """DiffusionNFT: implicit positive and negative policies around an old one."""

    kind: Literal["nft"] = "nft"
    beta: float = Field(1.0, gt=0, description="Mixing of the branches (nft_beta).")
    old_decay_rate: float = Field(0.001, ge=0, description="The old policy's decay grows by this a step ...")
    old_decay_max: float = Field(0.5, ge=0, lt=1, description="... up to this; 0 makes every step on-policy.")


Objective = Annotated[AWM | FlowGRPO | NFT, Field(discriminator="kind")]


class DistillOptions(Options):
    beta_d: float = Field(0.01, ge=0, description="Weight of the anchor to the Demonstrator (Eq. 12).")
    states: Literal["trajectory", "renoised"] = Field(
        "trajectory",
        description="trajectory: the anchor looks at states of the rollout itself, as Eq. 11 has it. renoised: at the "
        "states the policy gradient is trained at, which saves one Executor pass a state, and needs flow_time false.",
    )
    timesteps: int = Field(4, ge=1, description="Trajectory states at which the Demonstrator is asked.")
    flow_time: bool = Field(
        True,
        description="Trajectory states count by the flow time their step covers, as the integrals of Eq. 9 and 11 have "
        "it; false: each step alike, which gives early (noisy) states more weight under a shifted schedule.",
    )
    period: int = Field(5, ge=2, description="alternating: every how many steps the Demonstrator is trained (N).")
    beta_phi: float = Field(0.01, ge=0, description="Weight of the Demonstrator's own anchor to the base (Alg. 2).")


class RegulariserOptions(Options):
    kl_ref: float = Field(0.0, ge=0, description="Weight of the squared velocity distance to the base under T.")
    kl_ema: float = Field(0.0, ge=0, description="Weight of the squared velocity distance to an EMA of the policy.")
    ema_decay: float = Field(0.9, ge=0, lt=1, description="Decay a step of that EMA.")


class OptimizerOptions(Options):
    lr: float = Field(3e-4, gt=0, description="AdamW's rate.")
    weight_decay: float = Field(1e-4, ge=0)
    betas: tuple[float, float] = (0.9, 0.999)
    warmup: int = Field(0, ge=0, description="Steps over which the rate grows from 0.")
    decay_to: float = Field(1.0, ge=0, le=1, description="Share of the rate left at the last step (cosine).")
    clip_norm: float = Field(1.0, gt=0, description="Gradients are scaled down to this norm.")
    stop_norm: float = Field(1e3, gt=0, description="A gradient norm above this, or NaN, ends the run.")


class MemoryOptions(Options):
    batch: int = Field(48, ge=1, description="States that pass through the model together in training.")
    checkpointing: bool = Field(False, description="Recompute activations in the backward pass.")
    compile: bool = Field(False, description="torch.compile the denoiser.")


class RunOptions(Options):
    steps: int = Field(100, ge=1, description="Optimizer steps of the run.")
    seed: int = Field(0, ge=0)
    checkpoint_every: int = Field(20, ge=1, description="Steps between checkpoints.")
    keep: int = Field(2, ge=1, description="Checkpoints kept.")
    grid_every: int = Field(20, ge=0, description="Steps between pictures of rollouts; 0: none.")


class HeldOutOptions(Options):
    """Evaluation before, during and after training on tasks that training never sees."""

    tasks: int = Field(
        200,
        ge=1,
        description="Held-out tasks, at most: all that the conditions hold, or an even stride over them.",
    )
    every: int = Field(0, ge=0, description="Steps between evaluations of the Executor; 0: only before and after.")
    steps: int = Field(8, ge=1, description="Sampler steps.")
    seed: int = Field(1, ge=0)


Method = Literal[
    "wmsd",
    "off_policy",
    "on_policy_anchor",
    "on_policy_full",
    "rl_only",
    "off_policy_teacher_rl",
    "alternating",
    "sft",
    "dmd",
]


class TrainOptions(Options):
    """One training run."""

    model: VideoModelOptions
    conditions: str = Field(min_length=1, description="Folder of encoded conditions (asset `conditions`).")
    dataset_version: str = Field("", description="The release the conditions must be of; none: any.")
    output: str = Field(min_length=1, description="Folder for checkpoints, logs and the final weights.")
    method: Method = "wmsd"
    objective: Objective = AWM()
    lora: LoRAOptions = LoRAOptions()
    rollout: RolloutOptions = RolloutOptions()
    rewards: RewardOptions = RewardOptions()
    distill: DistillOptions = DistillOptions()
    regularisers: RegulariserOptions = RegulariserOptions()
    optimizer: OptimizerOptions = OptimizerOptions()
    memory: MemoryOptions = MemoryOptions()
    run: RunOptions = RunOptions()
    held_out: HeldOutOptions = HeldOutOptions()
    licence: str = Field("", description="The base model's licence, which the LoRA inherits: an SPDX id, for its card.")

    @model_validator(mode="after")
    def _fits(self) -> "TrainOptions":
        if self.objective.kind == "flow_grpo":
            first, last = self.objective.window
            if not 0 <= first < last <= self.rollout.steps:
                raise ValueError(
                    f"objective.window {self.objective.window}: 0 <= first < last <= rollout.steps "
                    f"({self.rollout.steps}) is expected"
                )
        if self.distill.timesteps > self.rollout.steps:
            raise ValueError(
                f"distill.timesteps {self.distill.timesteps}: at most rollout.steps ({self.rollout.steps}) is expected"
            )
        if self.distill.flow_time and self.distill.states == "renoised":
            raise ValueError(
                "distill.flow_time true with distill.states renoised: re-noised levels cover no flow time, so they "
                "count alike; flow_time false is expected with renoised, or states trajectory"
            )
        return self


class InvalidOptions(ValueError):
    """A file of options that cannot be read; the message lists every mistake."""


def read_options(path: Path) -> TrainOptions:
    """The options in a YAML or JSON file. Raises InvalidOptions for unknown or doubled keys, wrong values, no file."""
    try:
        return TrainOptions.model_validate(read_yaml(path))
    except OSError as error:
        raise InvalidOptions(f"{path}: {error.strerror}: a file of training options is expected") from error
    except ValidationError as error:
        lines = [f"  {'.'.join(map(str, item['loc'])) or 'options'}: {item['msg']}" for item in error.errors()]
        raise InvalidOptions("\n".join([f"{path}: {len(lines)} mistakes in the options:", *lines])) from error
    except ValueError as error:
        raise InvalidOptions(str(error)) from error
