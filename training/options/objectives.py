"""Options of the policy-gradient objectives, and of the noise levels at which rollouts are trained."""

import math
from typing import Annotated, Literal

from pydantic import Field

from storage.options import Options


class Levels(Options):
    """At which noise levels rollouts are trained, noised again; the default range is AWM's."""

    timesteps: int = Field(4, ge=1, description="Noise levels a rollout is trained at.")
    skip_first: int = Field(1, ge=0, description="Of the sampler's levels, the first so many are left out of training.")
    fraction: float = Field(
        0.9,
        gt=0,
        le=1,
        description="Levels are those of this share of the sampler's steps, from noise on. Where motion is decided at "
        "high noise, the levels after it add nothing but noise to the gradient.",
    )
    levels: Literal["sampler", "uniform", "logit_normal", "log_normal"] = Field(
        "sampler",
        description="sampler: levels of the sampler itself. The others draw between them: uniform over the range that "
        "skip_first and fraction leave; logit_normal: logit(sigma) is normal, for flow models; log_normal: ln(sigma) "
        "is normal, for models whose sigma has no upper bound (EDM). The last two ignore skip_first and fraction.",
    )
    level_mean: float = Field(0.0, description="logit_normal, log_normal: mean of logit(sigma) or ln(sigma).")
    level_std: float = Field(1.0, gt=0, description="logit_normal, log_normal: standard deviation of the same.")
    level_each: bool = Field(
        False, description="Draw levels for each rollout apart; else all rollouts of a step share them."
    )

    def within(self, steps: int) -> range:
        """The sampler's step indices whose levels are used, of `steps`: of 14, 1 to 11 by default. May be empty."""
        return range(self.skip_first, math.floor(steps * self.fraction + 1e-9))  # 0.29 * 100 is 28.999...


class AWM(Levels):
    """Advantage-weighted matching."""

    kind: Literal["awm"] = "awm"
    weighting: Literal["uniform", "t", "t2", "huber", "ghuber"] = Field(
        "ghuber", description="How the matching error is weighted: training/objectives/matching.py has the formulas."
    )
    power: float = Field(0.25, gt=0, le=1, description="ghuber: p.")
    clip: float = Field(
        1.0,
        gt=0,
        description="Likelihood ratios are clipped to 1 +- clip. They are 1 in the first update after a rollout.",
    )


class FlowGRPO(Options):
    """Flow-GRPO: stochastic sampler steps, clipped ratio, KL to the base."""

    kind: Literal["flow_grpo"] = "flow_grpo"
    eta: float = Field(0.7, gt=0, description="Noise of the stochastic steps.")
    window: tuple[int, int] = Field(
        (0, 4),
        description="Stochastic steps from the first to before the second, the only ones at which the Demonstrator is "
        "asked: anchor and r_distill are averages over their flow time.",
    )
    clip: float = Field(
        1e-3,
        gt=0,
        description="Likelihood ratios are clipped to 1 +- clip. They are 1 in the first update after a rollout.",
    )
    kl: float = Field(0.0, ge=0, description="Weight of the KL of a step's mean to the base model's.")


class NFT(Levels):
    """DiffusionNFT: implicit positive and negative policies around an old one."""

    kind: Literal["nft"] = "nft"
    beta: float = Field(1.0, gt=0, description="Mixing of the branches (nft_beta).")
    old_decay_rate: float = Field(0.001, ge=0, description="The old policy's decay grows by this a step ...")
    old_decay_max: float = Field(0.5, ge=0, lt=1, description="... up to this; 0 makes every step on-policy.")


Objective = Annotated[AWM | FlowGRPO | NFT, Field(discriminator="kind")]
