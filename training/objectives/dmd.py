"""Distribution matching self-distillation (WMSD A.2.1, Eq. 13-22), in terms of velocities.

The Executor is the generator G, the Demonstrator the real score, and a copy of the Executor, trained online on the
Executor's own samples, the fake score. Here alpha = 1 - sigma and sigma_t = sigma, so that x_sigma = (1 - sigma) x +
sigma noise (Eq. 15, 22) is `flow.renoise`, and a denoiser's mu is `flow.clean_prediction`. The paper saw this
objective diverge; it is one of the ablations.
"""

from typing import Literal

from torch import Tensor

from models.video.flow import along, clean_prediction, full_precision, mean_over_state
from training.objectives.matching import squared_distance

FLOOR = 1e-5  # of DMD's normaliser, where the real denoiser gives back x itself


def score(x_sigma: Tensor, v: Tensor, sigma: Tensor) -> Tensor:
    """Score [N, ...] of the noisy states x_sigma that velocity v implies, at sigma [N] > 0 (Eq. 16 and 17).

    -(x_sigma - (1 - sigma) mu) / sigma^2 with mu = x_sigma - sigma v, which is -(x_sigma + (1 - sigma) v) / sigma.
    """
    x, level = full_precision(x_sigma), along(sigma, full_precision(x_sigma))
    return -(x + (1 - level) * full_precision(v)) / level


def fake_score_loss(v_fake: Tensor, x_sigma: Tensor, x: Tensor, sigma: Tensor, mask: Tensor | None = None) -> Tensor:
    """L_denoise of Eq. 18, float64 [N]: the fake denoiser's distance to the sample, a mean over dims.

    v_fake [N, ...] at x_sigma = renoise(x, noise, sigma) of generated samples x [N, ...]. Gradients go to v_fake only.
    """
    return squared_distance(clean_prediction(x_sigma.detach(), full_precision(v_fake), sigma), x.detach(), mask)


def dmd_gradient(
    x: Tensor,
    x_sigma: Tensor,
    v_fake: Tensor,
    v_real: Tensor,
    sigma: Tensor,
    weight: Literal["one", "dmd"] = "one",
    mask: Tensor | None = None,
) -> Tensor:
    """w alpha (s_fake - s_real) [N, ...]: the bracket of Eq. 21 before dG/dtheta, detached from everything.

    The difference of scores is -(1 - sigma) (v_fake - v_real) / sigma; it is formed so, since the difference of the two
    scores themselves loses its digits at low sigma. `one`: w = 1, the gradient of the KL at this level. `dmd`: w =
    sigma^2 / (alpha mean |mu_real - x|), the normalisation of the DMD paper (floored at 1e-5), which gives all levels
    gradients of one size and is what keeps low levels from dominating. All arguments [N, ...] but sigma [N] in (0, 1).
    Raises ValueError for another weight.
    """
    x, x_sigma = full_precision(x.detach()), full_precision(x_sigma.detach())
    v_fake, v_real = full_precision(v_fake.detach()), full_precision(v_real.detach())
    level = along(sigma, x)
    if weight == "one":
        return -((1 - level) ** 2) / level * (v_fake - v_real)
    if weight == "dmd":
        distance = mean_over_state((clean_prediction(x_sigma, v_real, sigma) - x).abs(), mask).clamp(min=FLOOR)
        return -(1 - level) * level / along(distance, x) * (v_fake - v_real)
    raise ValueError(f"weight is {weight!r}: use 'one' or 'dmd'")


def dmd_loss(
    x: Tensor,
    x_sigma: Tensor,
    v_fake: Tensor,
    v_real: Tensor,
    sigma: Tensor,
    *,
    weight: Literal["one", "dmd"] = "one",
    mask: Tensor | None = None,
) -> Tensor:
    """Surrogate float64 [N] for the generator, whose gradient in theta is Eq. 21's divided by the number of dims.

    mean over masked-in dims of sg(dmd_gradient) * x, with x = G(z) [N, ...] carrying the generator's gradient; its
    value means nothing. The fake and the real model's velocities at x_sigma = renoise(x, noise, sigma) get no gradient.
    """
    gradient = dmd_gradient(x, x_sigma, v_fake, v_real, sigma, weight, mask)
    return mean_over_state(gradient * full_precision(x), mask)
