"""From gradients to an optimizer step: one all-reduce, a look at the norms, then every policy and its shadows."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from training.methods.asking import shadows
from training.methods.learner import Learner
from training.methods.protocol import Diverged
from training.methods.rounds import rounds_of
from training.objectives.nft import old_decay
from training.options import TrainOptions
from training.policies.lora import Policies, Shadow
from training.world import World

SCORED = "scored"  # the shadow that is scored and exported, where `optimizer.score_ema` asks for one
MUON_RATE = "match_rms_adamw"  # lr x .2 sqrt(larger side): updates as large as AdamW's, so that rates carry over


def prepare(options: TrainOptions, name: str, parameters: Sequence[nn.Parameter]) -> Learner:
    """The optimizers of the policy `name`, and the shadows that a loss of its rounds needs: old (nft) and ema."""
    rl = any(part.rl and part.learner == name for part in rounds_of(options.method))
    kept = {kind: Shadow(parameters) for kind in shadows(options)} if rl else {}
    if options.optimizer.scored:
        kept[SCORED] = Shadow(parameters)
    return Learner(optimizers(options, parameters), kept)


def optimizers(options: TrainOptions, parameters: Sequence[nn.Parameter]) -> dict[str, torch.optim.Optimizer]:
    """The optimizers by kind, each over its own parameters: AdamW over all, or Muon over matrices and AdamW over the
    rest."""
    o = options.optimizer
    matrices = [p for p in parameters if o.kind == "muon" and p.ndim == 2]
    rest = [p for p in parameters if o.kind != "muon" or p.ndim != 2]
    found: dict[str, torch.optim.Optimizer] = {}
    if rest:
        found["adamw"] = torch.optim.AdamW(rest, lr=o.lr, betas=o.betas, weight_decay=o.weight_decay)
    if matrices:
        more = {"weight_decay": o.weight_decay, "momentum": o.momentum, "adjust_lr_fn": MUON_RATE}
        found["muon"] = torch.optim.Muon(matrices, lr=o.lr, **more)
    return found


class Optimise:
    """The optimizer steps of one training step, over all policies of a run. Use a new one each step."""

    def __init__(
        self, options: TrainOptions, policies: Policies, learners: Mapping[str, Learner], world: World, step: int
    ):
        self.options, self.policies, self.learners, self.world = options, policies, learners, world
        self.number = step

    def zero(self) -> None:
        """Forgets all gradients."""
        for name in self.learners:
            for parameter in self.policies.parameters(name):
                parameter.grad = None

    def step(
        self, names: Sequence[str], sums: Mapping[str, Tensor], metrics: Mapping[str, float], last: bool = True
    ) -> dict[str, float]:
        """Sums gradients and measurements over processes in one all-reduce, then steps each policy of `names`.

        `sums` has the same names on every process. A policy whose summed gradient is exactly 0 stays as it is: weight
        decay and momentum would move it, and its shadows follow, with nothing learned. The old policy (NFT) follows in
        the `last` step on the same rollouts alone: it is the one that sampled them. Returns what was measured, how
        many policies were `skipped` so, and the norms: of the first policy as grad_norm, of others by their name.
        Raises Diverged, and nothing is stepped, when a norm is not finite or above `optimizer.stop_norm`; `metrics` are
        told with it.
        """
        parameters = {name: self.policies.parameters(name) for name in names}
        every = [parameter for name in names for parameter in parameters[name]]
        for parameter in every:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        keys = sorted(sums)
        measured = torch.tensor([float(sums[key]) for key in keys], dtype=torch.float32, device=every[0].device)
        self.world.sum_([*(parameter.grad for parameter in every), measured])
        norms = {name: self.checked_norm(name, metrics) for name in names}
        lr = self.options.optimizer.lr * rate(self.options, self.number)
        # The sums are the same on every process, and with them who is skipped.
        moved = {name: norm for name, norm in norms.items() if norm > 0}
        for name, norm in moved.items():
            torch.nn.utils.clip_grads_with_norm_(parameters[name], self.options.optimizer.clip_norm, norm)
            for optimizer in self.learners[name].optimizers.values():
                for group in optimizer.param_groups:
                    group["lr"] = lr
                optimizer.step()
            for kind, shadow in self.learners[name].shadows.items():
                if kind != "old" or last:
                    shadow.update(decay(self.options, kind, self.number))
        told = {"grad_norm" if name == names[0] else f"{name}/grad_norm": float(norm) for name, norm in norms.items()}
        told |= {"skipped": float(len(norms) - len(moved)), "lr": lr}
        return told | dict(zip(keys, measured.tolist(), strict=True))

    def checked_norm(self, name: str, metrics: Mapping[str, float]) -> Tensor:
        """The norm of a policy's gradient before clipping, since clipping would spread a NaN to all tensors."""
        norm = torch.nn.utils.get_total_norm([p.grad for p in self.policies.parameters(name)])
        most = self.options.optimizer.stop_norm
        if not math.isfinite(norm) or norm > most:
            broken = [key for key, p in self.policies.named(name).items() if not torch.isfinite(p.grad).all()]
            where = f"; not finite in {len(broken)} tensors, the first {broken[0]}" if broken else ""
            raise Diverged(
                f"step {self.number}: the gradient norm of {name} is {norm:g}, but optimizer.stop_norm allows at most "
                f"{most:g}{where}; the last checkpoint is from before this step; metrics {dict(metrics)}"
            )
        return norm


def rate(options: TrainOptions, step: int) -> float:
    """The learning rate's factor at a step: linear warm-up, then a cosine to `decay_to`."""
    o, steps = options.optimizer, options.run.steps
    if step <= o.warmup:
        return step / (o.warmup + 1)
    done = (step - o.warmup) / max(steps - o.warmup, 1)
    return o.decay_to + (1 - o.decay_to) * 0.5 * (1 + math.cos(math.pi * done))


def decay(options: TrainOptions, kind: str, step: int) -> float:
    """How much of a shadow stays after an update."""
    if kind == "ema":
        return options.regularisers.ema_decay
    if kind == SCORED:
        return options.optimizer.scored
    return old_decay(step, options.objective.old_decay_rate, options.objective.old_decay_max)
