"""Advantage-Weighted Matching: the matching error of a sample stands in for its negative log-probability (WMSD A.9).

AWM's t is sigma here (1 noise, 0 data); the WMSD paper's t is 1 - sigma. The form is AWM's `exp_first`: one ratio for
each (sample, level), averaged after clipping.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from training.objectives.matching import Weighting, matching_error


@dataclass(frozen=True)
class AWMTerms:
    """loss, ratio and weighted matching error, float64 [N]. loss and error carry gradients, ratio none."""

    loss: Tensor
    ratio: Tensor
    error: Tensor


def awm_loss(
    prediction: Tensor,
    target: Tensor,
    sigma: Tensor,
    advantage: Tensor,
    *,
    old_error: Tensor | None = None,
    weighting: Weighting = "ghuber",
    power: float = 0.25,
    clip: float = 1.0,
    mask: Tensor | None = None,
) -> AWMTerms:
    """max(-A ratio, -A clamp(ratio, 1 - clip, 1 + clip)) for each row, with ratio = exp(old error - error).

    prediction and target (noise - x0) [N, ...] at renoise(x0, noise, sigma); sigma and advantage [N]. `error` is
    `matching_error` with this weighting. `old_error` [N] is the old policy's error at the same noise and levels; None
    means on policy, where it is error.detach(): the ratio is exactly 1, no old forward is needed, and the gradient is
    that of A * error. At clip = 1 the lower bound never binds; clip > 0.
    """
    error = matching_error(prediction, target.detach(), sigma, weighting, power, mask)
    old = (error if old_error is None else old_error).detach()
    ratio = (old - error).exp()
    a = advantage.detach().to(ratio)
    loss = torch.maximum(-a * ratio, -a * ratio.clamp(1 - clip, 1 + clip))
    return AWMTerms(loss, ratio.detach(), error)
