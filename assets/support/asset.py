"""The decorator of every asset: who takes turns with whom, and what an asset is described by, in one place."""

import inspect
from collections.abc import Callable
from typing import Any

import dagster as dg

# Pool -> its assets. dagster.yaml says how many steps of a pool run at a time: one.
POOLS = {
    # The whole GPU box. `aesthetics` is here for the scorer `clip`, which takes the GPU where there is one.
    "gpu": (
        "aesthetics",
        "screening",
        "tasks",
        "taxonomy",
        "conditions",
        "executor",
        "executor_ablations",
        "reproduction",
        "microworld_model",
        "robot_microworld_model",
        "generated_videos",
        "judgements",
        "dreamgen_scores",
        "vbvr_queries",
        "episode_latents",
        "world_model",
        "finetuned_world_model",
        "world_model_baselines",
    ),
    # A page of all runs takes longer than the child's lock is waited for.
    "report": ("report",),
}
POOL_OF = {name: pool for pool, names in POOLS.items() for name in names}


def asset(*, group: str, **attributes: Any) -> Callable[[Callable], dg.AssetsDefinition]:
    """`dg.asset` by the function's name, in its pool, described by the docstring of its module."""

    def decorate(function: Callable) -> dg.AssetsDefinition:
        described = inspect.getmodule(function).__doc__
        pool = POOL_OF.get(function.__name__)
        return dg.asset(group_name=group, pool=pool, description=described, **attributes)(function)

    return decorate
