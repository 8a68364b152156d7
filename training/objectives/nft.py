"""DiffusionNFT: a contrast of two implicit policies around the old one, on the forward process.

DiffusionNFT's t is sigma here (1 noise, 0 data). On policy its gradient is that of A times the adaptively weighted flow
matching error, whatever nft_beta is; the loss's value then does not depend on the rewards at all, so `weighted` is what
to watch.
"""

from dataclasses import dataclass

from torch import Tensor

from models.video.flow import clean_prediction, full_precision, mean_over_state

FLOOR = 1e-5  # of the adaptive weight


@dataclass(frozen=True)
class NFTTerms:
    """float64 [N]: loss, which carries gradients, and `weighted`, which has none.

    `weighted` is advantage_clip (2 r - 1) L(theta), whose gradient the loss's is on policy: the value to log.
    """

    loss: Tensor
    weighted: Tensor


def old_decay(step: int, rate: float, most: float) -> float:
    """How much of the old policy stays after a step (from 1): it lags more and more, up to `most` (DiffusionNFT)."""
    return min(rate * step, most)


def nft_loss(
    prediction: Tensor,
    old: Tensor | None,
    x_sigma: Tensor,
    x0: Tensor,
    sigma: Tensor,
    advantage: Tensor,
    *,
    nft_beta: float = 1.0,
    advantage_clip: float = 1.0,
    adaptive: bool = True,
    mask: Tensor | None = None,
) -> NFTTerms:
    """advantage_clip (r L+ + (1 - r) L-) / nft_beta for each row, from velocities.

    Velocities `prediction` and `old` [N, ...] (None: on policy, prediction.detach()) at x_sigma = renoise(x0, noise,
    sigma); sigma and advantage [N]. The branches' velocities beta v + (1 - beta) v_old and (1 + beta) v_old - beta v
    are mixed after the map to predicted data, with which mixing commutes: see `nft_loss_clean` for the rest.
    """
    x = full_precision(x_sigma.detach())
    clean = clean_prediction(x, full_precision(prediction), sigma)
    old_clean = None if old is None else clean_prediction(x, full_precision(old.detach()), sigma)
    scales = {"nft_beta": nft_beta, "advantage_clip": advantage_clip, "adaptive": adaptive}
    return nft_loss_clean(clean, old_clean, x0, advantage, **scales, mask=mask)


def nft_loss_clean(
    clean: Tensor,
    old_clean: Tensor | None,
    x0: Tensor,
    advantage: Tensor,
    *,
    nft_beta: float = 1.0,
    advantage_clip: float = 1.0,
    adaptive: bool = True,
    mask: Tensor | None = None,
) -> NFTTerms:
    """The same loss for models that predict data: clean, old_clean and x0 [N, ...], advantage [N].

    Branch predictions are x+ = beta x + (1 - beta) x_old and x- = (1 + beta) x_old - beta x; L is the mean over
    masked-in dims of (branch - x0)^2 divided by the branch's adaptive weight, mean |branch - x0|, detached and at least
    1e-5. r = clamp(A / advantage_clip / 2 + 1/2, 0, 1): `advantage_clip` is the largest |A| that counts, which is the
    `scale` of `group_advantages` (the released code takes raw z-scores and 5). Without `adaptive` the weight is 1 and
    the loss PersistWorld's Eq. 2. nft_beta and advantage_clip are above 0.
    """
    clean, x0 = full_precision(clean), full_precision(x0.detach())
    old_clean = clean.detach() if old_clean is None else full_precision(old_clean.detach())
    r = (advantage.detach().double() / advantage_clip / 2 + 0.5).clamp(0, 1)
    positive = _error(nft_beta * clean + (1 - nft_beta) * old_clean - x0, mask, adaptive)
    negative = _error((1 + nft_beta) * old_clean - nft_beta * clean - x0, mask, adaptive)
    loss = advantage_clip * (r * positive + (1 - r) * negative) / nft_beta
    weighted = advantage_clip * (2 * r - 1) * _error((clean - x0).detach(), mask, adaptive)
    return NFTTerms(loss, weighted)


def _error(difference: Tensor, mask: Tensor | None, adaptive: bool) -> Tensor:
    squared = mean_over_state(difference.square(), mask)
    return squared / mean_over_state(difference.detach().abs(), mask).clamp(min=FLOOR) if adaptive else squared
