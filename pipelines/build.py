"""Runs the job build_worldtasks for a recipe: all shards, or one.

    python -m pipelines.build recipes/microworld.yaml
    python -m pipelines.build recipes/folder.yaml --shard shard-0003

It checks the recipe strictly. Then it prints and runs the plain Dagster command. At the end it prints where the
dataset and the report are.
"""

import argparse
import sys

from assets.support.partitions import ALL_SHARDS
from assets.support.run_config import PARTITION
from curation.shards import KEYS
from pipelines.commands import read_recipe, recipe_parser, run_job
from pipelines.recipes import store_of


def shard(name: str) -> str:
    """`name` when it is a shard's."""
    if name not in KEYS:
        raise argparse.ArgumentTypeError(f"{name!r} is not a shard: choose one from {KEYS[0]} to {KEYS[-1]}")
    return name


def main() -> int:
    parser = recipe_parser(__doc__)
    parser.add_argument("--shard", type=shard, help="one shard, e.g. shard-0003; default: all shards")
    arguments = parser.parse_args()
    config = read_recipe(arguments.recipe, "build")
    tags = ALL_SHARDS if arguments.shard is None else {PARTITION: arguments.shard}
    status = run_job("build_worldtasks", arguments.recipe, tags)
    if status != 0:
        return status
    store = store_of(config)
    print(f"Dataset: {store.latest}")
    print(f"Report:  {store.report}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
