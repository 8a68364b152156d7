"""Rewards of a robot's branches: how near their frames are to the true ones (PersistWorld Eq. 4)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from evaluation.rollouts.metrics import FrameMetrics
from evaluation.rollouts.options import is_wrist
from training.options.robots import RobotRewardOptions
from training.rewards.protocol import Sampled, Scores
from training.rollouts import Rollouts


@dataclass(frozen=True)
class Ready:
    """Scores that are there already, float64 [n] by reward's name."""

    scores: Mapping[str, Tensor]

    def wait(self, seconds: float) -> bool:
        return True

    def result(self) -> Mapping[str, Tensor]:
        return self.scores


class FrameScorer:
    """-LPIPS, SSIM and PSNR (dB) of every branch: means over frames, then over views, the wrist's with its own weight.

    All chunks of a branch get the mean over the branch. Frame 0 of a chunk is the current frame and is not scored,
    unless `metrics.skip_first` is false.
    """

    measured, max_failed_share = (), None

    def __init__(self, options: RobotRewardOptions, views: Sequence[str]):
        self.options = options
        self.metrics = FrameMetrics(options.metrics)
        self.rewards = tuple(options.counted)
        weight = torch.tensor([options.wrist_weight if is_wrist(view) else 1.0 for view in views], dtype=torch.float64)
        if not float(weight.sum()):
            raise ValueError(f"rewards.wrist_weight 0 leaves none of the views {list(views)}: give it a weight above 0")
        self.view_weights = weight / weight.sum()

    def submit(self, batch: Sampled) -> Ready:
        truth = torch.stack([one.frames for one in batch.truths])  # [n, F, frames, V, H, W, 3]
        chunks, first = truth.shape[1], int(self.options.metrics.skip_first)
        found = self.metrics(batch.videos[:, first:], truth.flatten(0, 1)[:, first:])
        scores = {}
        for name in self.rewards:
            each = found[name].mean(1) @ self.view_weights
            each = each.unflatten(0, (-1, chunks)).mean(1).repeat_interleave(chunks)
            scores[name] = -each if name == "lpips" else each
        return Ready(scores)

    def collect(self, rollouts: Rollouts, pending: Sequence[Ready], heed: Callable[[], None]) -> Scores:
        parts = [one.result() for one in pending]
        return Scores({name: torch.cat([part[name] for part in parts]) for name in self.rewards})

    def summary(self, told: Mapping[str, Tensor]) -> dict[str, float]:
        return {}
