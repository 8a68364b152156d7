"""Matching errors between velocities, and the noise levels at which they are taken.

sigma is 1 at noise and 0 at data, v = noise - x_data. The t of AWM's and DiffusionNFT's code is this sigma; the WMSD
paper's t is 1 - sigma and its velocity the negative. A prediction [N, ...] holds one row for each (sample, level), so
several levels of a sample are rows of one batch and one forward. Functions return float64 [N]; `mask` is as in
`mean_over_state`.
"""

from typing import Literal

import torch
from torch import Tensor

from models.video.flow import along, clean_prediction, full_precision, mean_over_state, renoise

__all__ = [
    "along",
    "clean_prediction",
    "flow_matching_loss",
    "full_precision",
    "matching_error",
    "mean_over_state",
    "renoise",
    "squared_distance",
    "training_sigmas",
    "training_steps",
    "velocity_kl",
]

Weighting = Literal["uniform", "t", "t2", "huber", "ghuber"]
FLOOR = 1e-10  # keeps the slope of the roots finite at a perfect match


def squared_distance(a: Tensor, b: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean over the state's dims of (a - b)^2, for a, b [N, ...] of any float dtype -> float64 [N].

    The norm of the WMSD paper (Eq. 3, 4, 9, 11) and of AWM is a sum over dims. The mean is what released code computes
    (AWM, DiffusionNFT), and with it a coefficient such as beta_d does not depend on the size of the video.
    """
    return mean_over_state((full_precision(a) - full_precision(b)).square(), mask)


def matching_error(
    prediction: Tensor,
    target: Tensor,
    sigma: Tensor,
    weighting: Weighting = "ghuber",
    power: float = 0.25,
    mask: Tensor | None = None,
) -> Tensor:
    """Weighted matching error w(l, sigma) float64 [N] of AWM (WMSD A.9), with l = squared_distance(prediction, target).

    uniform: l; t: sigma l; t2: sigma^2 l; huber: sigma (sqrt(l + e) - sqrt(e)); ghuber: sigma ((l + e)^p - e^p) / p,
    with e = 1e-10 and p = `power`. Its negative is AWM's stand-in for a log-probability. `prediction` and the target
    velocity noise - x0 are [N, ...], sigma [N]. Raises ValueError for a weighting or power it does not know.
    """
    error, level = squared_distance(prediction, target, mask), sigma.double()
    match weighting:
        case "uniform":
            return error
        case "t":
            return level * error
        case "t2":
            return level.square() * error
        case "huber":
            return level * ((error + FLOOR).sqrt() - FLOOR**0.5)
        case "ghuber" if power > 0:
            return level * ((error + FLOOR) ** power - FLOOR**power) / power
        case "ghuber":
            raise ValueError(f"power is {power}: a positive exponent is expected")
    raise ValueError(f"weighting is {weighting!r}: one of uniform, t, t2, huber, ghuber is expected")


def flow_matching_loss(prediction: Tensor, x0: Tensor, noise: Tensor, mask: Tensor | None = None) -> Tensor:
    """L_FM of WMSD A.9, float64 [N]: squared distance of a prediction [N, ...] at renoise(x0, noise, s) to noise - x0.

    The loss of supervised fine-tuning and of the base model. No gradient goes to x0 or `noise`.
    """
    return squared_distance(prediction, (noise - x0).detach(), mask)


def velocity_kl(v: Tensor, v_ref: Tensor, mask: Tensor | None = None) -> Tensor:
    """Penalty float64 [N] for leaving a reference's velocities, both [N, ...] at the same states (WMSD A.9).

    The squared distance, at all levels alike. The reference gets no gradient.
    """
    return squared_distance(v, v_ref.detach(), mask)


def training_steps(within: range, count: int, generator: torch.Generator) -> Tensor:
    """`count` stratified step indices int64 [count], ascending, out of `within` (neighbours, as range(1, 12)).

    The range is cut in `count` equal strata with one draw each, so each index is equally likely over all draws; one
    comes twice only where strata share it. Raises ValueError for a range without indices, and for count < 1.
    """
    if not within or within.start < 0 or within.step != 1:
        raise ValueError(f"steps {within} to train at: neighbouring indices from 0 on are expected, at least one")
    if count < 1:
        raise ValueError(f"{count} training levels: at least 1 is expected")
    drawn = (torch.arange(count) + torch.rand(count, generator=generator, dtype=torch.float64)) / count
    return (within.start + drawn * len(within)).long().clamp(max=within.stop - 1)


def training_sigmas(sigmas: Tensor, within: range, count: int, generator: torch.Generator) -> Tensor:
    """`count` stratified levels float32 [count] at which to train, high and low in every draw (AWM's time sampling).

    They are out of the sampler's own `sigmas` [steps + 1], at the `training_steps` of `within`. The generator is on the
    CPU. Raises ValueError as there.
    """
    at = training_steps(within, count, generator)
    return sigmas[at.to(sigmas.device)].float()
