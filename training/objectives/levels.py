"""Noise levels at which rollouts are trained: of the sampler's own grid, or drawn between its levels."""

import torch
from torch import Tensor

from training.options.objectives import Levels


def training_levels(sigmas: Tensor, options: Levels, generator: torch.Generator) -> Tensor:
    """`options.timesteps` stratified levels float32 [timesteps], high and low in every draw.

    `sigmas` [steps + 1] are the sampler's, falling. `sampler`: some of them, as AWM's time sampling; `uniform`: between
    the highest and the lowest of those; `logit_normal` (flow models, Esser et al. 2024) and `log_normal` (EDM, Karras
    et al. 2022, Table 1): by quantiles of the normal of `level_mean` and `level_std`. The generator is on the CPU.
    Raises ValueError where the range holds no level.
    """
    within, count = options.within(len(sigmas) - 1), options.timesteps
    if options.levels == "sampler":
        return sigmas[training_steps(within, count, generator)].float()
    share = strata(count, generator)
    if options.levels == "uniform":
        if not within:
            raise ValueError(f"levels uniform: skip_first and fraction leave none of the levels {sigmas.tolist()}")
        high, low = (sigmas[at].double() for at in (within.start, within.stop - 1))
        return (high + (low - high) * share).float()
    normal = options.level_mean + options.level_std * torch.special.ndtri(share)
    return (normal.sigmoid() if options.levels == "logit_normal" else normal.exp()).float()


def strata(count: int, generator: torch.Generator) -> Tensor:
    """One uniform draw in each of `count` equal parts of [0, 1), ascending, float64 [count]."""
    return (torch.arange(count) + torch.rand(count, generator=generator, dtype=torch.float64)) / count


def training_steps(within: range, count: int, generator: torch.Generator) -> Tensor:
    """`count` stratified step indices int64 [count], ascending, out of `within` (neighbours, as range(1, 12)).

    The range is cut in `count` equal strata with one draw each, so each index is equally likely over all draws; one
    comes twice only where strata share it. Raises ValueError for a range without indices, and for count < 1.
    """
    if not within or within.start < 0 or within.step != 1:
        raise ValueError(f"steps {within} to train at: give at least one index, and consecutive ones from 0 or above")
    if count < 1:
        raise ValueError(f"{count} training levels: use at least 1")
    return (within.start + strata(count, generator) * len(within)).long().clamp(max=within.stop - 1)
