"""Which rollouts of a group are trained on: the best and the worst."""

import torch
from torch import Tensor


def best_and_worst(advantages: Tensor, rewards: Tensor, groups: Tensor, valid: Tensor, best: int, worst: int) -> Tensor:
    """`advantages` [N] with 0 outside the `best` highest and the `worst` lowest valid rewards of each group.

    Advantages are made from all valid members before (PersistWorld Algorithm 1), so that choosing moves no mean. Both
    0 chooses all. Ties are broken by the order of rows, so that exactly so many stay; a group with fewer members than
    best + worst stays whole. rewards float64 [N], groups int64 [N], valid bool [N] as in `group_advantages`.
    """
    if not best and not worst:
        return advantages
    chosen = torch.zeros_like(valid)
    for group in torch.unique(groups):
        members = ((groups == group) & valid).nonzero().flatten()
        ranked = members[torch.argsort(rewards[members], descending=True, stable=True)]
        chosen[ranked[:best]] = True
        chosen[ranked[len(ranked) - min(worst, len(ranked)) :]] = True
    return torch.where(chosen, advantages, torch.zeros_like(advantages))
