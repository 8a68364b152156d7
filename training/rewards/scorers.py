"""The scorers of World Model Self-Distillation: a VLM's judgements, and r_distill."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from models.video.protocol import VideoModel
from training.objectives.distillation import disagreement, distillation_reward, step_weights
from training.options import TrainOptions
from training.rewards.judge import Judge
from training.rewards.judge import Pending as Judged
from training.rewards.judgements import Judgements
from training.rewards.protocol import Sampled, Scorer, Scores
from training.rollouts import Rollouts

HEED_S = 0.5  # how long a wait for the judge may ignore a signal
MASS = "judge/mass"
APART_BATCH = 64  # states whose disagreement is measured together


class JudgeScorer:
    """Log-odds of a judge's yes to each question about the video (WMSD section 4.1).

    It measures what share of the probability yes and no had, of the question where that is least.
    """

    measured = (MASS,)

    def __init__(self, judge: Judge, questions: Sequence[str], max_failed_share: float, fps: float):
        self.judge, self.rewards, self.max_failed_share, self.fps = judge, tuple(questions), max_failed_share, fps

    def submit(self, batch: Sampled) -> Judged:
        return self.judge.submit(batch.videos, batch.texts, self.fps)

    def collect(self, rollouts: Rollouts, pending: Sequence[Judged], heed: Callable[[], None]) -> Scores:
        while not all(one.wait(HEED_S) for one in pending):
            heed()
        judgements = Judgements.cat([one.result() for one in pending])
        rewards = {name: torch.from_numpy(judgements.log_odds[name]) for name in self.rewards}
        return Scores(rewards, {MASS: torch.from_numpy(judgements.masses)}, judgements.last_error)

    def summary(self, told: Mapping[str, Tensor]) -> dict[str, float]:
        """`solved`: the share of rollouts whose task is done, by the judge; and the least mass of its answers."""
        task, mass = told["task"], told[MASS]
        kept, known = task[torch.isfinite(task)], mass[torch.isfinite(mass)]
        least = {f"{MASS}_min": float(known.min())} if len(known) else {}
        return {"solved": float((kept > 0).double().mean())} | least


class DistillationScorer:
    """r_distill (Eq. 9): how little the teacher would have steered each rollout elsewhere, at most 0."""

    rewards, measured, max_failed_share = ("distill",), ("disagreement",), None

    def __init__(self, mask: Tensor | None, flow_time: bool):
        self.mask, self.flow_time = mask, flow_time

    def submit(self, batch: Sampled) -> None:
        """Nothing: the teacher is asked about whole trajectories."""

    def collect(self, rollouts: Rollouts, pending: Sequence, heed: Callable[[], None]) -> Scores:
        steps = rollouts.asked.step.view(-1, len(rollouts.plan))[:, 0]
        student = rollouts.velocities[steps].flatten(0, 1)
        batches = zip(student.split(APART_BATCH), rollouts.asked.teacher.split(APART_BATCH), strict=True)
        apart = torch.cat([disagreement(ours, theirs, self.mask) for ours, theirs in batches])
        apart = apart.view(len(steps), -1).cpu()
        weights = step_weights(rollouts.sigmas.cpu(), len(steps), self.flow_time, rollouts.stochastic)[steps]
        return Scores({"distill": distillation_reward(apart, weights)}, {"disagreement": apart.mean(0)})

    def summary(self, told: Mapping[str, Tensor]) -> dict[str, float]:
        return {}


def scorers_of(options: TrainOptions, judge: Judge, model: VideoModel) -> dict[str, Scorer]:
    """The scorers by the names that rounds call them (training/methods/rounds.py)."""
    asked = options.rewards.judge
    return {
        "judge": JudgeScorer(judge, asked.questions, asked.max_failed_share, model.shape.fps),
        "distill": DistillationScorer(model.mask, options.distill.flow_time),
    }
