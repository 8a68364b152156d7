"""Jobs, by the names people type."""

import dagster as dg

from pipelines.recipes import RECIPES, load_recipe

TRAINING = ("training_data", "conditions", "executor")

build_worldtasks = dg.define_asset_job(
    "build_worldtasks",
    selection=dg.AssetSelection.groups("curation", "release"),
    config=load_recipe(RECIPES / "microworld.yaml"),
    description=(
        "Video files to a published WorldTasks dataset and its report. Partitioned by shard: run it for one, or for "
        "all of them with `make build RECIPE=recipes/NAME.yaml`. Without a recipe it builds the microworld."
    ),
    tags={"dagster/max_retries": "1"},
)

train_wmsd = dg.define_asset_job(
    "train_wmsd",
    selection=dg.AssetSelection.assets(*TRAINING),
    config=load_recipe(RECIPES / "microworld_training.yaml"),
    description=(
        "A published dataset to an Executor: conditions encoded once, World Model Self-Distillation, scores before and "
        "after on held-out tasks. Without a recipe it trains the microworld's own model, and builds its dataset when "
        "there is none. A cancelled run saves first; the next one goes on from there."
    ),
)


def ablations_recipe(recipe: dict) -> dict:
    """A training recipe as run config of `train_ablations`: the Executor's block for the ablations."""
    ops = {name: block for name, block in recipe["ops"].items() if name != "executor"}
    return recipe | {"ops": ops | {"executor_ablations": recipe["ops"]["executor"]}}


train_ablations = dg.define_asset_job(
    "train_ablations",
    selection=dg.AssetSelection.assets("training_data", "conditions", "executor_ablations"),
    config=ablations_recipe(load_recipe(RECIPES / "microworld_training.yaml")),
    description=(
        "The Executor by the paper's other methods, one a partition: choose partitions in the UI, or add "
        '--tags \'{"dagster/partition": "rl_only"}\'. Options are those of the recipe\'s executor block.'
    ),
)

reproduce = dg.define_asset_job(
    "reproduce",
    selection=dg.AssetSelection.assets("training_data", "conditions", "reproduction"),
    config=load_recipe(RECIPES / "microworld_reproduce.yaml"),
    description=(
        "What the paper claims, tried out on the microworld: many training runs on the same held-out tasks, and a "
        "report of which claims hold, with charts over the paper's traces. At most 90 minutes on two cores; a run that "
        "was cancelled or out of time goes on."
    ),
)

build_microworld = dg.define_asset_job(
    "build_microworld",
    selection=dg.AssetSelection.assets("microworld_model"),
    description=(
        "The microworld's base model, trained from nothing. Its checkpoint ships with the project: run this only to "
        "make it again, or another one in a folder of your own (`out`)."
    ),
)

evaluate_worldtasks = dg.define_asset_job(
    "evaluate_worldtasks",
    selection=dg.AssetSelection.assets("generated_videos", "judgements", "scores", "report"),
    config=load_recipe(RECIPES / "microworld_evaluation.yaml"),
    description=(
        "Base, Demonstrator, Executor and +VLM on a benchmark: videos, a judge's answers, scores with intervals, one "
        "report. Partitioned by the runs of the recipe: `make evaluate RECIPE=recipes/NAME.yaml` is about all of them. "
        "What is finished is not repeated. Without a recipe it evaluates the microworld's Executor."
    ),
)

evaluate_dreamgen = dg.define_asset_job(
    "evaluate_dreamgen",
    selection=dg.AssetSelection.assets("generated_videos", "dreamgen_scores"),
    description=(
        "Runs on DreamGen Bench: videos under its own names, our judge's answers to its questions, its CSV files and "
        "the table object / behavior / environment. docs/benchmarks.md has a recipe; the data set has to be downloaded."
    ),
)

evaluate_vbvr = dg.define_asset_job(
    "evaluate_vbvr",
    selection=dg.AssetSelection.assets("vbvr_queries", "generated_videos", "vbvr_scores"),
    description=(
        "Runs on VBVR-Bench: queries shortened where asked for, videos under its own names, its official evaluator. "
        "docs/benchmarks.md has a recipe; data set and evaluator have to be installed."
    ),
)
