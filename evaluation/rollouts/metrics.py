"""How like the truth predicted frames are: PSNR, SSIM and LPIPS, batched, and the reward made of them.

    r = -w LPIPS + w SSIM + w PSNR        (PersistWorld section 3.3; w of PSNR is 1/32 per dB, the others 1)

Means are over frames, then over views.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from evaluation.rollouts.options import SIGMA_OF_KERNEL, MetricSettings, is_wrist

BLOCK_PIXELS = 2**18  # of frames compared together: SSIM then holds about 100 MB
LPIPS_LEAST = {"alex": 31, "vgg": 16}  # pixels a side of which the network's last layers still see one


def frame_scores(
    predicted: Tensor, truth: Tensor, settings: MetricSettings = MetricSettings(), device: str = "cpu"
) -> dict[str, Tensor]:
    """Metrics of uint8 [N, T, V, H, W, 3] RGB frames against others of the same shape: float64 [N, T, V] by name.

    `psnr` in dB, capped (identical frames have no finite one); `ssim` from torchmetrics; `lpips` where
    `settings.lpips_backbone` is given. NaN only where LPIPS's backbone gives it: whoever takes means sees it. Raises
    ValueError for other shapes or dtypes, NoBackbone.
    """
    if predicted.shape != truth.shape or predicted.ndim != 6 or predicted.shape[-1] != 3:
        raise ValueError(
            f"predicted frames {tuple(predicted.shape)}, true ones {tuple(truth.shape)}: both must be [N, T, V, H, W, "
            "3]"
        )
    if predicted.dtype != torch.uint8 or truth.dtype != torch.uint8:
        raise ValueError(f"predicted frames are {predicted.dtype}, true ones {truth.dtype}: both must be uint8")
    height, width = predicted.shape[3:5]
    if min(height, width) < 3:
        raise ValueError(f"frames are {height}x{width}: SSIM needs 3x3 at least")
    if settings.lpips_backbone and min(height, width) < LPIPS_LEAST[settings.lpips_net]:
        raise ValueError(
            f"frames are {height}x{width}: LPIPS of net {settings.lpips_net} needs {LPIPS_LEAST[settings.lpips_net]} "
            "pixels a side"
        )
    block = max(1, BLOCK_PIXELS // (height * width))
    ours, theirs = predicted.flatten(0, 2).split(block), truth.flatten(0, 2).split(block)
    parts = [_block_scores(a.to(device), b.to(device), settings) for a, b in zip(ours, theirs, strict=True)]
    return {name: torch.cat([part[name] for part in parts]).view(predicted.shape[:3]) for name in settings.names}


@dataclass(frozen=True)
class FrameMetrics:
    """`frame_scores` under settings that stay."""

    settings: MetricSettings = field(default_factory=MetricSettings)
    device: str = "cpu"

    def __call__(self, predicted: Tensor, truth: Tensor) -> dict[str, Tensor]:
        return frame_scores(predicted, truth, self.settings, self.device)


@torch.no_grad()
def _block_scores(ours: Tensor, theirs: Tensor, settings: MetricSettings) -> dict[str, Tensor]:
    """Metrics float64 [B] on the CPU of frames uint8 [B, H, W, 3]."""
    found = {"psnr": _psnr(ours, theirs, settings.psnr_cap)}
    a, b = (frames.movedim(-1, 1).float() / 255 for frames in (ours, theirs))
    found["ssim"] = _ssim(a, b, settings.kernel(*a.shape[2:]))
    if settings.lpips_backbone:
        from evaluation.rollouts.lpips_backbone import lpips_of

        network = lpips_of(settings.lpips_net, settings.lpips_backbone, str(a.device))
        found["lpips"] = network(a, b, normalize=True).flatten()
    return {name: values.double().cpu() for name, values in found.items()}


def _psnr(ours: Tensor, theirs: Tensor, cap: float) -> Tensor:
    """10 log10(255^2 / MSE) in dB float64 [B], from whole numbers: the same in any batch, to the last bit."""
    apart = (ours.int() - theirs.int()).square().flatten(1)
    mse = apart.sum(1).double() / apart.shape[1]
    return (10 * torch.log10(255.0**2 / mse)).clamp(max=cap)


def _ssim(ours: Tensor, theirs: Tensor, kernel: int) -> Tensor:
    # Not at the top: torchmetrics loads transformers and torchvision.
    from torchmetrics.functional.image.ssim import structural_similarity_index_measure

    return structural_similarity_index_measure(
        ours, theirs, sigma=kernel * SIGMA_OF_KERNEL, data_range=1.0, reduction="none"
    )


def view_weights(views: Sequence[str], wrist_weight: float = 1.0) -> Tensor:
    """Weights of a mean over `views`, float64 [V], sum 1: `wrist_weight` for a view named wrist, 1 for the others.

    Raises ValueError where nothing is left.
    """
    weights = torch.tensor([wrist_weight if is_wrist(view) else 1.0 for view in views], dtype=torch.float64)
    if not weights.sum() > 0:
        raise ValueError(f"wrist_weight is {wrist_weight} and the views are {', '.join(views)}: no view counts")
    return weights / weights.sum()


def reward_of(
    scores: Mapping[str, Tensor], weights: Mapping[str, float], views: Sequence[str], wrist_weight: float = 1.0
) -> Tensor:
    """r of PersistWorld, float64 [N], from scores [N, T, V] by name (`frame_scores`).

    `weights` >= 0 by name (psnr's is per dB: 1/32); LPIPS is subtracted, the others added. A name that has a weight
    and no score raises KeyError: give the weights that count. NaN in a score makes its r NaN.
    """
    missing = weights.keys() - scores.keys()
    if missing:
        raise KeyError(f"no score of {', '.join(sorted(missing))}, which has a weight: there are {', '.join(scores)}")
    over_views = view_weights(views, wrist_weight)
    means = {name: scores[name].double().mean(1) @ over_views for name in weights}
    return sum((-w if name == "lpips" else w) * means[name] for name, w in weights.items())
