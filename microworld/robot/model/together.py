"""Several processes of one thread each that train one model: the gradients of all are averaged."""

import tempfile
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor, nn


def together(work: Callable[..., None], processes: int, *arguments: object) -> None:
    """Calls work(rank, processes, *arguments) in as many processes; one raises what went wrong in another."""
    with tempfile.TemporaryDirectory() as folder:
        mp.spawn(_begin, (work, processes, str(Path(folder) / "meeting"), arguments), nprocs=processes)


def _begin(rank: int, work: Callable[..., None], processes: int, meeting: str, arguments: tuple) -> None:
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{meeting}", rank=rank, world_size=processes, timeout=timedelta(hours=1)
    )
    try:
        work(rank, processes, *arguments)
    finally:
        dist.destroy_process_group()


def step(optimizer: torch.optim.Optimizer, trained: Sequence[nn.Parameter], rate: float, most: float = 1.0) -> None:
    """One step at `rate` on the mean gradient of all processes, cut to the norm `most`."""
    gradients = [p.grad if p.grad is not None else torch.zeros_like(p) for p in trained]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    flat *= min(1.0, most / (float(flat.norm()) + 1e-6))
    for p, part in zip(trained, flat.split([p.numel() for p in trained]), strict=True):
        p.grad = part.view_as(p)
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.step()
    optimizer.zero_grad()


def mean_of_all(values: Iterable[float]) -> Tensor:
    """The mean over the processes of each number, float64."""
    summed = torch.tensor(list(values), dtype=torch.float64)
    dist.all_reduce(summed)
    return summed / dist.get_world_size()
