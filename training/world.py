"""The few collectives of data-parallel training: one gather of rewards and one sum of gradients a step."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class World:
    """This process among all: with one process every collective is the identity, and none is called."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        return self.rank == 0

    def sum_(self, tensors: Sequence[Tensor]) -> None:
        """Adds up tensors over all processes, in place, in one all-reduce of one flat buffer."""
        if self.size == 1:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        torch.distributed.all_reduce(flat)
        for tensor, part in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(part.view_as(tensor))

    def gather(self, rows: Tensor) -> Tensor:
        """Rows [n, ...] of each process -> [world * n, ...] in the order of ranks, on every process."""
        if self.size == 1:
            return rows
        parts = [torch.empty_like(rows) for _ in range(self.size)]
        torch.distributed.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    def any_(self, told: bool) -> bool:
        """Whether any process says so; on every process, when all have said."""
        return bool(self.gather(torch.tensor([float(told)])).any())


def join_world() -> World:
    """The process group torchrun describes in the environment: NCCL for tensors on GPUs where each process has one.

    Gloo for all else: a recipe may train on the CPU of a machine that has GPUs.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        return World()
    rank, local = int(os.environ["RANK"]), int(os.environ.get("LOCAL_RANK", "0"))
    on_gpu = torch.cuda.is_available() and torch.cuda.device_count() >= int(os.environ.get("LOCAL_WORLD_SIZE", size))
    if on_gpu:
        torch.cuda.set_device(local)
    torch.distributed.init_process_group("cpu:gloo,cuda:nccl" if on_gpu else "gloo")
    return World(rank, size)


def leave_world(world: World) -> None:
    if world.size > 1:
        torch.distributed.destroy_process_group()


@contextlib.contextmanager
def joined() -> Iterator[World]:
    """Inside, this process is in the group of `join_world`."""
    world = join_world()
    try:
        yield world
    finally:
        leave_world(world)
