"""The loss of a round at a batch of states: policy gradient, anchor, penalties (WMSD Eq. 12)."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from models.video.protocol import Condition
from models.video.sampling import sde_step
from training.methods.asking import Pass, shadows
from training.methods.rounds import Round
from training.objectives.awm import awm_loss
from training.objectives.distillation import anchor_loss, step_weights
from training.objectives.flow_grpo import flow_grpo_loss
from training.objectives.matching import denoising_loss, velocity_kl
from training.objectives.nft import nft_loss
from training.options import TrainOptions
from training.policies.lora import Shadow
from training.policies.predictor import Predictor, States
from training.rollouts import Rollouts


@dataclass(frozen=True)
class Actor:
    """A policy (None: the base) under conditions, one row a group, and its shadows by name."""

    policy: str | None
    conditions: Condition
    shadows: dict[str, Shadow] = field(default_factory=dict)


def measured(options: TrainOptions, part: Round) -> list[str]:
    """What a round measures: the same names on every process, whatever it has to do."""
    if part.imitates:
        return ["denoising_error"]
    anchored = part.anchored
    if not part.rl:
        return ["anchor"] * anchored
    names = {"awm": ["matching_error"], "nft": ["nft_weighted"], "flow_grpo": ["ratio_apart"]}[options.objective.kind]
    if options.objective.kind == "nft" and "old" in shadows(options):
        names.append("old_apart")
    again = options.objective.kind == "awm" and options.rollout.updates_per_rollout > 1
    return names + ["ratio_apart"] * again + ["anchor"] * anchored


class RoundLosses:
    """The losses of one round's rollouts. Call `of` for each pass; `sums` then holds what was measured, by name, summed
    over this process's states and divided by the step's rollouts over all processes."""

    def __init__(
        self,
        options: TrainOptions,
        predictor: Predictor,
        rollouts: Rollouts,
        learner: Actor,
        teacher: Actor | None,
        beta: float,
        total: int,
        imitates: bool = False,
    ):
        self.options, self.predictor, self.rollouts = options, predictor, rollouts
        self.learner, self.teacher, self.beta, self.total = learner, teacher, beta, total
        self.imitates, self.mask = imitates, predictor.model.mask
        self.count = 1
        self.sums: dict[str, Tensor] = {}
        self.first_errors: list[Tensor] = []  # AWM's matching errors of the first update, by micro-batch

    def reset(self, names: list[str]) -> None:
        """Begins the sums of an update."""
        self.sums = {name: torch.zeros((), dtype=torch.float64) for name in names}

    def of(self, one: Pass, advantages: Tensor | None, count: int, first: bool):
        """The function that gives a micro-batch's losses, by policy, in the pass `one` of `count` states a rollout.

        `advantages` float32 [B] for a pass with a policy gradient. `first`: of the updates on these rollouts.
        """
        old_errors = iter([] if first else self.first_errors)
        self.count = count

        def losses(part: States) -> dict[str, Tensor]:
            tasks = self.rollouts.plan.tasks
            condition = self.learner.conditions.take(tasks[part.row])
            # Under the policy throughout, so that what is asked in between changes nothing of it.
            with self.predictor.policies.use(self.learner.policy):
                prediction = self.predictor.velocity(self.learner.policy, part.x, part.sigma, condition, grad=True)
                beside = {name: self.asked(name, part, condition) for name in one.beside if name != "teacher"}
                terms = []
                if one.rl:
                    old_error = next(old_errors, None)
                    terms.append(self.policy_gradient(part, prediction, advantages, beside, old_error) / count)
                if one.anchor:
                    terms.append(self.anchor(part, prediction, count))
            return {self.learner.policy: sum(terms)}

        return losses

    def anchor(self, part: States, prediction: Tensor, count: int) -> Tensor:
        """beta x L_anchor of each state [N], at its share of the integral (Eq. 11)."""
        target = part.teacher
        if target is None:
            under = self.teacher.conditions.take(self.rollouts.plan.tasks[part.row])
            target = self.predictor.velocity(self.teacher.policy, part.x, part.sigma, under, counted="teacher")
        apart, weight = anchor_loss(prediction, target, self.mask), 1 / count
        if part.step is not None:
            of, flow_time = self.rollouts, self.options.distill.flow_time
            weights = step_weights(of.sigmas, count, flow_time, of.stochastic)
            weight = weights[part.step.to(weights.device)]
        self._add("anchor", (apart.detach() * weight).sum() / self.total)
        return self.beta * weight * apart

    def asked(self, name: str, part: States, condition: Condition) -> Tensor:
        """Velocities of the reference (the base under T), or of the learner as it was (old) or is on average (ema)."""
        shadow = self.learner.shadows.get(name)
        policy = self.learner.policy if shadow is not None else None
        return self.predictor.velocity(policy, part.x, part.sigma, condition, shadow=shadow, counted=name)

    def policy_gradient(
        self, part: States, prediction: Tensor, advantages: Tensor, beside: dict[str, Tensor], old_error: Tensor | None
    ) -> Tensor:
        """L_RL of each state [N], with the velocity penalties that the recipe asks for. `beside`: velocities of whom
        the pass asks there, by name."""
        objective, regular = self.options.objective, self.options.regularisers
        advantage = advantages[part.row].to(prediction.device)
        if self.imitates:
            return self._denoising(part, prediction) * (advantage != 0)
        match objective.kind:
            case "awm":
                loss = self._awm(part, prediction, advantage, old_error)
            case "nft":
                loss = self._nft(part, prediction, advantage, beside.get("old"))
            case "flow_grpo":
                loss = self._flow_grpo(part, prediction, advantage, beside.get("reference"))
        if regular.kl_ref:
            apart = velocity_kl(prediction, beside["reference"], self.mask)
            if getattr(regular, "kl_space", "velocity") == "clean":  # D = x - sigma v
                apart = apart * part.sigma.double().square()
            loss = loss + regular.kl_ref * apart
        if regular.kl_ema:
            loss = loss + regular.kl_ema * velocity_kl(prediction, beside["ema"], self.mask)
        return loss * (advantage != 0)  # a rollout without one is there for the anchor alone

    def _denoising(self, part: States, prediction: Tensor) -> Tensor:
        """What a robot model's base was trained by, at rollouts in the place of true chunks."""
        loss = denoising_loss(prediction, part.x, part.x0, part.sigma, self.mask)
        self._add("denoising_error", loss.sum() / self.total / self.count)
        return loss

    def _awm(self, part: States, prediction: Tensor, advantage: Tensor, old_error: Tensor | None) -> Tensor:
        objective = self.options.objective
        terms = awm_loss(
            prediction,
            self.predictor.model.target(part.x0, part.noise, part.x, part.sigma),
            part.sigma,
            advantage,
            old_error=old_error,
            weighting=objective.weighting,
            power=objective.power,
            clip=objective.clip,
            mask=self.mask,
        )
        self._add("matching_error", terms.error.detach().sum() / self.total / self.count)
        if "ratio_apart" in self.sums:
            self._add("ratio_apart", (terms.ratio - 1).abs().sum() / self.total / self.count)
            if old_error is None:
                self.first_errors.append(terms.error.detach())
        return terms.loss

    def _nft(self, part: States, prediction: Tensor, advantage: Tensor, old: Tensor | None) -> Tensor:
        objective = self.options.objective
        terms = nft_loss(
            prediction,
            old,
            part.x,
            part.x0,
            part.sigma,
            advantage,
            nft_beta=objective.beta,
            advantage_clip=self.options.rewards.scale,
            adaptive=objective.weighting == "adaptive",
            mask=self.mask,
        )
        self._add("nft_weighted", terms.weighted.detach().sum() / self.total / self.count)
        if "old_apart" in self.sums:
            self._add("old_apart", velocity_kl(prediction.detach(), old, self.mask).sum() / self.total / self.count)
        return terms.loss

    def _flow_grpo(self, part: States, prediction: Tensor, advantage: Tensor, base: Tensor | None) -> Tensor:
        objective, of = self.options.objective, self.rollouts
        sigma, following = (of.sigmas[at.to(of.sigmas.device)] for at in (part.step, part.step + 1))
        reached = of.states[part.step + 1, part.row]

        def scored(velocity: Tensor):
            most = of.sigmas[1]
            return sde_step(part.x, velocity, sigma, following, objective.eta, most, x_next=reached, mask=self.mask)

        ours = scored(prediction)
        place = torch.tensor([of.stochastic.index(int(at)) for at in part.step])
        terms = flow_grpo_loss(
            ours.log_prob,
            of.log_probs[place, part.row],
            advantage,
            clip=objective.clip,
            mean=ours.mean,
            ref_mean=scored(base).mean if objective.kl else None,
            std=ours.std,
            kl=objective.kl,
            mask=self.mask,
        )
        self._add("ratio_apart", (terms.ratio - 1).abs().sum() / self.total / len(of.stochastic))
        return terms.loss

    def _add(self, name: str, value: Tensor) -> None:
        self.sums[name] = self.sums[name] + value.detach().double().cpu()
