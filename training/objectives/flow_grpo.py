"""Flow-GRPO: clipped policy gradient on the Gaussian steps of a stochastic sampler (WMSD A.9).

Rows are (sample, step) pairs of `sampling.sde`, log-probabilities those of `sampling.sde_step`: means over dims, not
sums, hence very small clip ranges.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from training.objectives.matching import squared_distance


@dataclass(frozen=True)
class FlowGRPOTerms:
    """float64 [N]: loss with its penalty, and ratio (no gradient)."""

    loss: Tensor
    ratio: Tensor


def flow_grpo_loss(
    log_prob: Tensor,
    old_log_prob: Tensor | None,
    advantage: Tensor,
    *,
    clip: float = 1e-4,
    mean: Tensor | None = None,
    ref_mean: Tensor | None = None,
    std: Tensor | None = None,
    kl: float = 0.0,
    mask: Tensor | None = None,
) -> FlowGRPOTerms:
    """max(-A ratio, -A clamp(ratio, 1 - clip, 1 + clip)) + kl KL for each row, ratio = exp(log_prob - old_log_prob).

    log_prob, old_log_prob and advantage [N]; old None is on policy (log_prob.detach()). For kl > 0: KL = mean over
    masked-in dims of (mean - ref_mean)^2 / (2 std^2), with the step's means [N, ...] under the policy and the reference
    (no gradient) and its std [N], that is the KL of the two Gaussians per dim. The released code divides by 2 s^2 with
    std = s sqrt(-dt): its coefficient b is b * -dt here. clip > 0.
    """
    log_prob = log_prob.double()
    old = (log_prob if old_log_prob is None else old_log_prob).detach()
    ratio = (log_prob - old).exp()
    a = advantage.detach().to(ratio)
    loss = torch.maximum(-a * ratio, -a * ratio.clamp(1 - clip, 1 + clip))
    if kl == 0:
        return FlowGRPOTerms(loss, ratio.detach())
    divergence = squared_distance(mean, ref_mean.detach(), mask) / (2 * std.detach().double().square())
    return FlowGRPOTerms(loss + kl * divergence, ratio.detach())
