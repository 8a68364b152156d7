"""Options of the policy-gradient objectives, and of the noise levels at which rollouts are trained."""

import math
from typing import Annotated, Literal

from pydantic import Field

from storage.options import Options


class Levels(Options):
    """The noise levels at which rollouts are noised again and trained. The default range is AWM's."""

    timesteps: int = Field(4, ge=1, description="Number of noise levels that each rollout is trained at.")
    skip_first: int = Field(1, ge=0, description="Number of the sampler's first levels that are not trained.")
    fraction: float = Field(
        0.9,
        gt=0,
        le=1,
        description="Share of the sampler's steps, counted from noise, whose levels are trained. If motion is decided "
        "at high noise, later levels only add noise to the gradient.",
    )
    levels: Literal["sampler", "uniform", "logit_normal", "log_normal"] = Field(
        "sampler",
        description="sampler: the sampler's own levels. uniform: drawn evenly from the range that skip_first and "
        "fraction leave. logit_normal, for flow models: logit(sigma) is drawn from a normal distribution. log_normal, "
        "for models whose sigma has no upper bound (EDM): ln(sigma) is. Both ignore skip_first and fraction.",
    )
    level_mean: float = Field(0.0, description="logit_normal, log_normal: mean of logit(sigma) or ln(sigma).")
    level_std: float = Field(1.0, gt=0, description="logit_normal, log_normal: standard deviation of that value.")
    level_each: bool = Field(
        False, description="Draw separate levels for each rollout. false: all rollouts of a step share them."
    )

    def within(self, steps: int) -> range:
        """The sampler's step indices whose levels are used, of `steps`: of 14, 1 to 11 by default. May be empty."""
        return range(self.skip_first, math.floor(steps * self.fraction + 1e-9))  # 0.29 * 100 is 28.999...


class AWM(Levels):
    """Advantage-weighted matching."""

    kind: Literal["awm"] = "awm"
    weighting: Literal["uniform", "t", "t2", "huber", "ghuber"] = Field(
        "ghuber", description="Weighting of the matching error. training/objectives/matching.py has the formulas."
    )
    power: float = Field(0.25, gt=0, le=1, description="ghuber: its exponent p.")
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
        description="[first, last]: sampler steps from first up to last - 1 are stochastic. The Demonstrator is asked "
        "only at these. Anchor and r_distill are averages over their flow time.",
    )
    clip: float = Field(
        1e-3,
        gt=0,
        description="Likelihood ratios are clipped to 1 +- clip. They are 1 in the first update after a rollout.",
    )
    kl: float = Field(0.0, ge=0, description="Weight of the KL divergence of a step from the base model's step.")


class NFT(Levels):
    """DiffusionNFT: implicit positive and negative policies around an old one."""

    kind: Literal["nft"] = "nft"
    beta: float = Field(1.0, gt=0, description="How far the two implicit policies are from the old one (nft_beta).")
    old_decay_rate: float = Field(0.001, ge=0, description="How much the old policy's decay grows each step.")
    old_decay_max: float = Field(0.5, ge=0, le=1, description="Largest decay of the old policy. 0: always on-policy.")
    sampled_by: Literal["old", "learner"] = Field(
        "old",
        description="Who rolls out. old: the old policy, as DiffusionNFT's proof assumes. learner: the policy itself, "
        "as PersistWorld's Algorithm 1 says.",
    )
    weighting: Literal["adaptive", "none"] = Field(
        "adaptive",
        description="adaptive: errors are divided by their mean absolute value (DiffusionNFT). none: PersistWorld's "
        "Eq. 2 to the letter.",
    )


Objective = Annotated[AWM | FlowGRPO | NFT, Field(discriminator="kind")]
