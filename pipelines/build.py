"""Runs `build_worldtasks` for a recipe: all shards, or one.

    python -m pipelines.build recipes/microworld.yaml
    python -m pipelines.build recipes/folder.yaml --shard shard-0003

It checks the recipe strictly, runs the plain Dagster command (which it prints), and prints the report's path last.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import dagster as dg
from pydantic import ValidationError

from assets.support.partitions import ALL_SHARDS, SHARDS
from assets.support.run_config import check_run_config, resolved
from pipelines.recipes import job_of, load_recipe

ROOT = Path(__file__).resolve().parent.parent


def checked(recipe: Path, shard: str | None) -> dict:
    """The recipe's run config, values from the environment filled in. Raises ValueError or Dagster's config error."""
    from pipelines.definitions import defs

    if shard is not None and shard not in SHARDS.get_partition_keys():
        keys = SHARDS.get_partition_keys()
        raise ValueError(f"--shard {shard!r}: one of {keys[0]} to {keys[-1]} is expected")
    config = load_recipe(recipe)
    if job_of(config) != "build_worldtasks":
        raise ValueError(f"this recipe is for {job_of(config)}: make train RECIPE={recipe}")
    dg.validate_run_config(defs.resolve_job_def("build_worldtasks"), config)
    check_run_config(config)
    return resolved(config)


def command(recipe: Path, shard: str | None) -> list[str]:
    """The plain Dagster command."""
    tags = json.dumps(ALL_SHARDS if shard is None else {"dagster/partition": shard})
    name = ["dagster", "job", "execute", "-m", "pipelines.definitions", "-j", "build_worldtasks"]
    return [*name, "-c", str(recipe), "--tags", tags]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path, help="run config in YAML")
    parser.add_argument("--shard", help="one shard, e.g. shard-0003; all of them when not given")
    arguments = parser.parse_args()
    os.chdir(ROOT)  # dagster.yaml is read from the working folder
    try:
        config = checked(arguments.recipe, arguments.shard)
    except (ValueError, ValidationError, dg.DagsterInvalidConfigError) as error:
        print(f"{arguments.recipe}: {error}", file=sys.stderr)
        return 2
    words = command(arguments.recipe, arguments.shard)
    print(f"Running: {shlex.join(words)}", flush=True)
    finished = subprocess.run([str(Path(sys.executable).with_name(words[0])), *words[1:]])
    if finished.returncode != 0:
        print("The run failed: the first error above says where and why.", file=sys.stderr)
        return finished.returncode
    collection = config.get("resources", {}).get("collection", {}).get("config", {})
    folder = Path(collection.get("root", "data")).resolve() / collection.get("name", "microworld")
    print(f"Dataset: {folder / 'published' / 'latest'}")
    print(f"Report:  {folder / 'report.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
