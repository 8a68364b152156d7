"""The trainer: rollout, rewards, advantages, losses, one optimizer step; every method is a configuration of it."""

import copy
import json
import math
import time
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor

from models.video.protocol import VideoModel
from models.vlm.questions import NAMES
from training.conditions.store import ConditionStore, Pair
from training.loop.held_out import Interrupted
from training.loop.log import RunLog
from training.loop.optimise import Diverged, optimise, prepare
from training.loop.state import save
from training.stopping import Dropped, Stopped, Stopping
from training.world import World
from training.methods.dmd import dmd_step
from training.rollouts import Rollouts, plan, sample
from training.methods.rounds import Round, anchors_on_trajectory, round_of, trains_demonstrator
from training.methods.sft import sft_step
from training.methods.tasks import share_of_rank, tasks_of_step
from training.methods.update import Learner, Teacher, Update, distillation_rewards, distilled_steps, trajectory_states
from training.options import TrainOptions
from training.policies.lora import Policies
from training.policies.predictor import Predictor, States
from training.rewards.advantages import combine, group_advantages, group_spread, weighted
from training.rewards.judge import Judge
from training.rewards.judgements import Judgements, TooManyFailures, check_failures, spoiled

COLUMNS = (*NAMES, "distill", "disagreement", "group")  # what processes tell each other of a rollout
HEED_S = 0.5  # how long a wait for the judge may ignore a signal
SHARED = ("lr", "seconds")  # metrics of a step that mean the same whoever is trained


