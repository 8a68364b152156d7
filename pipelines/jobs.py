"""Jobs, by the names people type."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from pipelines.recipes import RECIPES, load_recipe

# Tags of the Dagster runs of all jobs; a job adds its own below.
TAGS: dict[str, str] = {}


def job(
    name: str,
    selection: dg.AssetSelection,
    description: str,
    config: Mapping[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
):
    """A job over `selection`; `config` is the recipe that it runs when it is given none."""
    tags = TAGS | dict(tags or {})
    return dg.define_asset_job(name, selection=selection, config=config, description=description, tags=tags)


def ablations_recipe(recipe: dict) -> dict:
    """A training recipe as run config of `train_ablations`: the Executor's block for the ablations."""
    ops = {name: block for name, block in recipe["ops"].items() if name != "executor"}
    return recipe | {"ops": ops | {"executor_ablations": recipe["ops"]["executor"]}}


TRAINING_RECIPE = load_recipe(RECIPES / "microworld_training.yaml")

build_worldtasks = job(
    "build_worldtasks",
    dg.AssetSelection.groups("curation", "release"),
    "Video files to a published WorldTasks dataset and its report. Partitioned by shard: run it for one, or for "
    "all of them with `make build RECIPE=recipes/NAME.yaml`. Without a recipe it builds the microworld.",
    load_recipe(RECIPES / "microworld.yaml"),
    tags={"dagster/max_retries": "1"},
)

train_wmsd = job(
    "train_wmsd",
    dg.AssetSelection.assets("training_data", "conditions", "executor"),
    "A published dataset to an Executor: conditions encoded once, World Model Self-Distillation, scores before and "
    "after on held-out tasks. Without a recipe it trains the microworld's own model, and builds its dataset when "
    "there is none. A cancelled run saves first; the next one goes on from there.",
    TRAINING_RECIPE,
)

train_ablations = job(
    "train_ablations",
    dg.AssetSelection.assets("training_data", "conditions", "executor_ablations"),
    "The Executor by the paper's other methods, one a partition: choose partitions in the UI, or add "
    '--tags \'{"dagster/partition": "rl_only"}\'. Options are those of the recipe\'s executor block.',
    ablations_recipe(TRAINING_RECIPE),
)

reproduce = job(
    "reproduce",
    dg.AssetSelection.assets("training_data", "conditions", "reproduction"),
    "What the paper claims, tried out on the microworld: many training runs on the same held-out tasks, and a "
    "report of which claims hold, with charts over the paper's traces. At most 90 minutes on two cores; a run that "
    "was cancelled or out of time goes on.",
    load_recipe(RECIPES / "microworld_reproduce.yaml"),
)

build_microworld = job(
    "build_microworld",
    dg.AssetSelection.assets("microworld_model"),
    "The microworld's base model, trained from nothing. Its checkpoint ships with the project: run this only to "
    "make it again, or another one in a folder of your own (`out`).",
)

evaluate_worldtasks = job(
    "evaluate_worldtasks",
    dg.AssetSelection.assets("generated_videos", "judgements", "scores", "report"),
    "Base, Demonstrator, Executor and +VLM on a benchmark: videos, a judge's answers, scores with intervals, one "
    "report. Partitioned by the runs of the recipe: `make evaluate RECIPE=recipes/NAME.yaml` is about all of them. "
    "What is finished is not repeated. Without a recipe it evaluates the microworld's Executor.",
    load_recipe(RECIPES / "microworld_evaluation.yaml"),
)

evaluate_dreamgen = job(
    "evaluate_dreamgen",
    dg.AssetSelection.assets("generated_videos", "dreamgen_scores"),
    "Runs on DreamGen Bench: videos under its own names, our judge's answers to its questions, its CSV files and "
    "the table object / behavior / environment. docs/benchmarks.md has a recipe; the data set has to be downloaded.",
)

evaluate_vbvr = job(
    "evaluate_vbvr",
    dg.AssetSelection.assets("vbvr_queries", "generated_videos", "vbvr_scores"),
    "Runs on VBVR-Bench: queries shortened where asked for, videos under its own names, its official evaluator. "
    "docs/benchmarks.md has a recipe; data set and evaluator have to be installed.",
)

JOBS = [
    build_worldtasks,
    train_wmsd,
    train_ablations,
    reproduce,
    build_microworld,
    evaluate_worldtasks,
    evaluate_dreamgen,
    evaluate_vbvr,
]
