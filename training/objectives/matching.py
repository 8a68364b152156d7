"""Matching errors between velocities.

sigma is 1 at noise and 0 at data, v = noise - x_data. The t of AWM's and DiffusionNFT's code is this sigma; the WMSD
paper's t is 1 - sigma and its velocity the negative. A prediction [N, ...] holds one row for each (sample, level), so
several levels of a sample are rows of one batch and one forward. Functions return float64 [N]; `mask` is as in
`mean_over_state`.
"""

from typing import Literal

from torch import Tensor

from models.video.flow import along, full_precision, mean_over_state

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
    velocity noise - x0 are [N, ...], sigma [N], power > 0.
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
        case "ghuber":
            return level * ((error + FLOOR) ** power - FLOOR**power) / power


def flow_matching_loss(prediction: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
    """L_FM of WMSD A.9, float64 [N]: squared distance of a prediction [N, ...] to the target velocity there.

    At x = renoise(x0, noise, s) of a flow model the target is noise - x0 (VideoModel.target). The loss of supervised
    fine-tuning and of the base model. No gradient goes to the target.
    """
    return squared_distance(prediction, target.detach(), mask)


def denoising_loss(prediction: Tensor, x: Tensor, x0: Tensor, sigma: Tensor, mask: Tensor | None = None) -> Tensor:
    """(sigma^2 + 1) / sigma^2 x the mean of (D - x0)^2, float64 [N]: the loss of an EDM for data of standard deviation
    1 (Karras et al. 2022, Eq. 2 and 8 with Table 1's weight), of which D = x - sigma x `prediction` [N, ...].

    In velocities that is (sigma^2 + 1) (v - (x - x0) / sigma)^2. sigma [N] is above 0. No gradient goes to x0.
    """
    level = sigma.double()
    target = (full_precision(x) - full_precision(x0.detach())) / along(sigma, full_precision(x))
    return (level.square() + 1) * squared_distance(prediction, target, mask)


def velocity_kl(v: Tensor, v_ref: Tensor, mask: Tensor | None = None) -> Tensor:
    """Penalty float64 [N] for leaving a reference's velocities, both [N, ...] at the same states (WMSD A.9).

    The squared distance, at all levels alike. The reference gets no gradient.
    """
    return squared_distance(v, v_ref.detach(), mask)
