"""From the scores of a step, over all processes, to advantages and metrics (WMSD Eq. 10, A.9)."""

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from training.options.rewards import RewardOptions
from training.rewards.advantages import (
    RewardNormaliser,
    combine,
    group_advantages,
    group_spread,
    weighted,
)
from training.rewards.protocol import Scorer, check_failures
from training.rewards.selection import best_and_worst
from training.rollouts import Rollouts
from training.world import World

GROUP = "group"
FAILED = {"judge": "judgements"}  # what a source that fails is said to have failed at


class Told:
    """What one process tells of its rollouts: a column a reward and a measure, and each scorer's last error."""

    def __init__(self, scorers: Mapping[str, Scorer]):
        self.scorers = dict(scorers)
        self.columns = [name for one in self.scorers.values() for name in (*one.rewards, *one.measured)]
        self.rows = torch.empty(0, len(self.columns) + 1, dtype=torch.float64)
        self.errors: dict[str, str] = {}

    def collect(self, rollouts: Rollouts, pending: Mapping[str, Sequence], heed: Callable[[], None]) -> None:
        """Waits for the scorers and fills the rows, float64 [B, columns + 1], the last being the group's id."""
        found: dict[str, Tensor] = {}
        for name, scorer in self.scorers.items():
            scores = scorer.collect(rollouts, pending[name], heed)
            found |= {**scores.rewards, **scores.measured}
            self.errors[name] = scores.error or "on another process"
        columns = [found[name] for name in self.columns] + [rollouts.plan.groups.double()]
        self.rows = torch.stack(columns, dim=1)


def advantages(
    told: Told,
    options: RewardOptions,
    world: World,
    device: torch.device | str,
    *,
    where: str,
    normaliser: RewardNormaliser | None,
    rank: bool,
    parts: int = 1,
) -> tuple[Tensor | None, dict[str, float]]:
    """Advantages float32 [B] of this process's rollouts, and metrics of all; None where nothing is to be ranked.

    A collective: rows of all processes are gathered. `where` names the step for errors. `normaliser` is updated with
    the step's rewards, and divides them; None leaves them as they are. Raises TooManyFailures on every process when a
    scorer failed for too many rollouts. `parts`: rows of a rollout, one behind the other, which share their rewards.
    """
    gathered = world.gather(told.rows.to(device)).cpu().T
    table = dict(zip([*told.columns, GROUP], gathered, strict=True))
    measured = {name: _mean(table[name]) for one in told.scorers.values() for name in one.measured}
    metrics = {name: value for name, value in measured.items() if not math.isnan(value)}  # of rollouts that have one
    if not rank:
        return None, metrics
    named = {name: table[name] for one in told.scorers.values() for name in one.rewards}
    weights = {name: options.weights[name] for name in named}
    if normaliser:
        normaliser.update({name: values for name, values in named.items() if weights[name]})
    terms = weighted(named, weights, normaliser=normaliser)
    total = combine(terms)
    groups, valid = table[GROUP].long(), torch.isfinite(total)
    for source, scorer in told.scorers.items():
        metrics |= scorer.summary({name: table[name] for name in (*scorer.rewards, *scorer.measured)})
        if scorer.max_failed_share is not None:
            counted = {name: named[name] for name in scorer.rewards if weights[name]}
            error = f"{where}: {told.errors[source]}"
            check_failures(counted, scorer.max_failed_share, error, FAILED.get(source, f"scores of {source}"))
            failed = torch.isnan(torch.stack([*counted.values()])).any(0) if counted else torch.zeros(len(total))
            metrics[f"{source}/failed_share"] = float(failed.double().mean())
    result = group_advantages(total, groups, valid, std_scope=options.std_scope, clip=options.clip, scale=options.scale)
    values = best_and_worst(result.values, total, groups, valid, options.best * parts, options.worst * parts)
    metrics["reward"] = _mean(total)
    metrics |= {f"reward/{name}": _mean(values) for name, values in named.items() if weights[name]}
    metrics |= {f"spread/{name}": group_spread(values, groups, valid) for name, values in terms.items()}
    metrics |= {"groups/zero_variance": float(result.zero_variance), "groups/empty": float(result.empty)}
    count = len(told.rows)
    return values[world.rank * count : (world.rank + 1) * count], metrics


def _mean(values: Tensor) -> float:
    """The mean of what did not fail; NaN where all did."""
    kept = values[torch.isfinite(values)]
    return float(kept.mean()) if len(kept) else math.nan
