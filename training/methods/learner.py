"""A policy under training: its optimizers, its shadows, and the scales of the rewards that it learns from."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from training.policies.lora import Shadow
from training.rewards.advantages import RewardNormaliser


@dataclass
class Learner:
    """What is kept of one trained policy from step to step, and in checkpoints.

    `optimizers` by kind: adamw, and muon where matrices have one of their own. `shadows`: old (NFT), ema.
    """

    optimizers: Mapping[str, torch.optim.Optimizer]
    shadows: dict[str, Shadow]
    normaliser: RewardNormaliser = field(default_factory=RewardNormaliser)
