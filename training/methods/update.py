"""One policy step's losses: from rollouts, advantages and the teacher's velocities to gradients (WMSD Eq. 12)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from models.video.protocol import Condition
from models.video.sampling import sde_step
from training.methods.rollout import Rollouts
from training.methods.rounds import Round, anchors_on_trajectory
from training.methods.tasks import seed_of
from training.objectives.awm import awm_loss
from training.objectives.distillation import anchor_loss, disagreement, distillation_reward, step_weights
from training.objectives.flow_grpo import flow_grpo_loss
from training.objectives.matching import renoise, training_sigmas, training_steps, velocity_kl
from training.objectives.nft import nft_loss
from training.options import AWM, NFT, TrainOptions
from training.policies.lora import Shadow
from training.policies.predictor import Predictor, States

MEASURED = {"awm": "matching_error", "nft": "nft_weighted", "flow_grpo": "ratio_apart"}  # by objective


@dataclass(frozen=True)
class Teacher:
    """Who a learner is anchored to: a policy under a condition (one row a task)."""

    policy: str | None
    conditions: Condition


@dataclass(frozen=True)
class Learner:
    """Who is trained, under which condition, and the shadows that its losses need (None where none does)."""

    policy: str
    conditions: Condition
    old: Shadow | None = None
    ema: Shadow | None = None


def trajectory_states(rollouts: Rollouts, steps: Sequence[int]) -> States:
    """The states of all B rollouts at some steps of the sampler, N = steps x B, step by step."""
    count, batch = len(steps), len(rollouts.plan)
    at = torch.as_tensor(steps)
    sigma = rollouts.sigmas[at.to(rollouts.sigmas.device)]
    return States(
        x=rollouts.states[at].flatten(0, 1),
        sigma=sigma.repeat_interleave(batch),
        row=torch.arange(batch).repeat(count),
        step=at.repeat_interleave(batch),
    )


def matching_states(model, rollouts: Rollouts, used: Tensor, objective: AWM | NFT, seed: int, step: int) -> States:
    """Rollouts `used` (indices) noised again at N / len(used) = `objective.timesteps` levels each, with fresh noise.

    Levels are drawn once a step and shared by all rollouts, so that a group is compared at equal levels. All draws are
    functions of the seed, the step and the rollout's own seed: any process draws the same for the same rollout.
    """
    generator = torch.Generator().manual_seed(seed_of(seed, "levels", step))
    sigmas, count = rollouts.sigmas.cpu(), objective.timesteps
    levels = training_sigmas(sigmas, objective.within(len(sigmas) - 1), count, generator).to(rollouts.sigmas.device)
    seeds = [seed_of(rollouts.plan.seeds[i], "noise", level) for level in range(count) for i in used.tolist()]
    x0 = rollouts.clean[used].repeat(count, *[1] * (rollouts.clean.ndim - 1))
    noise, sigma = model.noise(seeds), levels.repeat_interleave(len(used))
    return States(x=renoise(x0, noise, sigma), sigma=sigma, row=used.repeat(count), x0=x0, noise=noise)


def distilled_steps(steps: int, count: int, seed: int, step: int) -> list[int]:
    """`count` of the sampler's steps at which the teacher is asked: spread out, ascending, each as likely as any."""
    generator = torch.Generator().manual_seed(seed_of(seed, "distilled", step))
    if steps % count == 0:
        return training_steps(range(steps), count, generator).tolist()
    # Strata would share steps, and one that two of them draw would be asked once. At equal distances none is twice.
    first = float(torch.rand((), generator=generator, dtype=torch.float64))
    return [min(int((place + first) * steps / count), steps - 1) for place in range(count)]


