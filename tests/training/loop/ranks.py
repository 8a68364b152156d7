"""One process of several: trains each of the configs given, and writes how often it called which collective.

python -m torch.distributed.run --standalone --nproc_per_node 2 tests/training/loop/ranks.py COUNTS CONFIG ...
"""

import json
import os
import sys
from collections import Counter
from functools import partial
from pathlib import Path

import torch

from tests.training.tiny_run import judge_of
from training import world as distributed
from training.rewards import judge as judging
from training.train import main

calls: Counter[str] = Counter()


def counted(name: str) -> None:
    real = getattr(torch.distributed, name)

    def call(*args, **kwargs):
        calls[name] += 1
        return real(*args, **kwargs)

    setattr(torch.distributed, name, call)


def run(counts: Path, configs: list[str]) -> None:
    world = distributed.join_world()
    # One process group for all runs; each run would else make and leave its own.
    distributed.join_world, leave, distributed.leave_world = lambda: world, distributed.leave_world, lambda world: None
    counted("all_reduce")
    counted("all_gather_object")  # unpickles what another process sent
    told = {}
    for config in configs:
        calls.clear()
        judging.build_vlm = partial(judge_of, Path(config))
        told[config] = {"status": main(["--config", config]), **calls}
    counts.with_name(f"{counts.name}.{os.environ['RANK']}").write_text(json.dumps(told))
    leave(world)


if __name__ == "__main__":
    run(Path(sys.argv[1]), sys.argv[2:])
