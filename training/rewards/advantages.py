"""From rewards to advantages: weighted rewards, their running scale, spread and sum, normalised within groups.

A failed judgement is NaN in `weighted` and `valid` False in `group_advantages`: it never counts as a low reward. Groups
are ids given by the caller (one for each task of a step), not texts, so two images with the same task stay two groups.
All of it runs in float64 on the rewards of the whole global batch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

ZERO_STD = 1e-6  # rewards closer than this are ties


@dataclass(frozen=True)
class Advantages:
    """values float32 [N] (0 where not used), and how many groups were skipped, by reason.

    `zero_variance` groups have valid rewards but fewer than 2 or all alike; `empty` groups have no valid one.
    """

    values: Tensor
    zero_variance: int
    empty: int


@dataclass(frozen=True)
class _Groups:
    """By group (its valid members only): count int [G] and population std [G]; `member` [N] is each row's group."""

    count: Tensor
    std: Tensor
    member: Tensor
    centred: Tensor  # float64 [N]: the value less its group's mean, 0 where not valid


def _grouped(values: Tensor, groups: Tensor, valid: Tensor) -> _Groups:
    kept = torch.where(valid, values.double(), 0.0)
    ids, member = torch.unique(groups, return_inverse=True)

    def per_group(rows: Tensor) -> Tensor:
        return torch.zeros(len(ids), dtype=torch.float64, device=rows.device).index_add(0, member, rows.double())

    count = per_group(valid)
    size = count.clamp(min=1)
    centred = torch.where(valid, kept - (per_group(kept) / size)[member], 0.0)
    return _Groups(count, (per_group(centred.square()) / size).sqrt(), member, centred)


def group_advantages(
    rewards: Tensor,
    groups: Tensor,
    valid: Tensor,
    *,
    std_scope: Literal["group", "global"] = "group",
    clip: float = 5.0,
    scale: float = 1.0,
    eps: float = 1e-4,
) -> Advantages:
    """Group-relative advantages (WMSD A.9): clamp((r - mean of the group) / (std + eps), -clip, clip) / clip * scale.

    rewards float64 [N], groups int64 [N] (any ids, in any order), valid bool [N]. Means and standard deviations
    (population, 1 / G) are over valid members. std_scope `group` divides by the group's std (WMSD, PersistWorld),
    `global` by that of all valid rewards, uncentred by group, as the released AWM and DiffusionNFT do. Clipped
    advantages are divided by `clip`, as in AWM's code, so |A| <= scale and a typical A is scale / clip; take scale =
    clip for plain clipped z-scores. Members of zero-variance and empty groups and failed ones get 0.

    clip and scale are above 0. Raises ValueError for shapes that differ, or a valid reward that is not finite.
    """
    if not rewards.shape == groups.shape == valid.shape or rewards.ndim != 1:
        shapes = [tuple(tensor.shape) for tensor in (rewards, groups, valid)]
        raise ValueError(f"rewards, groups and valid have shapes {shapes}: all must have the same length [N]")
    broken = valid & ~torch.isfinite(rewards)
    if broken.any():
        at = broken.nonzero().flatten().tolist()
        raise ValueError(f"rewards {at[:8]} are valid but not finite: set valid to False for a failed judgement")
    of = _grouped(rewards, groups, valid)
    alike = of.std < ZERO_STD  # with fewer than 2 valid members too: one is its own mean
    if std_scope == "group":
        spread = of.std[of.member]
    else:
        spread = rewards[valid].double().std(correction=0) if valid.any() else of.std.new_zeros(())
    values = torch.where(alike[of.member], 0.0, of.centred / (spread + eps)).clamp(-clip, clip) / clip * scale
    return Advantages(values.float(), int((alike & (of.count > 0)).sum()), int((of.count == 0).sum()))


def group_spread(rewards: Tensor, groups: Tensor, valid: Tensor) -> float:
    """The mean over groups of the population std within each, in the rewards' unit: what this reward tells apart.

    `rewards` [N] after weighting, groups int64 [N] and valid bool [N] as in `group_advantages`. Groups with fewer than
    2 valid members are left out; NaN when none is left.
    """
    of = _grouped(rewards, groups, valid)
    return float(of.std[of.count > 1].mean())


@dataclass
class RewardNormaliser:
    """Running standard deviation of each named reward over all rewards seen (Welford, Chan's merge of batches).

    Part of a checkpoint: `state_dict` holds numbers only and survives JSON exactly.
    """

    moments: dict[str, tuple[int, float, float]] = field(default_factory=dict)  # name -> count, mean, sum of squares

    def update(self, rewards: Mapping[str, Tensor]) -> None:
        """Takes in rewards [N] by name; what is not finite (a failed judgement) is left out."""
        for name, values in rewards.items():
            fresh = values.double()[torch.isfinite(values)]
            if not len(fresh):
                continue
            count, mean, squares = self.moments.get(name, (0, 0.0, 0.0))
            here, total = len(fresh), count + len(fresh)
            shift = fresh.mean().item() - mean
            squares += (fresh - fresh.mean()).square().sum().item() + shift**2 * count * here / total
            self.moments[name] = (total, mean + shift * here / total, squares)

    def std(self, name: str) -> float:
        """The divisor of this reward: its population std, or 1 while fewer than 2 are seen or all were alike."""
        count, _, squares = self.moments.get(name, (0, 0.0, 0.0))
        std = (squares / count) ** 0.5 if count > 1 else 0.0
        return std if std > ZERO_STD else 1.0

    def state_dict(self) -> dict[str, dict[str, float]]:
        return {name: dict(zip(("count", "mean", "squares"), at, strict=True)) for name, at in self.moments.items()}

    def load_state_dict(self, state: Mapping[str, Mapping[str, Any]]) -> None:
        """Replaces the moments by those of `state_dict`. Raises KeyError for another form."""
        self.moments = {name: (int(at["count"]), float(at["mean"]), float(at["squares"])) for name, at in state.items()}


def weighted(
    rewards: Mapping[str, Tensor], weights: Mapping[str, float], *, normaliser: RewardNormaliser | None = None
) -> dict[str, Tensor]:
    """The terms of R in WMSD Eq. 10, float64 [N] by name: weight * reward.

    `rewards` are [N] by name, NaN where a judgement failed. Weight 0 is for rewards only looked at: they are no term,
    and their failures do no harm. With a normaliser each reward is first divided by its running std (update it with the
    batch before). At least one weight is above 0. Raises KeyError for a weight without its reward.
    """
    counted = [name for name in sorted(weights) if weights[name] != 0]  # sorted: the sum's rounding is part of a run
    scale = {name: weights[name] / (normaliser.std(name) if normaliser else 1.0) for name in counted}
    return {name: scale[name] * rewards[name].double() for name in counted}


def combine(terms: Mapping[str, Tensor]) -> Tensor:
    """R of WMSD Eq. 10, float64 [N]: the sum of the terms of `weighted`, NaN where one is."""
    return torch.stack(list(terms.values())).sum(0)
