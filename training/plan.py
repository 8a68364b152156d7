"""Tells what a training run costs before anyone rents a GPU: memory and hours of each process, calls, requests.

    python -m training.plan recipes/ltx2.yaml --gpus 8
    python -m training.plan recipes/wan.yaml --gpus 1 --gpu l40s --method rl_only --json

Nothing is loaded and nothing fetched: sizes come from configs on this machine, or from a table of published ones.
"""

import argparse
import json
import math
import os
import sys
from pathlib import Path


def plan(recipe: Path, gpus: int, gpu_name: str, method: str | None, configs: Path | None, mfu: float) -> dict:
    """Everything that is printed, as JSON values. Raises ValueError for what cannot be planned."""
    from training.methods.asking import calls, calls_of_run
    from training.methods.tasks import share_of_rank
    from training.planning.flops import compute, judge_load
    from training.planning.gpus import gpu_named
    from training.planning.memory import lora_parameters, memory, whole_tensors
    from training.planning.planned_model import lora_targets, planned_model
    from training.planning.recipe import recipe_options
    from training.planning.remedies import what_fits

    if gpus < 1:
        raise ValueError(f"--gpus {gpus}: use at least 1")
    if not 0 < mfu <= 1:
        raise ValueError(f"--mfu {mfu}: use a share above 0 and at most 1")
    gpu, (options, processes) = gpu_named(gpu_name), recipe_options(recipe, method)
    share_of_rank(options.rollout.tasks, 0, gpus)
    model, source = planned_model(options.model, configs)
    targets = lora_targets(options)
    needed, limit = memory(model, options, gpus, targets), gpu.memory
    changes, after = what_fits(model, options, gpus, limit, targets)
    return {
        "recipe": str(recipe),
        "method": options.method,
        "processes": gpus,
        "recipe_processes": processes,
        "gpu": {"name": gpu.name, "bytes": gpu.memory, "flops": gpu.flops, "mfu": mfu},
        "model": {"source": source, "parameters": model.parameters, "tokens": model.tokens},
        "lora_parameters": lora_parameters(model.layers, targets, options.lora.rank),
        "whole_parameters": sum(map(math.prod, whole_tensors(model, options.lora.whole))),
        "steps": options.run.steps,
        "videos_a_step": options.rollout.tasks * options.rollout.group,
        "memory": needed,
        "fits": needed["peak"] <= limit,
        "changes": changes,
        "peak_after": after["peak"],
        "compute": compute(model, options, gpus, gpu, mfu, targets),
        "calls": {"step": readable(calls(options)), "run": readable(calls_of_run(options))},
        "requests": judge_load(options),
    }


def readable(calls) -> dict[str, int]:
    return {f"{who}{' with gradient' if grad else ''}": states for (who, grad), states in sorted(calls.items())}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path, help="recipe of train_wmsd")
    parser.add_argument("--gpus", type=int, required=True, help="number of processes, one for each GPU")
    parser.add_argument("--gpu", default="h100", help="kind of GPU (default: h100)")
    parser.add_argument("--method", help="method (default: the recipe's)")
    parser.add_argument("--model-config", type=Path, help="folder with config files of a checkpoint that is not here")
    parser.add_argument("--mfu", type=float, default=0.45, help="share of the GPU's peak rate (default: 0.45)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args(arguments)
    os.environ["HF_HUB_OFFLINE"] = "1"
    try:
        found = plan(given.recipe, given.gpus, given.gpu, given.method, given.model_config, given.mfu)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    from training.planning.printout import text

    print(json.dumps(found, indent=2) if given.json else text(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