def distillation_rewards(rollouts: Rollouts, teacher: Tensor, steps: Sequence[int], mask, flow_time: bool):
    """r_distill (Eq. 9) and the mean disagreement (Eq. 4) of each rollout, both float64 [B].

    `teacher` [steps x B, ...]: the Demonstrator's velocities at those steps of the sampler.
    """
    student = rollouts.velocities[torch.as_tensor(steps)].flatten(0, 1)
    apart = torch.cat([disagreement(a, b, mask) for a, b in zip(student.split(64), teacher.split(64), strict=True)])
    apart = apart.view(len(steps), -1).cpu()
    weights = step_weights(rollouts.sigmas.cpu(), len(steps), flow_time, rollouts.stochastic)[list(steps)]
    return distillation_reward(apart, weights), apart.mean(0)


class Update:
    """Adds the gradients of one round to the learner's tensors, `memory.batch` states at a time.

    Sums are divided by the number of rollouts of the whole step over all processes, so that the gradients of processes
    simply add up.
    """

    def __init__(self, options: TrainOptions, predictor: Predictor):
        self.options, self.predictor = options, predictor
        self.model = predictor.model
        self.total = options.rollout.tasks * options.rollout.group

    def run(
        self,
        step: int,
        plan: Round,
        rollouts: Rollouts,
        advantages: Tensor | None,
        learner: Learner,
        teacher: Teacher | None,
        known: States | None,
    ) -> dict[str, Tensor]:
        """Sums (over this process's states, divided by the step's total) of what was measured, by name.

        The names depend on the round alone, not on what a process has to do. `advantages` float32 [B], 0 for unused
        rollouts, None without a policy gradient. `known`: trajectory states with the teacher's velocities. Afterwards
        the learner's `.grad` hold the step's gradients.
        """
        options, anchored = self.options, plan.anchor or plan.base_anchor
        names = [MEASURED[options.objective.kind]] * plan.rl + ["anchor"] * anchored
        sums = {name: torch.zeros((), dtype=torch.float64) for name in names}
        on_trajectory = anchors_on_trajectory(plan, options)
        if plan.rl and options.objective.kind != "flow_grpo":
            shared = anchored and not on_trajectory
            used = torch.arange(len(rollouts.plan)) if shared else advantages.nonzero().flatten().cpu()
            count = options.objective.timesteps
            if len(used):
                states = matching_states(self.model, rollouts, used, options.objective, options.run.seed, step)
                self._pass(states, rollouts, advantages, learner, teacher if shared else None, count, plan, sums)
        if plan.rl and options.objective.kind == "flow_grpo":
            states = known or trajectory_states(rollouts, rollouts.stochastic)
            if not anchored:
                states = states.take(advantages[states.row] != 0)
            count = len(rollouts.stochastic)
            self._pass(states, rollouts, advantages, learner, teacher if anchored else None, count, plan, sums)
        elif on_trajectory:
            count = len(known) // len(rollouts.plan)
            self._pass(known, rollouts, None, learner, teacher, count, plan, sums)
        return sums

    def _pass(self, states, rollouts, advantages, learner, teacher, count, plan, sums) -> None:
        """Forward and backward over states: policy gradient where `advantages` are given, anchor where `teacher` is."""
        mask, tasks = self.model.mask, rollouts.plan.tasks
        beta = self.options.distill.beta_phi if plan.base_anchor else self.options.distill.beta_d
        if not plan.rl:
            beta = 1.0  # distillation alone: beta_d weighs the anchor against a policy gradient that is not there
        for part in states.batches(self.options.memory.batch):
            # The backward pass runs under the adapter too: with checkpointing it computes forward again.
            with self.predictor.policies.use(learner.policy):
                condition = learner.conditions.take(tasks[part.row])
                prediction = self.predictor.velocity(learner.policy, part.x, part.sigma, condition, grad=True)
                losses = []
                if advantages is not None:
                    losses.append(
                        self._policy_loss(part, prediction, rollouts, advantages, learner, condition, sums) / count
                    )
                if teacher is not None:
                    target = part.teacher
                    if target is None:
                        under = teacher.conditions.take(tasks[part.row])
                        target = self.predictor.velocity(teacher.policy, part.x, part.sigma, under, counted="teacher")
                    apart = anchor_loss(prediction, target, mask)
                    weight = self._anchor_weight(part, rollouts, count)
                    _add(sums, "anchor", (apart.detach() * weight).sum() / self.total)
                    losses.append(beta * weight * apart)
                (sum(losses).sum() / self.total).backward()

    def _anchor_weight(self, part: States, rollouts: Rollouts, count: int):
        if part.step is None:
            return 1 / count
        weights = step_weights(rollouts.sigmas, count, self.options.distill.flow_time, rollouts.stochastic)
        return weights[part.step.to(weights.device)]

    def _policy_loss(self, part, prediction, rollouts, advantages, learner, condition, sums) -> Tensor:
        """L_RL of each state [N], with the velocity penalties that the recipe asks for."""
        objective, mask, regular = self.options.objective, self.model.mask, self.options.regularisers
        advantage = advantages[part.row].to(prediction.device)
        base = None
        if regular.kl_ref or (objective.kind == "flow_grpo" and objective.kl):
            base = self.predictor.velocity(None, part.x, part.sigma, condition, counted="reference")
        match objective.kind:
            case "awm":
                terms = awm_loss(
                    prediction,
                    part.noise - part.x0,
                    part.sigma,
                    advantage,
                    weighting=objective.weighting,
                    power=objective.power,
                    clip=objective.clip,
                    mask=mask,
                )
                _add(sums, "matching_error", terms.error.detach().sum() / self.total / objective.timesteps)
                loss = terms.loss
            case "nft":
                old = None
                if learner.old is not None:
                    old = self.predictor.velocity(
                        learner.policy, part.x, part.sigma, condition, shadow=learner.old, counted="old"
                    )
                terms = nft_loss(
                    prediction,
                    old,
                    part.x,
                    part.x0,
                    part.sigma,
                    advantage,
                    nft_beta=objective.beta,
                    advantage_clip=self.options.rewards.scale,
                    mask=mask,
                )
                _add(sums, "nft_weighted", terms.weighted.detach().sum() / self.total / objective.timesteps)
                loss = terms.loss
            case "flow_grpo":
                loss = self._flow_grpo(part, prediction, rollouts, advantage, base, sums)
        if regular.kl_ref:
            loss = loss + regular.kl_ref * velocity_kl(prediction, base, mask)
        if regular.kl_ema:
            ema = self.predictor.velocity(
                learner.policy, part.x, part.sigma, condition, shadow=learner.ema, counted="ema"
            )
            loss = loss + regular.kl_ema * velocity_kl(prediction, ema, mask)
        return loss * (advantage != 0)  # a rollout without one is there for the anchor alone

    def _flow_grpo(self, part, prediction, rollouts, advantage, base, sums) -> Tensor:
        objective, mask, sigmas = self.options.objective, self.model.mask, rollouts.sigmas
        step, row = part.step, part.row
        sigma, following = (sigmas[at.to(sigmas.device)] for at in (step, step + 1))
        reached = rollouts.states[step + 1, row]
        scored = sde_step(part.x, prediction, sigma, following, objective.eta, sigmas[1], x_next=reached, mask=mask)
        place = torch.tensor([rollouts.stochastic.index(int(at)) for at in step])
        reference = None
        if objective.kl:
            reference = sde_step(
                part.x, base, sigma, following, objective.eta, sigmas[1], x_next=reached, mask=mask
            ).mean
        terms = flow_grpo_loss(
            scored.log_prob,
            rollouts.log_probs[place, row],
            advantage,
            clip=objective.clip,
            mean=scored.mean,
            ref_mean=reference,
            std=scored.std,
            kl=objective.kl,
            mask=mask,
        )
        count = len(rollouts.stochastic)
        _add(sums, "ratio_apart", (terms.ratio - 1).abs().sum() / self.total / count)
        return terms.loss


def _add(sums: dict[str, Tensor], name: str, value: Tensor) -> None:
    sums[name] = sums[name] + value.detach().double().cpu()