class Trainer:
    """Trains the adapters of one run. `log` writes on the first process only."""

    def __init__(
        self, options: TrainOptions, model: VideoModel, store: ConditionStore, judge: Judge, log: RunLog, world: World
    ):
        self.options, self.model, self.store = options, model, store
        self.judge, self.log, self.world = judge, log, world
        self.pairs = store.pairs("train")
        self.places = share_of_rank(options.rollout.tasks, world.rank, world.size)
        names = ["executor"]
        names += ["demonstrator"] if trains_demonstrator(options.method) else []
        names += ["fake"] if options.method == "dmd" else []
        self.policies = Policies(
            model.transformer,
            names,
            rank=options.lora.rank,
            alpha=options.lora.alpha,
            targets=options.lora.targets or model.lora_targets,
            seed=options.run.seed,
        )
        self.stopping = Stopping(world, model.device)
        self.predictor = Predictor(model, self.policies, before_call=self.stopping.heed)
        self.update = Update(options, self.predictor)
        if options.memory.checkpointing:
            model.transformer.enable_gradient_checkpointing()
        if options.memory.compile:
            model.transformer.compile()  # in place, so that adapters go on working
        self.trained = {name: prepare(options, name, self.policies.parameters(name)) for name in names}
        self.videos = [video_id for video_id, _ in store.videos()] if options.method == "sft" else []
        self.notes: dict[str, Any] = {}  # what else a resumed run must know: JSON, kept in checkpoints
        self.step = 0

    # -- the loop ----------------------------------------------------------------------------------------------------

    def run(self, after_step: Callable[[int], None] = lambda step: None) -> None:
        """Trains to `run.steps`, calling `after_step` with each finished step (evaluation, pictures).

        Raises Diverged, or, after the finished steps were saved, TooManyFailures and Stopped (on a signal). A signal
        drops the step or the evaluation at hand: a resumed run makes it again.
        """
        with self.stopping.heard():
            while self.step < self.options.run.steps:
                self.step += 1
                scales = {name: copy.deepcopy(one.normaliser) for name, one in self.trained.items()}
                try:
                    metrics = self.train_step()
                except (Dropped, TooManyFailures) as ended:  # nothing of the step counts
                    self.step -= 1
                    for name, one in self.trained.items():
                        one.normaliser = scales[name]
                    self._end(ended)
                self.log.step(self.step, metrics)
                self._after(after_step)
            if self.stopping.asked:  # since the last step looked: what comes after training would not hear of it
                raise Stopped(f"asked to end by signal {self.stopping.asked}: saved at step {self.step}, the last")

    def _after(self, after_step: Callable[[int], None]) -> None:
        """What follows a finished step. Its checkpoint comes first: an evaluation may be long, and may fail."""
        every, last = self.options.run.checkpoint_every, self.options.run.steps
        if due := self.step % every == 0 or self.step == last:
            save(self)
        known = json.dumps(self.notes)
        try:
            after_step(self.step)
        except (Interrupted, TooManyFailures) as ended:
            self._end(ended, saved=due)
        if due and json.dumps(self.notes) != known:  # so that a resumed run need not find it again
            save(self)

    def _end(self, ended: Dropped | Interrupted | TooManyFailures, saved: bool = False) -> NoReturn:
        """Saves the finished steps, if there are any, and raises what the caller of `run` is to hear."""
        if self.step and not saved:
            save(self)
        if isinstance(ended, TooManyFailures):
            raise ended
        place = f"saved at step {self.step}" if self.step else "no step was finished"
        raise Stopped(f"asked to end by signal {ended.signal}: {place}") from ended

    def train_step(self) -> dict[str, float]:
        """One step of this run's method; returns its metrics, the same on every process."""
        start = time.perf_counter()
        part = round_of(self.options, self.step)
        for trained in self.trained.values():
            trained.optimizer.zero_grad(set_to_none=True)
        match part.kind:
            case "policy":
                metrics = self._policy_step(part)
            case "sft":
                metrics = sft_step(self)
            case "dmd":
                metrics = dmd_step(self)
        metrics["seconds"] = time.perf_counter() - start
        return metrics

    def _policy_step(self, part: Round) -> dict[str, float]:
        pairs = [self.pairs[i] for i in self.tasks()]
        conditions = {"executor": self.store.executor(pairs), "demonstrator": self.store.demonstrator(pairs)}
        conditions = {role: condition.to(self.model.device) for role, condition in conditions.items()}
        with self.stopping.phase():
            rollouts, pending = self._rollouts(part, pairs, conditions[part.rollouts])
            clock = time.perf_counter()
            known, distilled, apart = self._ask_teacher(part, rollouts, conditions)
            teacher_s, clock = time.perf_counter() - clock, time.perf_counter()
            rows, error = self._told(part, rollouts, pending, distilled, apart)
        advantages, metrics = self._advantages(part, rollouts, rows, error)
        metrics |= {"seconds/teacher": teacher_s, "seconds/judge_wait": time.perf_counter() - clock}
        clock = time.perf_counter()
        trained = self.trained[part.learner]
        learner = Learner(part.learner, conditions[part.learner], **trained.shadows)
        teacher = None
        if part.base_anchor:
            teacher = Teacher(None, conditions[part.learner])
        elif part.anchor:
            teacher = Teacher(self._demonstrator(), conditions["demonstrator"])
        with self.stopping.phase():
            sums = self.update.run(self.step, part, rollouts, advantages, learner, teacher, known)
        metrics |= optimise(self, [part.learner], sums, metrics)
        metrics["seconds/update"] = time.perf_counter() - clock
        if part.learner == "demonstrator":  # else a curve would mix two learners
            metrics = {key if key.startswith(SHARED) else f"demonstrator/{key}": at for key, at in metrics.items()}
        return metrics

    def tasks(self) -> list[int]:
        """Indices of this process's pairs in this step."""
        chosen = tasks_of_step(self.options.run.seed, self.step, self.options.rollout.tasks, len(self.pairs))
        return [chosen[place] for place in self.places]

    def _demonstrator(self) -> str | None:
        """The policy that is the Demonstrator: the base, unless the method trains it."""
        return "demonstrator" if "demonstrator" in self.trained else None

    def _rollouts(self, part: Round, pairs: list[Pair], conditions) -> tuple[Rollouts, list]:
        """Samples this process's groups and submits each batch to the judge as soon as it is decoded."""
        options, pending = self.options, []
        rows = plan(options.run.seed, self.step, self.places, options.rollout.group)
        policy = part.rollouts if part.rollouts in self.trained else None
        shadow = self.trained[policy].shadows.get("old") if policy and part.rl else None

        def field(x: Tensor, sigma: Tensor, condition) -> Tensor:
            return self.predictor.velocity(policy, x, sigma, condition, shadow=shadow, counted="rollout")

        def sampled(span: slice, clean: Tensor) -> None:
            if part.judged:
                texts = [pairs[i].task for i in rows.tasks[span].tolist()]
                pending.append(self.judge.submit(self.model.decode(clean), texts, self.model.shape.fps))

        stochastic = options.objective if part.rl and options.objective.kind == "flow_grpo" else None
        size = options.rollout
        rollouts = sample(
            self.model,
            field,
            conditions,
            rows,
            steps=size.steps,
            batch=size.batch,
            keep=part.distilled or anchors_on_trajectory(part, options),
            objective=stochastic,
            sampled=sampled,
        )
        if not bool(torch.isfinite(rollouts.clean).all()):
            raise Diverged(f"step {self.step}: rollouts of {policy or 'the base'} are not finite")
        return rollouts, pending

    def _ask_teacher(self, part: Round, rollouts: Rollouts, conditions) -> tuple[States | None, Tensor | None, ...]:
        """The teacher's velocities on the trajectory: for r_distill, and kept for an anchor on the same states."""
        distill, size = self.options.distill, self.options.memory.batch
        if not (part.distilled or anchors_on_trajectory(part, self.options)):
            return None, None, None
        steps = list(rollouts.stochastic) or distilled_steps(
            len(rollouts.sigmas) - 1, distill.timesteps, self.options.run.seed, self.step
        )
        states, tasks = trajectory_states(rollouts, steps), rollouts.plan.tasks
        if part.base_anchor:
            policy, under = None, conditions[part.learner]
        else:
            policy, under = self._demonstrator(), conditions["demonstrator"]
        if part.rollouts == "demonstrator" and policy == self._demonstrator():
            # Off-policy: the sampler was the teacher itself, whose velocities are at hand.
            teacher = rollouts.velocities[torch.as_tensor(steps)].flatten(0, 1)
        else:
            teacher = self.predictor.in_batches(policy, states, under, tasks, size, counted="teacher")
        rewards = apart = None
        if part.distilled:
            rewards, apart = distillation_rewards(rollouts, teacher, steps, self.model.mask, distill.flow_time)
        states = States(**{**vars(states), "teacher": teacher})
        return states, rewards, apart

    def _told(
        self, part: Round, rollouts: Rollouts, pending: list, distilled: Tensor | None, apart: Tensor | None
    ) -> tuple[Tensor, str]:
        """What the other processes are told of this one's rollouts: float64 [B, columns], NaN where there is nothing,
        and the judge's last error. `distilled` and `apart` float64 [B]: r_distill and the disagreement, where the round
        has them."""
        rewards, count = self.options.rewards, len(rollouts.plan)
        columns = {name: torch.full((count,), torch.nan, dtype=torch.float64) for name in COLUMNS}
        error = ""
        if part.judged:
            while not all(one.wait(HEED_S) for one in pending):
                self.stopping.heed()
            judgements = Judgements.cat([one.result() for one in pending])
            judged = judgements.log_odds
            if rewards.judge_noise or rewards.judge_flip:
                errs = (rewards.judge_noise, rewards.judge_flip)
                judged = {name: spoiled(values, rollouts.plan.seeds, name, *errs) for name, values in judged.items()}
            columns |= {name: torch.from_numpy(values) for name, values in judged.items()}
            error = judgements.last_error or "on another process"
        if distilled is not None:
            columns |= {"distill": distilled, "disagreement": apart}
        columns["group"] = rollouts.plan.groups.double()
        return torch.stack([columns[name] for name in COLUMNS], dim=1), error

    def _advantages(
        self, part: Round, rollouts: Rollouts, rows: Tensor, error: str
    ) -> tuple[Tensor | None, dict[str, float]]:
        """Rewards of all processes -> advantages of this one's rollouts, and metrics. None without policy gradient.

        `rows` and `error` as `_told` gives them. Raises TooManyFailures on every process when one's judge failed too
        often.
        """
        rewards, count = self.options.rewards, len(rollouts.plan)
        table = dict(zip(COLUMNS, self.world.gather(rows.to(self.model.device)).cpu().T, strict=True))
        metrics = {"disagreement": float(table["disagreement"].mean())} if part.distilled else {}
        if not part.rl:
            return None, metrics
        named = {name: table[name] for name in (*NAMES, "distill")}
        weights = {name: getattr(rewards, name) if part.judged else 0.0 for name in NAMES}
        weights["distill"] = rewards.distill if part.distilled else 0.0
        normaliser = self.trained[part.learner].normaliser if rewards.normalise else None
        if normaliser:
            normaliser.update({name: values for name, values in named.items() if weights[name]})
        terms = weighted(named, weights, normaliser=normaliser)
        total = combine(terms)
        groups, valid = table["group"].long(), torch.isfinite(total)
        if part.judged:
            asked = {name: named[name].numpy() for name in NAMES if weights[name]}
            lost = {name: np.isnan(values) for name, values in asked.items()}
            check_failures(
                Judgements(asked, lost, 0.0, 0, f"step {self.step}: {error}"), rewards.judge.max_failed_share
            )
            metrics["judge/failed_share"] = float((~valid).double().mean())
        result = group_advantages(
            total, groups, valid, std_scope=rewards.std_scope, clip=rewards.clip, scale=rewards.scale
        )
        metrics["reward"] = _mean(total)
        metrics |= {f"reward/{name}": _mean(values) for name, values in named.items() if weights[name]}
        metrics |= {f"spread/{name}": group_spread(values, groups, valid) for name, values in terms.items()}
        if part.judged:
            metrics["solved"] = _mean(
                torch.where(torch.isfinite(table["task"]), (table["task"] > 0).double(), torch.nan)
            )
        metrics |= {"groups/zero_variance": float(result.zero_variance), "groups/empty": float(result.empty)}
        own = slice(self.world.rank * count, (self.world.rank + 1) * count)
        return result.values[own], metrics


def _mean(values: Tensor) -> float:
    """The mean of what did not fail; NaN where all did."""
    kept = values[torch.isfinite(values)]
    return float(kept.mean()) if len(kept) else math.nan
