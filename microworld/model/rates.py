"""Learning rates over the steps of a training, and a line about it now and then."""

import sys

import torch
from torch import Tensor


def rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = lr


def falling(step: int, steps: int, share: float) -> float:
    """1, and over the last `share` of the steps a line down to 0; share 0: always 1."""
    return min(1.0, (1 - step / steps) / share) if share else 1.0


def say(what: str, step: int, steps: int, loss: Tensor) -> None:
    if step % 100 == 99:
        print(f"{what} {step + 1}/{steps}: loss {float(loss):.4f}", file=sys.stderr, flush=True)
