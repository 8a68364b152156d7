"""Videos of held-out tasks by several ways to act, before the judge: tasks that training never sees."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from models.video.seeds import held_out_seed
from training.conditions.store import ConditionStore, Pair
from training.loop.evaluation import Interrupted
from training.options import TrainOptions
from training.policies.predictor import Predictor
from training.rewards.judge import Judge
from training.rewards.judgements import Judgements
from training.rewards.protocol import check_failures
from training.rollouts import Plan, sample
from training.world import World

SPLIT = "heldout"


@dataclass(frozen=True)
class Arm:
    """One way to act: a policy (None: the base) under T or under D; `trained`: whether training changes it."""

    name: str
    policy: str | None
    prompt: Literal["task", "solution"]

    @property
    def trained(self) -> bool:
        return self.policy is not None


BASE = Arm("base under T", None, "task")
DEMONSTRATOR = Arm("Demonstrator (base under D)", None, "solution")
EXECUTOR = Arm("Executor under T", "executor", "task")
ARMS = (BASE, DEMONSTRATOR, EXECUTOR)


@dataclass(frozen=True)
class Judged:
    """What the judge said of an arm's videos: `log_odds` float64 [tasks] by question, NaN where it failed, and `mass`
    float64 [tasks], the least p(yes) + p(no) of a video's answers, NaN where none is known."""

    log_odds: dict[str, np.ndarray]
    mass: np.ndarray


class HeldOut:
    """The held-out tasks of a run, each with one initial noise of its own that all arms share.

    Where the conditions hold more than `held_out.tasks`, those are taken at an even stride: what lies together there,
    such as combinations that training never names, keeps its share.
    """

    def __init__(self, options: TrainOptions, predictor: Predictor, store: ConditionStore, judge: Judge, world: World):
        self.options, self.predictor, self.store, self.judge, self.world = options, predictor, store, judge, world
        pairs: list[Pair] = store.pairs(SPLIT)
        count = min(options.held_out.tasks, len(pairs))
        self.pairs = [pairs[(2 * place + 1) * len(pairs) // (2 * count)] for place in range(count)]
        self.own = range(world.rank, len(self.pairs), world.size)

    def judge_arm(self, arm: Arm, asked_to_stop: Callable[[], int] = lambda: 0) -> Judged:
        """What the judge says of the arm; the same on every process.

        `asked_to_stop` gives the signal that this process got, 0 for none; it is looked at between batches. Raises on
        every process: Interrupted when one was asked to stop (the others learn of it when they tell their results),
        TooManyFailures when the judge failed for more than the share that the recipe accepts.
        """
        fps, device = self.predictor.model.shape.fps, self.predictor.model.device
        pending, judged = [], []
        for pairs, videos in self.batches(arm, self.own):
            pending.append(self.judge.submit(videos, [pair.task for pair in pairs], fps))
            if asked_to_stop():
                break
        for one in pending:
            if asked_to_stop():
                break
            judged.append(one.result())
        questions, world, error = self.judge.options.questions, self.world, ""
        # One row a task, and a last one for the signal; one column a question, and a last one for the mass.
        table = torch.full((len(self.pairs) + 1, len(questions) + 1), torch.nan, dtype=torch.float64)
        table[-1] = stop = asked_to_stop()
        if judged and not stop:
            judgements = Judgements.cat(judged)
            error = judgements.last_error
            found = np.stack([*(judgements.log_odds[name] for name in questions), judgements.masses], axis=1)
            table[:-1][world.rank :: world.size] = torch.from_numpy(found)
        # Every process has the whole table with its own rows filled in: place p is of process p mod size.
        tables = world.gather(table.to(device)).cpu().view(world.size, *table.shape)
        if stop := int(tables[:, -1].max()):
            raise Interrupted(stop)
        places = torch.arange(len(self.pairs))
        merged = tables[places % world.size, places].numpy()
        log_odds = {name: merged[:, column].copy() for column, name in enumerate(questions)}
        told = f"{arm.name}, held-out tasks: {error or 'on another process'}"
        check_failures(log_odds, self.options.rewards.judge.max_failed_share, told)
        return Judged(log_odds, merged[:, -1].copy())

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
