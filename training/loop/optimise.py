"""From gradients to an optimizer step: one all-reduce, a look at the norms, then every adapter and its shadows."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from training.methods.rounds import METHODS
from training.options import TrainOptions
from training.policies.lora import Shadow
from training.rewards.advantages import RewardNormaliser

if TYPE_CHECKING:
    from training.loop.trainer import Trainer


class Diverged(RuntimeError):
    """Rollouts or a gradient that are not finite, or a gradient too large; the last checkpoint is from before it."""


@dataclass
class Trained:
    """One adapter under training: its optimizer, its shadows, and the scales of the rewards that it learns from."""

    optimizer: torch.optim.Optimizer
    shadows: dict[str, Shadow]
    normaliser: RewardNormaliser = field(default_factory=RewardNormaliser)


def prepare(options: TrainOptions, name: str, parameters: Sequence[nn.Parameter]) -> Trained:
    """The optimizer of the adapter `name`, and the shadows that a loss of its rounds needs: old (nft) and ema."""
    o, rl = options.optimizer, any(r.rl and r.learner == name for r in METHODS[options.method])
    shadows = {}
    if rl and options.objective.kind == "nft" and options.objective.old_decay_max > 0:
        shadows["old"] = Shadow(parameters)
    if rl and options.regularisers.kl_ema:
        shadows["ema"] = Shadow(parameters)
    return Trained(torch.optim.AdamW(parameters, lr=o.lr, betas=o.betas, weight_decay=o.weight_decay), shadows)


def optimise(
    trainer: "Trainer", names: Sequence[str], sums: Mapping[str, Tensor], metrics: dict[str, float]
) -> dict[str, float]:
    """Sums gradients and measurements over processes in one all-reduce, then steps each adapter of `names`.

    `sums` has the same names on every process. An adapter whose summed gradient is exactly 0 stays as it is: weight
    decay and momentum would move it, and its shadows follow, with nothing learned. Returns what was measured, how many
    adapters were `skipped` so, and the norms: of the first adapter as grad_norm, of others by their name. Raises
    Diverged, and nothing is stepped, when a norm is not finite or above `optimizer.stop_norm`; `metrics` are told with
    it.
    """
    parameters = {name: trainer.policies.parameters(name) for name in names}
    for parameter in (p for name in names for p in parameters[name]):
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    keys = sorted(sums)
    measured = torch.tensor([float(sums[key]) for key in keys], dtype=torch.float32, device=trainer.model.device)
    trainer.world.sum_([*(p.grad for name in names for p in parameters[name]), measured])
    norms = {name: checked_norm(trainer, name, metrics) for name in names}
    o = trainer.options.optimizer
    lr = o.lr * rate(trainer.options, trainer.step)
    # The sums are the same on every process, and with them who is skipped.
    moved = {name: norm for name, norm in norms.items() if norm > 0}
    for name, norm in moved.items():
        torch.nn.utils.clip_grads_with_norm_(parameters[name], o.clip_norm, norm)
        trained = trainer.trained[name]
        for group in trained.optimizer.param_groups:
            group["lr"] = lr
        trained.optimizer.step()
        for kind, shadow in trained.shadows.items():
            shadow.update(decay(trainer.options, kind, trainer.step))
    told = {"grad_norm" if name == names[0] else f"{name}/grad_norm": float(norm) for name, norm in norms.items()}
    return (
        told | {"skipped": float(len(norms) - len(moved)), "lr": lr} | dict(zip(keys, measured.tolist(), strict=True))
    )


def checked_norm(trainer: "Trainer", name: str, metrics: dict[str, float]) -> Tensor:
    """The norm of an adapter's gradient, before any clipping, which would spread a NaN to all of it."""
    norm = torch.nn.utils.get_total_norm([p.grad for p in trainer.policies.parameters(name)])
    most = trainer.options.optimizer.stop_norm
    if not math.isfinite(norm) or norm > most:
        broken = [key for key, p in trainer.policies.named(name).items() if not torch.isfinite(p.grad).all()]
        where = f"; not finite in {len(broken)} tensors, the first {broken[0]}" if broken else ""
        raise Diverged(
            f"step {trainer.step}: the gradient norm of {name} is {norm:g}, at most optimizer.stop_norm {most:g} is "
            f"allowed{where}; the last checkpoint is from before; metrics {metrics}"
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
    """How much of a shadow stays after a step."""
    if kind == "ema":
        return options.regularisers.ema_decay
    return min(options.objective.old_decay_rate * step, options.objective.old_decay_max)
