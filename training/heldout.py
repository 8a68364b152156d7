"""Scores on tasks that training never sees: the base under T, the Demonstrator under D, the Executor under T."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from evaluation.scores import Comparison, ScoreTable, compare, score
from models.video.seeds import held_out_seed
from training.bundle import Predictor
from training.condition_store import ConditionStore, Pair
from training.config import TrainOptions
from training.distributed import World
from training.judging import Judge
from training.rewards import Judgements, check_failures
from training.rollout import Plan, sample

SPLIT = "heldout"


@dataclass(frozen=True)
class Arm:
    """One way to act: a policy (None: the base) under T or under D."""

    name: str
    policy: str | None
    prompt: Literal["task", "solution"]


BASE = Arm("base under T", None, "task")
DEMONSTRATOR = Arm("Demonstrator (base under D)", None, "solution")
EXECUTOR = Arm("Executor under T", "executor", "task")


class HeldOut:
    """The held-out tasks of a run, each with one initial noise of its own that all arms share."""

    def __init__(self, options: TrainOptions, predictor: Predictor, store: ConditionStore, judge: Judge, world: World):
        self.options, self.predictor, self.store, self.judge, self.world = options, predictor, store, judge, world
        self.pairs: list[Pair] = store.pairs(SPLIT)[: options.held_out.tasks]
        self.own = range(world.rank, len(self.pairs), world.size)

    def judge_arm(self, arm: Arm) -> dict[str, np.ndarray]:
        """Log-odds float64 [tasks] by question, NaN where the judge failed; the same on every process.

        Raises TooManyFailures on every process when it failed for more than the share that the recipe accepts.
        """
        fps, device = self.predictor.model.shape.fps, self.predictor.model.device
        pending = [
            self.judge.submit(videos, [pair.task for pair in pairs], fps)
            for pairs, videos in self.batches(arm, self.own)
        ]
        questions, world, error = self.judge.options.questions, self.world, ""
        table = torch.full((len(self.pairs), len(questions)), torch.nan, dtype=torch.float64)
        if pending:
            judgements = Judgements.cat([one.result() for one in pending])
            error = judgements.last_error
            found = np.stack([judgements.log_odds[name] for name in questions], axis=1)
            table[world.rank :: world.size] = torch.from_numpy(found)
        # Every process has the whole table with its own rows filled in: place p is of process p mod size.
        tables = world.gather(table.to(device)).cpu().view(world.size, *table.shape)
        places = torch.arange(len(self.pairs))
        merged = tables[places % world.size, places].numpy()
        log_odds = {name: merged[:, column].copy() for column, name in enumerate(questions)}
        failed = {name: np.isnan(values) for name, values in log_odds.items()}
        told = f"{arm.name}, held-out tasks: {error or 'on another process'}"
        whole = Judgements(log_odds, failed, 0.0, 0, told)
        check_failures(whole, self.options.rewards.judge.max_failed_share)
        return log_odds

    def videos(self, arm: Arm, places: Sequence[int]) -> torch.Tensor:
        """The arm's videos uint8 [N, T, H, W, 3] for the tasks at `places`, N >= 1."""
        return torch.cat([videos for _, videos in self.batches(arm, places)])

    def batches(self, arm: Arm, places: Sequence[int]) -> Iterator[tuple[list[Pair], torch.Tensor]]:
        """The tasks at `places` and the arm's videos of them, uint8 [n, T, H, W, 3]: `rollout.batch` at a time, since
        those of all tasks may fill the memory."""
        options, model = self.options, self.predictor.model
        pairs = [self.pairs[place] for place in places]
        size = options.rollout.batch
        for first in range(0, len(pairs), size):
            part = pairs[first : first + size]
            under = self.store.executor(part) if arm.prompt == "task" else self.store.demonstrator(part)
            seeds = tuple(held_out_seed(options.held_out.seed, pair.pair_id) for pair in part)
            rows = Plan(torch.arange(len(part)), torch.arange(len(part)), seeds)

            def field(x, sigma, condition):
                return self.predictor.velocity(arm.policy, x, sigma, condition, counted="held-out")

            steps = options.held_out.steps
            rollouts = sample(model, field, under.to(model.device), rows, steps=steps, batch=size, keep=False)
            yield part, model.decode(rollouts.clean)


def table(results: dict[str, dict[str, np.ndarray]]) -> ScoreTable:
    """Scores of arms, by name, side by side."""
    return ScoreTable(tuple(score(name, log_odds) for name, log_odds in results.items()))


def comparisons(results: dict[str, dict[str, np.ndarray]]) -> dict[str, Comparison]:
    """The Executor's Task score against each other arm's, on the same tasks and noise: those judged for both."""
    ours = results[EXECUTOR.name]["task"]
    others = {name: other["task"] for name, other in results.items() if name != EXECUTOR.name}
    return {name: compare(ours, theirs) for name, theirs in others.items() if not np.isnan(ours + theirs).all()}
