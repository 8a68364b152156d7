"""Methods that learn from rollouts: WMSD and its ablations, each a cycle of rounds (rounds.py)."""

import contextlib
import time
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from models.video.flow import Flow, check_straight
from models.video.protocol import Condition
from training.methods.asking import Asking, Pass, asking_in
from training.methods.contexts import Context
from training.methods.losses import Actor, RoundLosses, measured
from training.methods.micro_batches import add_gradients
from training.methods.protocol import Diverged, Given, Optimiser
from training.methods.rounds import Round, round_of
from training.methods.states import distilled_steps, matching_states, trajectory_states
from training.policies.predictor import States
from training.rewards.protocol import Sampled
from training.rewards.totals import Told, advantages
from training.rollouts import Field, Plan, Rollouts, plan, sample

SHARED = ("lr", "seconds")  # metrics of a step that mean the same whoever is trained


class RolloutMethod:
    """Rolls out, has the rollouts scored, and trains the round's learner on them (WMSD Algorithms 1 and 2)."""

    def __init__(self, given: Given):
        self.given, self.options, self.predictor = given, given.options, given.predictor
        self.model = given.predictor.model
        levels = getattr(self.options.objective, "levels", "sampler")
        if levels == "logit_normal":
            check_straight(self.model, "objective.levels logit_normal")
        if levels == "log_normal" and isinstance(self.model, Flow):
            raise ValueError("objective.levels log_normal does not fit a model whose levels end at 1: use logit_normal")

    def step(self, number: int, optimiser: Optimiser) -> dict[str, float]:
        part, clock = round_of(self.options, number), time.perf_counter
        asked, told = asking_in(self.options, part), Told({name: self.given.scorers[name] for name in part.scorers})
        with self.given.stopping.phase():
            context = self.context(number, part)
            rollouts, pending, context = self.rolled_out(number, part, asked, context)
            began = clock()
            rollouts = self.taught(number, part, asked, rollouts, context)
            taught = clock()
            told.collect(rollouts, pending, self.given.stopping.heed)
            pending.clear()  # a scorer may have kept videos in it
        metrics: dict[str, float] = {}
        ranked = None
        if part.scorers:
            rewards = self.options.rewards
            ranked, metrics = advantages(
                told,
                rewards.model_copy(update={"worst": 0}) if part.imitates else rewards,  # the best alone are imitated
                self.given.world,
                self.model.device,
                where=f"step {number}",
                normaliser=self.given.learners[part.learner].normaliser if self.options.rewards.normalise else None,
                rank=part.rl,
                parts=self.options.rollout.parts,
            )
        scored = clock()
        metrics |= {"seconds/teacher": taught - began, "seconds/judge_wait": scored - taught}
        metrics |= self.updated(number, part, asked, rollouts, context, ranked, optimiser, metrics)
        metrics["seconds/update"] = clock() - scored
        if part.learner == "demonstrator":  # else a curve would mix two learners
            metrics = {key if key.startswith(SHARED) else f"demonstrator/{key}": at for key, at in metrics.items()}
        return metrics

    # -- rollouts ------------------------------------------------------------------------------------------------------

    def field(self, part: Round, counted: str = "rollout") -> Field:
        """The velocities of whoever rolls out: with NFT the learner's old policy (DiffusionNFT samples from it)."""
        learners = self.given.learners
        policy = part.rollouts if part.rollouts in learners else None
        sampled_by = getattr(self.options.objective, "sampled_by", "old")
        shadow = learners[policy].shadows.get("old") if policy and part.rl and sampled_by == "old" else None

        def velocity(x: Tensor, sigma: Tensor, condition: Condition) -> Tensor:
            return self.predictor.velocity(policy, x, sigma, condition, shadow=shadow, counted=counted)

        return velocity

    def context(self, number: int, part: Round) -> Context:
        """The step's contexts on this process, on the model's device. Raises ValueError where they roll out more
        prefixes than the round counts."""
        steps, batch = self.options.rollout.steps, self.options.rollout.batch
        most, rolled = part.prefixes * len(self.given.places), 0

        def roll(condition: Condition, seeds: Sequence[int]) -> Tensor:
            nonlocal rolled
            rolled += len(seeds)
            if rolled > most:
                raise ValueError(
                    f"contexts roll out {rolled} prefixes for {len(self.given.places)} groups: at most {part.prefixes} "
                    f"for each is expected, as the round of method {self.options.method} says (Round.prefixes)"
                )
            rows = Plan(torch.arange(len(seeds)), torch.arange(len(seeds)), tuple(seeds))
            field = self.field(part, counted="prefix")
            return sample(self.model, field, condition, rows, steps=steps, batch=batch, keep=False).clean

        found = self.given.contexts.of_step(number, self.given.places, roll)
        on_device = {role: one.to(self.model.device) for role, one in found.conditions.items()}
        return replace(found, conditions=on_device)

    def rolled_out(
        self, number: int, part: Round, asked: Asking, context: Context
    ) -> tuple[Rollouts, dict[str, list], Context]:
        """This process's rollouts; what the round's scorers work on: each batch is theirs as soon as sampled; and the
        context that the rollouts are trained under, whose rows `plan.tasks` names."""
        options, pending = self.options, {name: [] for name in part.scorers}
        rows = plan(options.run.seed, number, self.given.places, options.rollout.group)

        def sampled(span: slice, clean: Tensor) -> None:
            groups = rows.tasks[span].tolist()
            texts, truths = (tuple(of[i] for i in groups) for of in (context.texts, context.truths))
            batch = Sampled(span, clean, texts, truths, self.model.decode)
            for name, waiting in pending.items():
                if (one := self.given.scorers[name].submit(batch)) is not None:
                    waiting.append(one)

        rollouts = sample(
            self.model,
            self.field(part),
            context.conditions[part.rollouts],
            rows,
            steps=asked.sampled,
            batch=options.rollout.batch,
            keep=asked.kept,
            objective=options.objective if part.rl and options.objective.kind == "flow_grpo" else None,
            sampled=sampled,
        )
        self.check_finite(number, part, rollouts)
        return rollouts, pending, context

    def check_finite(self, number: int, part: Round, rollouts: Rollouts) -> None:
        """Raises Diverged."""
        if not bool(torch.isfinite(rollouts.clean).all()):
            who = part.rollouts if part.rollouts in self.given.learners else "the base"
            raise Diverged(f"step {number}: rollouts of {who} are not finite")

    def teacher(self, part: Round, context: Context) -> Actor | None:
        """Whom the learner is drawn to: the base under the learner's prompt (Alg. 2), else the Demonstrator, which is
        the base under D unless the method trains it."""
        if part.base_anchor:
            return Actor(None, context.conditions[part.learner])
        if part.anchor or part.distilled:
            policy = "demonstrator" if "demonstrator" in self.given.learners else None
            return Actor(policy, context.conditions["demonstrator"])
        return None

    def taught(self, number: int, part: Round, asked: Asking, rollouts: Rollouts, context: Context) -> Rollouts:
        """The rollouts with the teacher's velocities on their trajectory, where the round asks for them."""
        if not asked.known:
            return rollouts
        steps = list(rollouts.stochastic) or distilled_steps(
            asked.sampled, self.options.distill.timesteps, self.options.run.seed, number
        )
        states, teacher = trajectory_states(rollouts, steps), self.teacher(part, context)
        if part.sampled_by_teacher:
            velocities = rollouts.velocities[torch.as_tensor(steps)].flatten(0, 1)
        else:
            size, tasks = self.options.memory.batch, rollouts.plan.tasks
            velocities = self.predictor.in_batches(
                teacher.policy, states, teacher.conditions, tasks, size, counted="teacher"
            )
        return replace(rollouts, asked=replace(states, teacher=velocities))

    # -- updates -------------------------------------------------------------------------------------------------------

    def updated(
        self,
        number: int,
        part: Round,
        asked: Asking,
        rollouts: Rollouts,
        context: Context,
        ranked: Tensor | None,
        optimiser: Optimiser,
        metrics: dict[str, float],
    ) -> dict[str, float]:
        """Makes the step's updates on the same rollouts and states; what was measured is their mean."""
        distill, learner = self.options.distill, self.given.learners[part.learner]
        # A round that only distills has weight 1: beta_d weighs the anchor against a policy gradient.
        beta = 1.0 if not part.rl else distill.beta_phi if part.base_anchor else distill.beta_d
        actor = Actor(part.learner, context.conditions[part.learner], learner.shadows)
        teacher = self.teacher(part, context) if part.anchored else None
        losses = RoundLosses(
            self.options, self.predictor, rollouts, actor, teacher, beta, self.given.total, part.imitates
        )
        found = []
        for update in range(asked.updates):
            losses.reset(measured(self.options, part))
            optimiser.zero()
            # Once weights have moved the step is finished, whoever is asked to end: else half of it would be saved.
            with self.given.stopping.phase() if update == 0 else contextlib.nullcontext():
                self.gradients(number, asked, rollouts, ranked, losses, first=update == 0)
            last = update == asked.updates - 1
            found.append(optimiser.step([part.learner], losses.sums, metrics, last))
        return {key: sum(one[key] for one in found) / len(found) for key in found[0]}

    def gradients(
        self,
        number: int,
        asked: Asking,
        rollouts: Rollouts,
        ranked: Tensor | None,
        losses: RoundLosses,
        first: bool,
    ) -> None:
        """Adds an update's gradients to the learner's tensors, pass after pass; `first` of those on these rollouts."""
        for one in asked.passes:
            if not one.anchor and not ranked.any():
                continue  # nothing to learn from on this process
            states, count = self.states(number, one, rollouts, ranked)
            each, size = losses.of(one, ranked, count, first), self.options.memory.batch
            add_gradients(self.predictor.policies, states, size, self.given.total, each)

    def states(self, number: int, one: Pass, rollouts: Rollouts, ranked: Tensor | None) -> tuple[States, int]:
        """The states of a pass on this process, and how many each rollout has. Where only the policy gradient counts,
        rollouts without an advantage have none."""
        everyone = torch.arange(len(rollouts.plan))
        used = everyone if one.anchor else ranked.nonzero().flatten().cpu()
        if one.where == "levels":
            objective, seed = self.options.objective, self.options.run.seed
            count = objective.timesteps * self.options.rollout.parts
            return matching_states(self.model, rollouts, used, objective, seed, number), count
        states = rollouts.asked if rollouts.asked is not None else trajectory_states(rollouts, rollouts.stochastic)
        count = len(states) // len(everyone)
        return (states if one.anchor else states.take(torch.isin(states.row, used))), count
